/** One reader of one subject, and what it shares with the feeder that serves it. */
import type { Clock } from "../ports/clock.ts";
import type { Sink } from "../ports/host.ts";
import type { Bounds } from "../ports/journal.ts";
import type { Notice } from "./cursor.ts";
import type { Outlet } from "./outlet.ts";
import type { Ring } from "./ring.ts";

/** A reader with more than this queued is cut; it comes back with its cursor. */
export const QUEUED_MAX_BYTES = 1_048_576;
/** A sink that does not drain for this long is cut. */
const DRAIN_MS = 30_000;

export interface Reader {
  sink: Sink;
  outlet: Outlet;
  /** The last id it was given. */
  cursor: string;
}

/** Where a feeder stands. */
export interface Head {
  /** Everything up to here has been given to those who have joined; null until somebody has looked. */
  cursor: string | null;
  readonly ring: Ring;
  /** Sets the cursor unless it is set. */
  begin(bounds: Pick<Bounds, "lastId">): void;
  /** Takes note of the store's clock. */
  heed(now: Date): void;
  tell(reader: Reader, notice: Notice): void;
}

/** Writes to a reader; one with more than 1 MiB queued already is cut. Returns how many bytes wait. */
export function writeOrCut(sink: Sink, bytes: Uint8Array): number {
  const queued = sink.write(bytes);
  if (queued - bytes.length > QUEUED_MAX_BYTES) sink.abort();
  return queued;
}

/** Waits until the reader has taken most of what is queued; one that does not in time is cut. */
export async function drain(sink: Sink, clock: Clock): Promise<void> {
  const timer = new AbortController();
  const inTime = await Promise.race([
    sink.drained().then(() => true),
    clock.sleep(DRAIN_MS, timer.signal).then(() => timer.signal.aborted),
  ]);
  timer.abort();
  if (!inTime) sink.abort();
}
