/**
 * A long answer on Node: what is written goes to the socket itself, without a Web stream or Node's own response between. Readers that are given the same
 * bytes share one buffer of them, already in the chunked coding (RFC 9112, section 7.1).
 */
import type { ServerResponse } from "node:http";
import type { Sink } from "../core/mod.ts";
import { discardRest, isWhole } from "./node_linger.ts";

/** How long the rest of an ended answer may take to reach a peer that reads slowly or not at all. */
const FLUSH_MS = 5_000;
/** Bytes that may wait before `drained` holds back. */
const DRAINED_BYTES = 65_536;

/** Bytes as one chunk of the chunked coding. */
export type Chunker = (bytes: Uint8Array) => Uint8Array;

/** A chunker that remembers what it made as long as anybody has the bytes. */
export function createChunker(): Chunker {
  const made = new WeakMap<Uint8Array, Uint8Array>();
  return (bytes) => {
    const found = made.get(bytes);
    if (found !== undefined) return found;
    const head = `${bytes.length.toString(16)}\r\n`;
    const chunk = Buffer.allocUnsafe(head.length + bytes.length + 2);
    chunk.write(head, "latin1");
    chunk.set(bytes, head.length);
    chunk.write("\r\n", head.length + bytes.length, "latin1");
    made.set(bytes, chunk);
    return chunk;
  };
}

/** The sink of a response whose head has been sent; over from the start when its client has already left. */
export function socketSink(outgoing: ServerResponse, chunkOf: Chunker): Sink {
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

  /** The socket, once this answer has it for itself and nothing waits in the response. */
  function ownSocket() {
    const { socket } = outgoing;
    return socket !== null && outgoing.writableLength === socket.writableLength ? socket : null;
  }

  /** Not before the request has come whole, where it may: its sender would find the connection closed, and not read what was written. */
  async function end(): Promise<void> {
    const whole = isWhole(outgoing.req) || (await discardRest(outgoing.req));
    if (outgoing.destroyed) return;
    outgoing.end();
    flushing = setTimeout(cut, FLUSH_MS);
    flushing.unref();
    if (!whole) outgoing.req.socket.destroySoon();
  }

  outgoing.on("close", finish);
  // Destroyed before this: "close" has been, and does not come again.
  if (outgoing.destroyed || outgoing.req.socket.destroyed) finish();

  return {
    write(bytes) {
      if (isOver()) return 0;
      const socket = ownSocket();
      if (socket === null) outgoing.write(bytes);
      // An empty chunk would end the answer.
      else if (bytes.length > 0) socket.write(outgoing.chunkedEncoding ? chunkOf(bytes) : bytes);
      return outgoing.writableLength;
    },
    drained() {
      if (isOver() || outgoing.writableLength < DRAINED_BYTES) return Promise.resolve();
      if (waiting.length === 0) (ownSocket() ?? outgoing).once("drain", release);
      return new Promise((resolve) => waiting.push(resolve));
    },
    close() {
      if (isOver()) return;
      over.abort();
      release();
      void end();
    },
    abort() {
      cut();
      finish();
    },
    closed: over.signal,
  };
}
