/**
 * The last frames of a subject, kept as bytes, so that a reader who is not far behind costs neither a query nor an encoding. It holds everything
 * after its floor or says that it does not: what it cannot vouch for is read from the journal.
 */
import { CHUNK_BYTES, type Frame } from "./frames.ts";

/** The most bytes that one ring holds. */
const RING_BYTES = 8 * 1_048_576;
/** The most bytes that all rings of a process hold together. */
const ALL_RINGS_BYTES = 96 * 1_048_576;
/** Dropped frames are let go of in batches of this many. */
const COMPACT = 1_024;

/** The bytes that all rings of a process hold. */
export interface RingMemory {
  used: number;
}

export interface Ring {
  /** Whether the id is of the subject and nothing after it is missing here. */
  knows(id: string): boolean;
  /** The next frames after the cursor, about a chunk; null when what follows it is not, or not all, here and unexpired. */
  after(cursor: string): Frame[] | null;
  /** Adds frames that follow directly what it holds. */
  add(frames: readonly Frame[]): void;
  /** Forgets everything: from now on it holds what comes after `floor`. */
  restart(floor: string): void;
}

/** An empty ring that is to hold what comes after `floor`. `now` is the time that frames' `until` is measured by. */
export function createRing(floor: string, { memory, now }: { memory: RingMemory; now: () => number }): Ring {
  let frames: Frame[] = [];
  let start = 0;
  let bytes = 0;

  function dropOldest(): void {
    const oldest = frames[start]!;
    floor = oldest.id;
    bytes -= oldest.bytes.length;
    memory.used -= oldest.bytes.length;
    start += 1;
    if (start < COMPACT) return;
    frames = frames.slice(start);
    start = 0;
  }

  function dropExpired(moment: number): void {
    while (start < frames.length && frames[start]!.until <= moment) dropOldest();
  }

  /** The index of the first frame with an id greater than this. */
  function indexAfter(id: string): number {
    let low = start;
    let high = frames.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (frames[middle]!.id > id) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    knows(id) {
      dropExpired(now());
      return id === floor || frames[indexAfter(id) - 1]?.id === id;
    },
    after(cursor) {
      const moment = now();
      dropExpired(moment);
      if (cursor < floor) return null;
      const found: Frame[] = [];
      let size = 0;
      for (let index = indexAfter(cursor); index < frames.length && size < CHUNK_BYTES; index += 1) {
        const frame = frames[index]!;
        if (frame.until <= moment) return null;
        found.push(frame);
        size += frame.bytes.length;
      }
      return found;
    },
    add(added) {
      for (const frame of added) {
        frames.push(frame);
        bytes += frame.bytes.length;
        memory.used += frame.bytes.length;
      }
      while (start < frames.length && (bytes > RING_BYTES || memory.used > ALL_RINGS_BYTES)) dropOldest();
    },
    restart(at) {
      memory.used -= bytes;
      frames = [];
      start = 0;
      bytes = 0;
      floor = at;
    },
  };
}
