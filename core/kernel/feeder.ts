/**
 * One feeder per followed subject and process: it alone reads what is new, encodes each entry once, and gives one joined buffer to every
 * reader that stands at its cursor. A reader that is behind pages through the journal by itself until its cursor reaches the feeder's, and joins in
 * that same turn of the event loop, which makes the join atomic: nothing is missed and nothing doubled.
 */
import type { Clock } from "../ports/clock.ts";
import type { Sink } from "../ports/host.ts";
import { type Bounds, EARLIEST, type Entry, type Journal } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Feed, Wire } from "./feed.ts";

/** A reader with more than this queued is dropped; it comes back with its cursor. */
export const QUEUED_MAX_BYTES = 1_048_576;
const PAGE = 200;
const CHUNK_BYTES = 262_144;
const DRAIN_MS = 30_000;
const ENCODERS = 8;

export interface Reader {
  sink: Sink;
  /** The credential this reader came with; null on a public subject. */
  credential: string | null;
  /** The last id it was given. */
  cursor: string;
}

interface Frame {
  id: string;
  bytes: Uint8Array;
}

export interface Feeder {
  readonly realm: string;
  readonly subject: string;
  readonly readers: ReadonlySet<Reader>;
  /** Brings a reader from its cursor to the feeder's and keeps it served until its sink closes. `live`: its cursor was read from the store just now. */
  attach(reader: Reader, live: boolean): void;
  /** Looks at the journal again. */
  wake(): void;
  /** True when a look at these bounds would find something new. */
  isBehind(bounds: Bounds): boolean;
  beat(): void;
  /** Ends every reader's answer. */
  end(): void;
}

export interface FeederOptions {
  feed: Feed;
  wire: Wire;
  journal: Journal;
  clock: Clock;
  log: Log;
  /** Called once when the last reader has left. */
  empty(): void;
}

export function createFeeder(options: FeederOptions): Feeder {
  const { feed, wire, journal, clock, log } = options;
  const { realm, subject } = feed;
  const readers = new Set<Reader>();
  const joined = new Set<Reader>();
  let cursor: string | null = null;
  let running = false;
  let knocked = false;

  function leave(reader: Reader): void {
    joined.delete(reader);
    if (readers.delete(reader) && readers.size === 0) options.empty();
  }

  function end(): void {
    for (const reader of [...readers]) {
      reader.sink.close();
      leave(reader);
    }
  }

  /** Encodes entries in order, some at a time since large payloads come from the object store, and hands on joined chunks. */
  async function encode(
    entries: Entry[],
    take: (frames: Frame[], bytes: Uint8Array) => void | Promise<void>,
  ): Promise<void> {
    let frames: Frame[] = [];
    let size = 0;
    for (let start = 0; start < entries.length; start += ENCODERS) {
      const some = entries.slice(start, start + ENCODERS);
      const texts = await Promise.all(some.map((entry) => feed.message(entry)));
      for (const [index, entry] of some.entries()) {
        const bytes = wire.message(entry.id, texts[index]!);
        frames.push({ id: entry.id, bytes });
        size += bytes.length;
      }
      if (size >= CHUNK_BYTES || start + ENCODERS >= entries.length) {
        await take(frames, join(frames));
        frames = [];
        size = 0;
      }
    }
  }

  function broadcast(frames: Frame[], all: Uint8Array): void {
    const first = frames[0]!.id;
    cursor = frames[frames.length - 1]!.id;
    for (const reader of joined) {
      const bytes = reader.cursor < first ? all : join(frames.filter((frame) => frame.id > reader.cursor));
      if (reader.cursor < cursor) reader.cursor = cursor;
      if (bytes.length > 0) write(reader, bytes);
    }
  }

  function write(reader: Reader, bytes: Uint8Array): void {
    const before = reader.sink.write(bytes) - bytes.length;
    if (before <= QUEUED_MAX_BYTES) return;
    log.write("debug", "slow_reader_dropped", { subject, queued: before });
    reader.sink.abort();
    leave(reader);
  }

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    try {
      while (readers.size > 0 && cursor !== null && knocked) {
        knocked = false;
        const page = await journal.read(realm, subject, cursor, PAGE);
        if (page.bounds.state !== "open") return end();
        if (page.entries.length > 0) {
          // What came after the snapshot of a page that is not full has a knock of its own.
          if (page.entries.length === PAGE) knocked = true;
          await encode(page.entries, broadcast);
        }
        // One snapshot gave both, so up to lastId there is nothing else; expired ids would look new for ever.
        if (page.entries.length < PAGE && page.bounds.lastId > cursor) cursor = page.bounds.lastId;
      }
    } catch (error) {
      log.write("warn", "feed_read_failed", { subject, error: String(error) });
    } finally {
      running = false;
    }
  }

  async function catchUp(reader: Reader, live: boolean): Promise<void> {
    if (live) cursor ??= reader.cursor;
    else if (!(await checkCursor(reader))) return;
    let gapTold = false;
    while (cursor !== null && reader.cursor < cursor && !reader.sink.closed.aborted) {
      const target = cursor;
      const asked = reader.cursor;
      const page = await journal.read(realm, subject, asked, PAGE);
      if (page.bounds.state !== "open") return void reader.sink.close();
      const { lostThrough } = page.bounds;
      if (!gapTold && asked !== EARLIEST && asked < lostThrough) {
        gapTold = true;
        const earliest = page.entries[0]?.id ?? null;
        reader.sink.write(wire.notice("gap", JSON.stringify({ after: asked, lost_through: lostThrough, earliest })));
      }
      await encode(page.entries, async (frames, bytes) => {
        reader.sink.write(bytes);
        reader.cursor = frames[frames.length - 1]!.id;
        await drain(reader);
      });
      if (page.entries.length < PAGE && reader.cursor < target) reader.cursor = target;
    }
    if (reader.sink.closed.aborted) return;
    joined.add(reader);
    feeder.wake();
  }

  /** Holds a cursor from outside against the subject; false when there is nothing to follow. */
  async function checkCursor(reader: Reader): Promise<boolean> {
    const [bounds] = await journal.bounds(realm, [subject]);
    if (bounds?.state !== "open") {
      reader.sink.close();
      return false;
    }
    cursor ??= bounds.lastId;
    if (reader.cursor > bounds.lastId) {
      const reason = { reason: "the cursor is not of this subject", after: reader.cursor };
      reader.sink.write(wire.notice("reset", JSON.stringify(reason)));
      reader.cursor = EARLIEST;
    }
    return true;
  }

  async function drain(reader: Reader): Promise<void> {
    const timer = new AbortController();
    const inTime = await Promise.race([
      reader.sink.drained().then(() => true),
      clock.sleep(DRAIN_MS, timer.signal).then(() => timer.signal.aborted),
    ]);
    timer.abort();
    if (!inTime) reader.sink.abort();
  }

  const feeder: Feeder = {
    realm,
    subject,
    readers,
    attach(reader, live) {
      readers.add(reader);
      reader.sink.closed.addEventListener("abort", () => leave(reader), { once: true });
      if (reader.sink.closed.aborted) return leave(reader);
      reader.sink.write(wire.opening);
      catchUp(reader, live).catch((error) => {
        log.write("warn", "feed_read_failed", { subject, error: String(error) });
        reader.sink.close();
      });
    },
    wake() {
      knocked = true;
      void run();
    },
    isBehind: (bounds) => cursor !== null && (bounds.state !== "open" || bounds.lastId > cursor),
    beat() {
      for (const reader of joined) write(reader, wire.heartbeat);
    },
    end,
  };
  return feeder;
}

function join(frames: Frame[]): Uint8Array {
  if (frames.length === 1) return frames[0]!.bytes;
  const whole = new Uint8Array(frames.reduce((sum, frame) => sum + frame.bytes.length, 0));
  let offset = 0;
  for (const frame of frames) {
    whole.set(frame.bytes, offset);
    offset += frame.bytes.length;
  }
  return whole;
}
