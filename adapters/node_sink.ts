/** A long answer on Node: what is written goes to the response itself, without a Web stream between. */
import type { ServerResponse } from "node:http";
import type { Sink } from "../core/mod.ts";

/** How long the rest of an ended answer may take to reach a peer that reads slowly or not at all. */
const FLUSH_MS = 5_000;

/** The sink of a response whose head has been sent; over from the start when its client has already left. */
export function socketSink(outgoing: ServerResponse): Sink {
  const over = new AbortController();
  let waiting: (() => void)[] = [];
  let flushing: ReturnType<typeof setTimeout> | undefined;

  function release(): void {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  }

  function finish(): void {
    clearTimeout(flushing);
    over.abort();
    release();
  }

  // Not `outgoing.destroy()`: an answer in line behind another has no socket of its own yet, and would only be destroyed in its turn.
  const cut = () => void outgoing.req.socket.destroy();
  const isOver = () => over.signal.aborted || outgoing.writableEnded;

  outgoing.on("drain", release);
  outgoing.once("close", finish);
  // Destroyed before this: "close" has been, and does not come again.
  if (outgoing.destroyed || outgoing.req.socket.destroyed) finish();

  return {
    write(bytes) {
      if (isOver()) return 0;
      outgoing.write(bytes);
      return outgoing.writableLength;
    },
    drained() {
      if (isOver() || !outgoing.writableNeedDrain) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    close() {
      if (isOver()) return;
      outgoing.end();
      over.abort();
      release();
      flushing = setTimeout(cut, FLUSH_MS);
      flushing.unref();
    },
    abort() {
      cut();
      finish();
    },
    closed: over.signal,
  };
}
