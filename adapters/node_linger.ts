/**
 * Answers to requests that have not come whole, for example to a body that is too large. The answer goes out at once; what the client still sends is
 * read and thrown away for a bounded while before the connection closes or serves on. A socket that is closed with bytes unread resets the connection, and
 * the reset takes the answer along before a client that is still sending has read it (RFC 9112, section 9.6).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { finished, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** How long the rest of a request may take, how long it may pause, and how much of it is read, before its connection is cut. */
export interface Bounds {
  ms: number;
  pauseMs: number;
  bytes: number;
}

const BOUNDS: Bounds = { ms: 10_000, pauseMs: 5_000, bytes: 268_435_456 };

export interface Early {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  bounds?: Bounds;
}

/** Whether the whole request has come, read or not. */
export function isWhole(incoming: IncomingMessage): boolean {
  return incoming.complete;
}

/** Writes the answer, then takes in the rest of the request; a client that sends too much or too slowly is cut. */
export async function answerEarly(response: Response, { incoming, outgoing, bounds = BOUNDS }: Early): Promise<void> {
  // What says its length may be long, and is sent as it comes.
  const isSized = response.headers.has("content-length");
  const body = response.body === null || isSized ? null : new Uint8Array(await response.arrayBuffer());
  if (outgoing.destroyed) return void response.body?.cancel().catch(() => undefined);
  const headers = [...response.headers];
  // The end comes later than the last byte, so the client must know where that is.
  if (!isSized && incoming.method !== "HEAD" && response.status !== 204 && response.status !== 304)
    headers.push(["Content-Length", String(body?.length ?? 0)]);
  outgoing.writeHead(response.status, headers.flat());
  outgoing.flushHeaders();
  if (body !== null) outgoing.write(body);
  else if (response.body !== null && !(await writeAll(response.body, outgoing))) return;
  const whole = await discardRest(incoming, bounds);
  outgoing.end();
  if (!whole) incoming.socket.destroySoon();
}

/** Writes as much as the client takes; false when the body failed or the client left. */
async function writeAll(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<boolean> {
  try {
    await pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), outgoing, { end: false });
    return true;
  } catch {
    outgoing.destroy();
    return false;
  }
}

/** Reads and forgets; whether the request came to its end within the bounds. */
export function discardRest(incoming: IncomingMessage, bounds: Bounds = BOUNDS): Promise<boolean> {
  return new Promise((resolve) => {
    let bytes = 0;
    const stop = finished(incoming, { writable: false }, (error) => done(!error));
    const giveUp = () => done(false);
    const late = setTimeout(giveUp, bounds.ms);
    const silent = setTimeout(giveUp, bounds.pauseMs);

    function done(whole: boolean): void {
      clearTimeout(late);
      clearTimeout(silent);
      stop();
      incoming.off("data", take);
      incoming.pause();
      resolve(whole);
    }

    function take(chunk: Uint8Array): void {
      silent.refresh();
      bytes += chunk.length;
      if (bytes > bounds.bytes) giveUp();
    }

    // Whoever was reading has answered without the rest, and would hold it back or keep it.
    incoming.removeAllListeners("data");
    incoming.on("data", take);
    incoming.resume();
  });
}
