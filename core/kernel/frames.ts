/** Entries as bytes on the wire: encoded in order, once for all readers, and joined into chunks of bounded size. */
import type { Entry } from "../ports/journal.ts";
import type { Feed, Wire } from "./feed.ts";

export interface Frame {
  id: string;
  /** The whole event. */
  bytes: Uint8Array;
  /** Where its JSON begins in the bytes. */
  jsonAt: number;
  /** When it expires, in milliseconds of the entry's own store. */
  until: number;
}

export interface Chunk {
  frames: readonly Frame[];
  /** The frames joined: what a reader that has none of them is given. */
  bytes: Uint8Array;
}

/** A chunk ends when it has this many bytes; a single larger frame is a chunk of its own. */
export const CHUNK_BYTES = 262_144;
/** Large payloads come from the object store: so many are fetched at once, of so many bytes together. */
const GROUP = 8;
const GROUP_BYTES = 524_288;

const encoder = new TextEncoder();

/** Encodes lazily: what has not been asked for is not held in memory. Rejects when a payload cannot be fetched now. */
export async function* encodeChunks(
  entries: readonly Entry[],
  feed: Pick<Feed, "message">,
  wire: Wire,
): AsyncGenerator<Chunk, void> {
  let texts: string[] = [];
  let from = 0;
  let size = 0;
  for (const group of groupsOf(entries)) {
    const asked = group.map((entry) => feed.message(entry));
    // Nothing is awaited for what stands in the entries themselves.
    const { found, error } = asked.every((text) => typeof text === "string")
      ? { found: asked as string[], error: null }
      : await inOrder(asked);
    for (const text of found) {
      texts.push(text);
      size += text.length;
    }
    if (error !== null) {
      // What was fetched before it is given, so that whoever tries again has come forward.
      if (texts.length > 0) yield encode(entries.slice(from, from + texts.length), texts, wire);
      throw error.reason;
    }
    if (size >= CHUNK_BYTES) {
      yield encode(entries.slice(from, from + texts.length), texts, wire);
      from += texts.length;
      texts = [];
      size = 0;
    }
  }
  if (texts.length > 0) yield encode(entries.slice(from, from + texts.length), texts, wire);
}

/** The texts up to the first that could not be had, and why. */
async function inOrder(
  asked: readonly (string | Promise<string>)[],
): Promise<{ found: string[]; error: PromiseRejectedResult | null }> {
  const found: string[] = [];
  for (const outcome of await Promise.allSettled(asked)) {
    if (outcome.status === "rejected") return { found, error: outcome };
    found.push(outcome.value);
  }
  return { found, error: null };
}

/** The entries in groups whose payloads are fetched together: bounded in objects and in bytes. */
export function* groupsOf(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let start = 0;
  let blobs = 0;
  let bytes = 0;
  for (const [index, entry] of entries.entries()) {
    const size = entry.blob?.size ?? entry.data.length;
    if (index > start && (blobs === GROUP || bytes + size > GROUP_BYTES)) {
      yield entries.slice(start, index);
      start = index;
      blobs = 0;
      bytes = 0;
    }
    if (entry.blob !== null) blobs += 1;
    bytes += size;
  }
  if (start < entries.length) yield entries.slice(start);
}

/** One buffer for all frames, each of which is a view of it. */
function encode(entries: readonly Entry[], messages: readonly string[], wire: Wire): Chunk {
  const heads = entries.map(({ id }) => wire.before(id));
  const texts = messages.map((message, index) => heads[index] + message + wire.after);
  const places = placed(texts) ?? joined(texts.map((text) => encoder.encode(text)));
  const frames = entries.map(
    ({ id, expiresAt }, index): Frame => ({
      id,
      bytes: places.bytes.subarray(places.ends[index - 1] ?? 0, places.ends[index]),
      jsonAt: heads[index]!.length,
      until: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
    }),
  );
  return { frames, bytes: places.bytes };
}

interface Places {
  bytes: Uint8Array;
  ends: number[];
}

/** The texts encoded in place when all of them are ASCII, which has as many bytes as characters; else null. */
function placed(texts: readonly string[]): Places | null {
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0));
  const ends: number[] = [];
  let at = 0;
  for (const text of texts) {
    const { read, written } = encoder.encodeInto(text, at === 0 ? bytes : bytes.subarray(at));
    if (read < text.length || written > text.length) return null;
    at += written;
    ends.push(at);
  }
  return { bytes, ends };
}

function joined(parts: readonly Uint8Array[]): Places {
  const ends: number[] = [];
  let end = 0;
  for (const part of parts) {
    end += part.length;
    ends.push(end);
  }
  return { bytes: joinBytes(parts), ends };
}

/** The parts as one, which is the part itself when there is only one. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Frames as a chunk. */
export function chunkOf(frames: readonly Frame[]): Chunk {
  return { frames, bytes: joinBytes(frames.map((frame) => frame.bytes)) };
}
