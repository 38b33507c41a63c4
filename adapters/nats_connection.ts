/**
 * The connection to a NATS server: made again whenever it breaks or is deaf, with words for what is wrong, said once. The client's own reconnecting
 * is not used: it begins only after a first success, and keeps to itself why an attempt failed.
 */
import { type NatsConnection, NatsConnectionImpl, setTransportFactory } from "@nats-io/nats-core/internal";
import type { Log } from "../core/ports/log.ts";
import type { NatsAddress } from "./nats_address.ts";
import { socketTransport } from "./nats_socket.ts";
import { type Attempt, reconnecting } from "./reconnect.ts";
import { systemClock } from "./system.ts";

export interface NatsLinkOptions {
  address: NatsAddress;
  /** Where messages go and come from; asked for until it is known. */
  subject(): Promise<string>;
  heard(message: string): void;
  /** Called each time it listens, first or again. */
  listening(): void;
  log: Log;
}

export interface NatsLink {
  /** Resolves once the server has the messages; rejects when it has not answered in time, or there is none. */
  publish(messages: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

const CONNECT_MS = 3_000;
const ANSWER_MS = 1_000;
const GOODBYE_MS = 1_000;
/** Two pings without an answer make a connection deaf: after 5 to 7.5 s. */
const PING_MS = 2_500;
const PINGS_OUT = 2;
/** A connection that breaks earlier counts as an attempt that failed. */
const STEADY_MS = 1_000;

/** Connects; it resolves once it listens, at the first failure or when either takes long, and goes on trying until it is stopped. */
export async function linkNats(options: NatsLinkOptions): Promise<NatsLink> {
  const stopped = new AbortController();
  const said = speaker(options.log);
  let standing: { connection: NatsConnection; subject: string } | null = null;
  /** Ends the waiting for an answer that will not come: the client leaves that to who waits. */
  let abandon: (error: Error) => void = () => undefined;

  /** One connection's life; resolves with the reason when it is over. */
  async function session({ settled, stood }: Attempt): Promise<string> {
    const subject = await options.subject();
    const connection = await connect(options.address);
    const end = () => void connection.close();
    stopped.signal.addEventListener("abort", end, { once: true });
    if (stopped.signal.aborted) end();
    try {
      const trouble = troubleOf(connection, said.refused);
      await subscribed(connection, { subject, heard: options.heard });
      standing = { connection, subject };
      const since = systemClock.elapsed();
      said.connected(connection.getServer());
      options.listening();
      settled();
      const error = await connection.closed();
      if (systemClock.elapsed() - since > STEADY_MS) stood();
      return trouble() ?? wordsOf(error ?? "the connection ended");
    } finally {
      standing = null;
      abandon(new Error("the connection ended"));
      stopped.signal.removeEventListener("abort", end);
      await connection.close();
    }
  }

  const { first, over } = reconnecting((attempt) => session(attempt).catch(wordsOf), {
    clock: systemClock,
    signal: stopped.signal,
    lost: said.lost,
  });
  await Promise.race([first, systemClock.sleep(CONNECT_MS)]);

  return {
    async publish(messages) {
      if (standing === null) throw new Error("not connected");
      const { connection, subject } = standing;
      for (const message of messages) connection.publish(subject, message);
      // A server that reads no more is not sent any more.
      const answered = new Promise<void>((resolve, reject) => {
        abandon = reject;
        connection.flush().then(resolve, reject);
      });
      await within(ANSWER_MS, answered);
    },
    async stop() {
      stopped.abort();
      // An attempt to connect cannot be taken back; it ends by itself.
      await within(GOODBYE_MS, over).catch(() => undefined);
    },
  };
}

function connect({ servers, tls, login }: NatsAddress): Promise<NatsConnection> {
  setTransportFactory({ factory: socketTransport });
  return NatsConnectionImpl.connect({
    ...login,
    servers,
    ...(tls ? { tls: {} } : {}),
    name: "millrace",
    noEcho: true,
    reconnect: false,
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT,
  });
}

/** Resolves once the server has the subscription. */
async function subscribed(
  connection: NatsConnection,
  { subject, heard }: { subject: string; heard(message: string): void },
): Promise<void> {
  const refused = new Promise<never>((_, reject) => {
    connection.subscribe(subject, {
      callback: (error, message) => (error === null ? heard(message.string()) : reject(error)),
    });
  });
  // What follows the subscription is answered after it.
  await Promise.race([connection.flush(), refused, connection.closed().then(failed)]);
}

function failed(error: unknown): never {
  throw error ?? new Error("the connection ended");
}

/** Listens for what the server complains of; the function that it returns says what ended the connection, as far as the client knows. */
function troubleOf(connection: NatsConnection, refused: (words: string) => void): () => string | null {
  let why: string | null = null;
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === "error") refused(status.error.message);
      if (status.type === "staleConnection") why = "the server does not answer";
    }
  })();
  return () => why;
}

/** Says everything once: that there is no connection and why, that there is one again, what is refused on it. */
function speaker(log: Log) {
  let lost: string | null = null;
  let refused: string | null = null;
  return {
    connected(server: string): void {
      log.write("info", "bus_connected", { server });
      lost = null;
    },
    lost(reason: string): void {
      if (lost !== reason) log.write("warn", "bus_connection_lost", { reason });
      lost = reason;
    },
    refused(reason: string): void {
      if (refused !== reason) log.write("warn", "bus_refused", { reason });
      refused = reason;
    },
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer after ${ms} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function wordsOf(error: unknown): string {
  // Several addresses that all refuse have a code and no message.
  return error instanceof Error ? error.message || String((error as { code?: string }).code) : String(error);
}
