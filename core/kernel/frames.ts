/** Entries as bytes on the wire: encoded in order, some at a time, joined into chunks of bounded size. */
import type { Entry } from "../ports/journal.ts";
import type { Feed, Wire } from "./feed.ts";

export interface Frame {
  id: string;
  bytes: Uint8Array;
}

export interface Chunk {
  frames: Frame[];
  /** The frames joined: what a reader that has none of them is given. */
  bytes: Uint8Array;
}

/** A chunk ends when it has this many bytes; a single larger frame is a chunk of its own. */
const CHUNK_BYTES = 262_144;
/** Large payloads come from the object store: so many are fetched at once, of so many bytes together. */
const GROUP = 8;
const GROUP_BYTES = 524_288;

/** Encodes lazily: what has not been asked for is not held in memory. Rejects when a payload cannot be fetched now. */
export async function* encodeChunks(entries: readonly Entry[], feed: Feed, wire: Wire): AsyncGenerator<Chunk, void> {
  let frames: Frame[] = [];
  let size = 0;
  for (const group of groupsOf(entries)) {
    const texts = await Promise.all(group.map((entry) => feed.message(entry)));
    for (const [index, entry] of group.entries()) {
      const bytes = wire.message(entry.id, texts[index]!);
      frames.push({ id: entry.id, bytes });
      size += bytes.length;
    }
    if (size >= CHUNK_BYTES) {
      yield { frames, bytes: joinFrames(frames) };
      frames = [];
      size = 0;
    }
  }
  if (frames.length > 0) yield { frames, bytes: joinFrames(frames) };
}

function* groupsOf(entries: readonly Entry[]): Generator<Entry[]> {
  let group: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.blob?.size ?? entry.data.length;
    if (group.length > 0 && (group.length === GROUP || bytes + size > GROUP_BYTES)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(entry);
    bytes += size;
  }
  if (group.length > 0) yield group;
}

export function joinFrames(frames: readonly Frame[]): Uint8Array {
  if (frames.length === 1) return frames[0]!.bytes;
  const whole = new Uint8Array(frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
  let offset = 0;
  for (const frame of frames) {
    whole.set(frame.bytes, offset);
    offset += frame.bytes.length;
  }
  return whole;
}
