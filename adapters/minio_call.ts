/**
 * One call to the object store: through the gate, with a deadline, retried when that is harmless, its errors as Faults.
 * Which calls there are stands in minio.ts.
 */
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, S3Error } from "minio";
import { Fault } from "../core/ports/fault.ts";
import { openGate } from "./gate.ts";

const CONNECT_MS = 2_000;
/** For all tries of a call together, with the wait before the gate; somewhat less than the 10 s that callers are promised. */
const CALL_MS = 9_500;
const TRIES = 3;
const CALL_OVERHEAD_BYTES = 4_096;
const GATE = { calls: 64, bytes: 24 * 1024 * 1024, waitingBytes: 16 * 1024 * 1024 };
const REFUSALS: ReadonlySet<string> = new Set([
  "AccessDenied",
  "AuthorizationHeaderMalformed",
  "InvalidAccessKeyId",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
]);
/** The client throws away answers with these statuses and leaves their bodies unread, which would keep the connection busy. */
const UNREAD: ReadonlySet<number> = new Set([408, 429, 499, 500, 502, 503, 504, 520]);

/** Where the store is and who we are to it. */
export interface StoreAddress {
  /** For example `http://127.0.0.1:9000`; without a path. */
  endpoint: string;
  accessKey: string;
  secretKey: string;
  region: string;
}

export interface CallOptions {
  /** Bytes of the body that the call holds. */
  weight?: number;
  /** For a call that must not be sent twice. */
  once?: boolean;
}

/** Does `work` with a client whose requests end when the call does; `control` aborts them later, for a body that is still read. */
export type Call = <T>(
  work: (client: Client, control: AbortController) => Promise<T>,
  options?: CallOptions,
) => Promise<T>;

/** The way to call the store at this address; nothing is sent yet. */
export function openCalls(address: StoreAddress): Call {
  const gate = openGate(GATE);
  const clientFor = clients(address);

  return async (work, { weight = 0, once = false } = {}) => {
    const control = new AbortController();
    const deadline = Date.now() + CALL_MS;
    const timer = setTimeout(() => control.abort(new Error(`no answer in ${CALL_MS} ms`)), CALL_MS);
    try {
      const leave = await gate.enter(weight + CALL_OVERHEAD_BYTES, control.signal);
      try {
        const run = () => orAborted(work(clientFor(control.signal), control), control.signal);
        return await persistently(run, { tries: once ? 1 : TRIES, deadline });
      } finally {
        leave();
      }
    } catch (error) {
      throw storeFault(error);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The code of an error that the store itself answered with, for example `NoSuchKey`. */
export function storeCode(error: unknown): string | undefined {
  const inner = error instanceof Fault ? error.cause : error;
  return inner instanceof S3Error && "code" in inner ? String(inner.code) : undefined;
}

/** What the caller of the server is told about a failure of the store. */
export function storeFault(cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const code = storeCode(cause);
  if (code && REFUSALS.has(code)) {
    return new Fault("unavailable", `The object store refuses the server's credentials (${code}).`, { cause });
  }
  if (code) return new Fault("unavailable", `The object store refuses the call (${code}).`, { cause });
  return new Fault("unavailable", "The object store does not answer; send the request again later.", { cause });
}

async function persistently<T>(run: () => Promise<T>, { tries, deadline }: { tries: number; deadline: number }) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await run();
    } catch (error) {
      const pause = 50 * 2 ** tried * (0.5 + Math.random());
      if (tried >= tries || error instanceof S3Error || Date.now() + pause >= deadline) throw error;
      await sleep(pause);
    }
  }
}

/** Not every runtime's http client ends at once when its signal aborts, so the call does not wait for it. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The minio client takes no signal, so each call gets a client of its own over one pool of connections. */
function clients({ endpoint, accessKey, secretKey, region }: StoreAddress): (signal: AbortSignal) => Client {
  const url = new URL(endpoint);
  const secure = url.protocol === "https:";
  if ((!secure && url.protocol !== "http:") || url.pathname !== "/") {
    throw new Error(
      `The S3 endpoint must be like http://host:9000, without a path; it is ${url.origin}${url.pathname}`,
    );
  }
  const library = secure ? https : http;
  const transportAgent = new library.Agent({ keepAlive: true, maxSockets: GATE.calls * 2 });
  const port = Number(url.port) || (secure ? 443 : 80);
  const endPoint = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return (signal) => {
    const transport = { request: requester(library, signal) } as typeof http;
    return new Client({
      ...{ endPoint, port, useSSL: secure, accessKey, secretKey, region, pathStyle: true, transport, transportAgent },
      retryOptions: { disableRetry: true },
    });
  };
}

function requester(library: typeof http | typeof https, signal: AbortSignal) {
  return (options: https.RequestOptions, answered: (response: http.IncomingMessage) => void) => {
    const request = library.request({ ...options, signal }, (response) => {
      response.on("error", () => {});
      if (UNREAD.has(response.statusCode ?? 0)) response.resume();
      answered(response);
    });
    request.once("socket", (socket) => {
      if (!socket.connecting) return;
      const timer = setTimeout(() => request.destroy(new Error(`no connection in ${CONNECT_MS} ms`)), CONNECT_MS);
      const settled = () => clearTimeout(timer);
      socket.once(library === https ? "secureConnect" : "connect", settled);
      request.once("close", settled);
    });
    return request;
  };
}
