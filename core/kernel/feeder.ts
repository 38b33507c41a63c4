/**
 * One feeder per followed subject and process: it alone reads what is new, encodes each entry once, and gives one joined buffer to every
 * reader that stands at its cursor. A reader that is behind catches up by itself (see `catch_up.ts`) until its cursor reaches the feeder's, and joins
 * in that same turn of the event loop, which makes the join atomic: nothing is missed and nothing doubled.
 */
import type { Clock } from "../ports/clock.ts";
import type { Sink } from "../ports/host.ts";
import { type Bounds, EARLIEST, type Entry, type Journal, type JournalPage } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import { catchUp } from "./catch_up.ts";
import { gapBefore, isForeign } from "./cursor.ts";
import type { Feed, Part, Wire } from "./feed.ts";
import { type Chunk, chunkOf, encodeChunks } from "./frames.ts";
import type { Handed } from "./knock.ts";
import type { Outlet } from "./outlet.ts";
import { type Head, type Reader, writeOrCut } from "./reader.ts";
import { createRing, type RingMemory } from "./ring.ts";
import type { Turns } from "./turns.ts";

const PAGE = 500;
/** Appends that may wait for a slow look at the journal; it will find them. */
const HANDED_MOST = 1_000;

export interface Feeder {
  readonly realm: string;
  readonly subject: string;
  /** Brings a reader to the feeder's cursor and keeps it served until its sink closes. */
  attach(sink: Sink, outlet: Outlet, part: Part): void;
  /** Looks at the journal again, or takes what this process has just appended. */
  wake(handed?: Handed | null): void;
  /** Has the next look make sure that the store still knows where this feeder stands: it was away, and may have been set back. */
  doubt(): void;
  /** True when a look at these bounds would find something new. */
  isBehind(bounds: Bounds): boolean;
  /** Ends every reader's answer. */
  end(): void;
}

export interface FeederOptions {
  subject: string;
  feed: Pick<Feed, "realm" | "message">;
  wire: Wire;
  journal: Journal;
  clock: Clock;
  log: Log;
  /** Bounds how many readers of the process catch up at once. */
  turns: Turns;
  memory: RingMemory;
  /** Shares simultaneous looks at where the subject stands. */
  bounds(): Promise<Bounds>;
  /** Called once when the last reader has left. */
  empty(): void;
}

export function createFeeder(options: FeederOptions): Feeder {
  const { subject, feed, wire, journal, clock, log, memory } = options;
  const { realm } = feed;
  const readers = new Set<Reader>();
  const joined = new Set<Reader>();
  /** The highest lost id that joined readers have been told of. */
  let told = EARLIEST;
  let running = false;
  /** From the start: what the first reader's cursor was read from may have moved before this feeder heard knocks. */
  let knocked = true;
  let doubted = false;
  let handed: Handed[] = [];
  /** What to add to this process's clock to have the store's. */
  let skew = clock.now().getTime() - clock.elapsed();

  const head: Head = {
    cursor: null,
    ring: createRing(EARLIEST, { memory, now: () => clock.elapsed() + skew }),
    begin({ lastId }) {
      if (head.cursor !== null) return;
      head.cursor = lastId;
      head.ring.restart(lastId);
    },
    heed(now) {
      skew = now.getTime() - clock.elapsed();
    },
    tell(reader, notice) {
      // What expired may lie behind messages that are still to come, so a gap does not move the cursor.
      writeOrCut(reader.sink, reader.outlet.notice(notice, notice.event === "gap" ? notice.after : EARLIEST));
    },
  };

  function leave(reader: Reader): void {
    joined.delete(reader);
    if (!readers.delete(reader) || readers.size > 0) return;
    head.ring.restart(EARLIEST);
    options.empty();
  }

  function end(): void {
    for (const reader of [...readers]) {
      reader.sink.close();
      leave(reader);
    }
  }

  function broadcast(chunk: Chunk): void {
    // The last reader may have left during the look; nobody would ever empty the ring again.
    if (readers.size === 0) return;
    const { frames } = chunk;
    const first = frames[0]!.id;
    const last = frames[frames.length - 1]!.id;
    head.cursor = last;
    head.ring.add(frames);
    for (const reader of joined) {
      const due = reader.cursor < first ? chunk : chunkOf(frames.filter((frame) => frame.id > reader.cursor));
      if (reader.cursor < last) reader.cursor = last;
      if (due.frames.length > 0) writeOrCut(reader.sink, reader.outlet.frames(due));
    }
  }

  /** What expired before this feeder could read it, for those who would have been given it. */
  function tellJoined(page: JournalPage, after: string): void {
    if (page.bounds.lostThrough <= told) return;
    told = page.bounds.lostThrough;
    const gap = gapBefore(page, after);
    if (gap === null) return;
    head.ring.restart(told);
    for (const reader of [...joined]) if (reader.cursor < told) head.tell(reader, gap);
  }

  /** What was handed over and follows the cursor without a gap; a gap is for the journal to fill. */
  function takeHanded(from: string): Entry[] {
    const entries: Entry[] = [];
    let at = from;
    for (const { previous, entries: next } of handed) {
      const last = next[next.length - 1]!;
      // Read from the journal in the meantime.
      if (last.id <= at) continue;
      if (previous !== at) {
        knocked = true;
        break;
      }
      entries.push(...next);
      at = last.id;
    }
    handed = [];
    return entries;
  }

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    try {
      // One commit hands over to all its appends in this turn: they are written together.
      await Promise.resolve();
      while (readers.size > 0 && head.cursor !== null && (knocked || handed.length > 0)) {
        const entries = handed.length > 0 ? takeHanded(head.cursor) : await readOn(head.cursor);
        if (entries === null) return end();
        for await (const chunk of encodeChunks(entries, feed, wire)) broadcast(chunk);
      }
    } catch (error) {
      // The cursor stands before what could not be read; the look at all subjects comes back to it.
      log.write("warn", "feed_read_failed", { subject, error: String(error) });
    } finally {
      running = false;
    }
  }

  /** The entries after the cursor; null when the subject is no longer open, or no longer what it was. */
  async function readOn(cursor: string): Promise<readonly Entry[] | null> {
    knocked = false;
    const page = await journal.read(realm, subject, cursor, PAGE);
    const { entries, bounds } = page;
    // A store that was set back, as to a backup: whoever comes back is told, and what stands here in memory is no more.
    if (bounds.state !== "open" || bounds.lastId < cursor) return null;
    if (doubted && (await isForeign(journal, { realm, subject, after: cursor }, bounds))) return null;
    doubted = false;
    head.heed(bounds.now);
    tellJoined(page, cursor);
    // What came after the snapshot of a page that is not full has a knock of its own.
    if (entries.length === PAGE) knocked = true;
    // One snapshot gave both, so where nothing is left up to lastId there will be nothing: expired ids would look new for ever.
    else if (entries.length === 0 && bounds.lastId > cursor) {
      head.cursor = bounds.lastId;
      head.ring.restart(bounds.lastId);
    }
    return entries;
  }

  const feeder: Feeder = {
    realm,
    subject,
    attach(sink, outlet, part) {
      const reader: Reader = { sink, outlet, cursor: part.after };
      readers.add(reader);
      sink.closed.addEventListener("abort", () => leave(reader), { once: true });
      if (sink.closed.aborted) return leave(reader);
      const join = () => {
        joined.add(reader);
        void run();
      };
      catchUp(reader, part, { ...options, head, join }).catch((error) => {
        log.write("warn", "feed_read_failed", { subject, error: String(error) });
        sink.close();
      });
    },
    wake(given = null) {
      if (given !== null && handed.length < HANDED_MOST) handed.push(given);
      else knocked = true;
      void run();
    },
    doubt() {
      doubted = true;
    },
    isBehind: ({ state, lastId }) => head.cursor !== null && (state !== "open" || lastId !== head.cursor),
    end,
  };
  return feeder;
}
