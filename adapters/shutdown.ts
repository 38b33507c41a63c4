/**
 * How a server ends without a caller losing anything: it says that it leaves and serves on while others learn it, takes no new work, ends streams
 * spread over a while, lets requests finish, and only then are its stores closed. A second signal or the deadline cuts it short.
 */
import process from "node:process";
import type { App } from "../core/mod.ts";
import type { Log } from "../core/ports/log.ts";

/** How long requests, and the last bytes to slow readers, may take once streams have ended. */
export const CLOSE_MS = 7_000;
/** How long the stores may take to close, the embedded database included. */
const STORES_MS = 8_000;
/** Signals within this are one: npm and the terminal both pass a Ctrl-C on. */
const SAME_SIGNAL_MS = 1_000;

/** The part of a listener that ends it. */
export interface Door {
  /** Refuses new connections where the runtime can do so without harm to those that are open, which are served on. */
  refuse(): void;
  /** Stops accepting; resolves when the open requests have been answered and connections are closed. */
  close(): Promise<void>;
}

export interface Notice {
  log: Log;
  /** Milliseconds to serve on after it has said that it is not ready. */
  noticeMs: number;
  /** Milliseconds over which streams will end. */
  overMs: number;
  /** A proxy stands in front, so there are always callers that have to learn it. */
  behindProxy: boolean;
  /** Where a line for people goes. */
  say(line: string): void;
}

/**
 * Says that the server leaves and serves on for a while: without anybody connected, for none. An idle connection counts as nobody, since a browser keeps one
 * for minutes after its last request.
 */
export async function giveNotice(app: Pick<App, "retire" | "streams" | "requests">, notice: Notice): Promise<void> {
  const { log, noticeMs, overMs, behindProxy, say } = notice;
  app.retire();
  const streams = app.streams();
  const requests = app.requests();
  log.write("info", "stopping", { streams, requests });
  if (streams + requests === 0 && !behindProxy) return;
  const open = `${counted(streams, "stream")} and ${counted(requests, "request")} open`;
  say(
    `Stopping with ${open}: serving on for ${noticeMs / 1_000} s, then ending streams within ${overMs / 1_000} s. Another Ctrl-C ends everything at once.`,
  );
  await pause(noticeMs);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export interface Closing {
  listeners: readonly Door[];
  log: Log;
  /** Milliseconds over which streams end. */
  overMs: number;
  /** The most milliseconds for all of it. */
  ms: number;
}

/** New connections are refused, streams and duties end, then what is under way gets a while to finish: `ms` for all of it. */
export async function closeInTime(app: Pick<App, "stop">, { listeners, log, overMs, ms }: Closing): Promise<void> {
  async function close(): Promise<void> {
    for (const listener of listeners) listener.refuse();
    await settled([app.stop(overMs)], log);
    await settled(
      listeners.map((listener) => listener.close()),
      log,
    );
  }
  const timer = new AbortController();
  const late = pause(ms, timer.signal).then(() => "late" as const);
  const outcome = await Promise.race([close(), late]);
  timer.abort();
  if (outcome === "late") log.write("warn", "stop_cut_short", { after_ms: ms });
}

async function settled(ends: readonly Promise<void>[], log: Log): Promise<void> {
  for (const end of await Promise.allSettled(ends))
    if (end.status === "rejected") log.write("error", "stop_failed", { error: String(end.reason) });
}

/** Not the clock's sleep, which would let the process end before the database is closed. */
function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** The first SIGTERM or SIGINT stops in order and ends with code 0; a later one, or the deadline, does not wait any more. */
export function stopAtSignals(stop: () => Promise<void>, { withinMs }: { withinMs: number }): void {
  let first = 0;
  const onSignal = () => {
    const now = performance.now();
    if (first > 0 && now - first > SAME_SIGNAL_MS) process.exit(1);
    if (first > 0) return;
    first = now;
    setTimeout(() => {
      process.stderr.write(`Not stopped after ${withinMs / 1_000} s; ending at once.\n`);
      process.exit(1);
    }, withinMs);
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

/** The longest that a stop in order may take. */
export function deadlineOf({ noticeMs, overMs }: Pick<Notice, "noticeMs" | "overMs">): number {
  return noticeMs + overMs + CLOSE_MS + STORES_MS;
}
