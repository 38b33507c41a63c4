/**
 * How long a request may take to come in. Node's own limit is one for all, so what suits a JSON body would cut off every large upload: here each request
 * has a minute, and more for what it has brought.
 */
import type { ServerResponse } from "node:http";

const LEAST_MS = 60_000;
/** Whoever brings less than this for long is not sending, but keeping the connection busy. */
const LEAST_BYTES_PER_S = 4_096;

export interface PatienceOptions {
  /** The answers that are open. */
  open: ReadonlySet<ServerResponse>;
  now(): number;
}

/** A look at all open requests, to be taken every few seconds; it ends those that are too slow. */
export function createPatience({ open, now }: PatienceOptions): () => void {
  const first = new WeakMap<ServerResponse, { at: number; bytes: number }>();
  return () => {
    const at = now();
    for (const outgoing of open) {
      const { complete, socket } = outgoing.req;
      if (complete || socket.destroyed) continue;
      const seen = first.get(outgoing);
      if (seen === undefined) {
        first.set(outgoing, { at, bytes: socket.bytesRead });
        continue;
      }
      const allowed = LEAST_MS + ((socket.bytesRead - seen.bytes) / LEAST_BYTES_PER_S) * 1_000;
      if (at - seen.at > allowed) refuse(outgoing);
    }
  };
}

/** As Node does it itself. */
function refuse(outgoing: ServerResponse): void {
  const { socket } = outgoing.req;
  if (outgoing.headersSent) return void socket.destroy();
  socket.write("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");
  socket.destroySoon();
}
