/**
 * Brings one reader from its cursor to the feeder's: by the ring where it reaches, else by pages of the journal, as fast as the reader takes them.
 * What it asked for and is gone is told on the way.
 */
import type { Clock } from "../ports/clock.ts";
import { type Bounds, EARLIEST, type Journal, type JournalPage } from "../ports/journal.ts";
import { gapBefore, isForeign } from "./cursor.ts";
import type { Feed, Part, Wire } from "./feed.ts";
import { type Chunk, chunkOf, encodeChunks, type Frame } from "./frames.ts";
import { drain, type Head, type Reader } from "./reader.ts";
import type { Turns } from "./turns.ts";

/** What was read longer ago than this is read again, since some of it may have expired. */
const FRESH_MS = 1_000;
/** The first page of a reader; later ones have about `PAGE_BYTES`, and at most `PAGE_MOST` entries. */
const PAGE_FIRST = 200;
const PAGE_MOST = 1_000;
const PAGE_BYTES = 1_048_576;

export interface CatchUpOptions {
  subject: string;
  feed: Pick<Feed, "realm" | "message">;
  wire: Wire;
  journal: Journal;
  clock: Clock;
  turns: Turns;
  bounds(): Promise<Bounds>;
  head: Head;
  /** Called in the very turn in which the reader's cursor has reached the feeder's. */
  join(): void;
}

/** Resolves when the reader has joined, or when there is nothing (more) to follow, and then its sink is closed. */
export async function catchUp(reader: Reader, part: Part, options: CatchUpOptions): Promise<void> {
  const { head, feed, wire } = options;
  if (part.start === "live") {
    head.begin({ lastId: part.after });
    if (part.first === undefined) reader.sink.write(reader.outlet.mark(part.after));
    else for await (const chunk of encodeChunks([part.first], feed, wire)) give(reader, chunk);
  } else if (!(await checkCursor(reader, options))) {
    return reader.sink.close();
  }
  // Whoever is given what there is has lost nothing that went before.
  const asksForAll = part.start === "earliest" || reader.cursor !== part.after;
  await replay(reader, { ...options, asksForAll });
}

/** Holds a cursor from outside against the subject; false when there is nothing to follow. */
async function checkCursor(reader: Reader, options: CatchUpOptions): Promise<boolean> {
  const { head, subject, feed, journal } = options;
  const after = reader.cursor;
  if (head.cursor !== null && head.ring.knows(after)) return true;
  let bounds = await options.bounds();
  // A shared look may have begun before this cursor was stored.
  if (after > bounds.lastId) bounds = (await journal.bounds(feed.realm, [subject]))[0]!;
  if (bounds.state !== "open") return false;
  head.begin(bounds);
  if (await isForeign(journal, { realm: feed.realm, subject, after }, bounds)) {
    head.tell(reader, { event: "reset", after });
    reader.cursor = EARLIEST;
  }
  return true;
}

/** Gives the reader what the feeder has given to others, and joins it in the turn in which it has everything. */
async function replay(reader: Reader, options: CatchUpOptions & { asksForAll: boolean }): Promise<void> {
  const { head, subject, feed, journal, clock, turns } = options;
  let { asksForAll } = options;
  let toldThrough = EARLIEST;
  let limit = PAGE_FIRST;
  while (head.cursor !== null && reader.cursor < head.cursor && !reader.sink.closed.aborted) {
    const frames = head.ring.after(reader.cursor);
    if (frames !== null) {
      asksForAll = false;
      await fromRing(reader, frames, options);
      continue;
    }
    const target = head.cursor;
    const asked = reader.cursor;
    const readAt = clock.elapsed();
    const page = await turns(() => journal.read(feed.realm, subject, asked, limit));
    if (page.bounds.state !== "open") return reader.sink.close();
    head.heed(page.bounds.now);
    const gap = page.bounds.lostThrough > toldThrough && !asksForAll ? gapBefore(page, asked) : null;
    asksForAll = false;
    toldThrough = page.bounds.lostThrough;
    if (gap !== null) head.tell(reader, gap);
    const whole = await fromPage(reader, page, { ...options, readAt });
    if (whole && page.entries.length < limit && reader.cursor < target) reader.cursor = target;
    limit = nextLimit(page, limit);
  }
  // Nothing is awaited between the loop's last look and this.
  if (!reader.sink.closed.aborted) options.join();
}

async function fromRing(reader: Reader, frames: readonly Frame[], options: CatchUpOptions): Promise<void> {
  // The ring holds all there is: where it has nothing more, there is nothing.
  if (frames.length === 0) reader.cursor = options.head.cursor ?? reader.cursor;
  else give(reader, chunkOf(frames));
  await drain(reader.sink, options.clock);
}

/** Writes a page chunk by chunk as the reader takes it; false when it took so long that the rest must be read again. */
async function fromPage(
  reader: Reader,
  page: JournalPage,
  { feed, wire, turns, clock, readAt }: CatchUpOptions & { readAt: number },
): Promise<boolean> {
  const chunks = encodeChunks(page.entries, feed, wire);
  for (;;) {
    const { value: chunk } = await turns(() => chunks.next());
    if (!chunk) return true;
    give(reader, chunk);
    await drain(reader.sink, clock);
    if (reader.sink.closed.aborted || clock.elapsed() - readAt > FRESH_MS) return false;
  }
}

function give(reader: Reader, chunk: Chunk): void {
  reader.sink.write(reader.outlet.frames(chunk));
  reader.cursor = chunk.frames[chunk.frames.length - 1]!.id;
}

function nextLimit({ entries }: JournalPage, limit: number): number {
  const bytes = entries.reduce((sum, { data, blob }) => sum + data.length + (blob?.size ?? 0), 0);
  if (entries.length === 0) return limit;
  return Math.max(1, Math.min(PAGE_MOST, Math.floor((PAGE_BYTES * entries.length) / bytes)));
}
