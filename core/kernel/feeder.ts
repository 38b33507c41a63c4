/**
 * One feeder per followed subject and process: it alone reads what is new, encodes each entry once, and gives one joined buffer to every
 * reader that stands at its cursor. A reader that is behind pages through the journal by itself until its cursor reaches the feeder's, and joins in
 * that same turn of the event loop, which makes the join atomic: nothing is missed and nothing doubled.
 */
import type { Clock } from "../ports/clock.ts";
import type { Sink } from "../ports/host.ts";
import { type Bounds, EARLIEST, type Journal, type JournalPage } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import { gapBefore, isForeign, type Notice } from "./cursor.ts";
import type { Feed, Start, Wire } from "./feed.ts";
import { type Chunk, encodeChunks, joinFrames } from "./frames.ts";
import type { Turns } from "./turns.ts";

/** A reader with more than this queued is dropped; it comes back with its cursor. */
export const QUEUED_MAX_BYTES = 1_048_576;
const PAGE = 200;
/** A socket that does not drain for this long is closed. */
const DRAIN_MS = 30_000;
/** A reader with more than this queued at a heartbeat is watched for it. */
const STALLED_BYTES = 65_536;
/** What was read longer ago than this is read again, since some of it may have expired. */
const FRESH_MS = 1_000;

export interface Reader {
  sink: Sink;
  /** The credential this reader came with; null on a public subject. */
  credential: string | null;
  /** The last id it was given. */
  cursor: string;
  /** It has been told to drain and the time runs. */
  draining?: boolean;
}

export interface Feeder {
  readonly realm: string;
  readonly subject: string;
  readonly readers: ReadonlySet<Reader>;
  /** Brings a reader from its cursor to the feeder's and keeps it served until its sink closes. */
  attach(reader: Reader, start: Start): void;
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
  /** Bounds how many readers of the process catch up at once. */
  turns: Turns;
  /** Called once when the last reader has left. */
  empty(): void;
}

export function createFeeder(options: FeederOptions): Feeder {
  const { feed, wire, journal, clock, log, turns } = options;
  const { realm, subject } = feed;
  const readers = new Set<Reader>();
  const joined = new Set<Reader>();
  let cursor: string | null = null;
  /** The highest lost id that joined readers have been told of. */
  let told = EARLIEST;
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

  function broadcast({ frames, bytes: all }: Chunk): void {
    const first = frames[0]!.id;
    cursor = frames[frames.length - 1]!.id;
    for (const reader of joined) {
      const bytes = reader.cursor < first ? all : joinFrames(frames.filter((frame) => frame.id > reader.cursor));
      if (reader.cursor < cursor) reader.cursor = cursor;
      if (bytes.length > 0) write(reader, bytes);
    }
  }

  function write(reader: Reader, bytes: Uint8Array): number {
    const queued = reader.sink.write(bytes);
    if (queued - bytes.length > QUEUED_MAX_BYTES) {
      log.write("debug", "slow_reader_dropped", { subject, queued });
      reader.sink.abort();
      leave(reader);
    }
    return queued;
  }

  function tell(reader: Reader, notice: Notice): void {
    const { event, ...particulars } = notice;
    // What expired may lie behind messages that are still to come, so a gap does not move the cursor.
    const stands = notice.event === "gap" ? notice.after : EARLIEST;
    write(reader, wire.notice(event, JSON.stringify(particulars), stands));
  }

  /** What expired before this feeder could read it, for those who would have been given it. */
  function tellJoined(page: JournalPage, after: string): void {
    if (page.bounds.lostThrough <= told) return;
    told = page.bounds.lostThrough;
    const gap = gapBefore(page, after);
    if (gap !== null) for (const reader of [...joined]) if (reader.cursor < told) tell(reader, gap);
  }

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    try {
      while (readers.size > 0 && cursor !== null && knocked) {
        knocked = false;
        const page = await journal.read(realm, subject, cursor, PAGE);
        if (page.bounds.state !== "open") return end();
        tellJoined(page, cursor);
        // What came after the snapshot of a page that is not full has a knock of its own.
        if (page.entries.length === PAGE) knocked = true;
        for await (const chunk of encodeChunks(page.entries, feed, wire)) broadcast(chunk);
        // One snapshot gave both, so up to lastId there is nothing else; expired ids would look new for ever.
        if (page.entries.length < PAGE && page.bounds.lastId > cursor) cursor = page.bounds.lastId;
      }
    } catch (error) {
      // The cursor stands before what could not be read; the look at all subjects comes back to it.
      log.write("warn", "feed_read_failed", { subject, error: String(error) });
    } finally {
      running = false;
    }
  }

  async function catchUp(reader: Reader, start: Start): Promise<void> {
    const came = reader.cursor;
    if (start === "live") {
      cursor ??= reader.cursor;
      write(reader, wire.mark(reader.cursor));
    } else if (!(await checkCursor(reader))) return;
    // Whoever is given what there is has lost nothing that went before.
    let asksForAll = start === "earliest" || reader.cursor !== came;
    let toldThrough = EARLIEST;
    while (cursor !== null && reader.cursor < cursor && !reader.sink.closed.aborted) {
      const target = cursor;
      const asked = reader.cursor;
      const readAt = clock.elapsed();
      const page = await turns(() => journal.read(realm, subject, asked, PAGE));
      if (page.bounds.state !== "open") return void reader.sink.close();
      const gap = page.bounds.lostThrough > toldThrough && !asksForAll ? gapBefore(page, asked) : null;
      asksForAll = false;
      toldThrough = page.bounds.lostThrough;
      if (gap !== null) tell(reader, gap);
      const whole = await replay(reader, page, readAt);
      if (whole && page.entries.length < PAGE && reader.cursor < target) reader.cursor = target;
    }
    if (reader.sink.closed.aborted) return;
    joined.add(reader);
    feeder.wake();
  }

  /** Writes a page chunk by chunk as the reader takes it; false when it took so long that the rest must be read again. */
  async function replay(reader: Reader, page: JournalPage, readAt: number): Promise<boolean> {
    const chunks = encodeChunks(page.entries, feed, wire);
    for (;;) {
      const { value: chunk } = await turns(() => chunks.next());
      if (!chunk) return true;
      reader.sink.write(chunk.bytes);
      reader.cursor = chunk.frames[chunk.frames.length - 1]!.id;
      await drain(reader);
      if (reader.sink.closed.aborted || clock.elapsed() - readAt > FRESH_MS) return false;
    }
  }

  /** Holds a cursor from outside against the subject; false when there is nothing to follow. */
  async function checkCursor(reader: Reader): Promise<boolean> {
    const after = reader.cursor;
    const [bounds] = await journal.bounds(realm, [subject]);
    if (bounds?.state !== "open") {
      reader.sink.close();
      return false;
    }
    cursor ??= bounds.lastId;
    if (await isForeign(journal, { realm, subject, after }, bounds)) {
      tell(reader, { event: "reset", after });
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
    attach(reader, start) {
      readers.add(reader);
      reader.sink.closed.addEventListener("abort", () => leave(reader), { once: true });
      if (reader.sink.closed.aborted) return leave(reader);
      reader.sink.write(wire.opening);
      catchUp(reader, start).catch((error) => {
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
      for (const reader of [...joined]) {
        const stalled = write(reader, wire.heartbeat) > STALLED_BYTES;
        if (!stalled || reader.draining) continue;
        reader.draining = true;
        void drain(reader).then(() => {
          reader.draining = false;
        });
      }
    },
    end,
  };
  return feeder;
}
