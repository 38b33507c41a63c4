/**
 * One subject of the journal in memory: its entries, and what is done to it alone.
 */
import {
  type AppendEntries,
  type AppendedEntry,
  type Bounds,
  EARLIEST,
  type Entry,
  type JournalPage,
} from "../journal.ts";
import { later, next, uuid7 } from "../uuid7.ts";

export interface Subject {
  realm: string;
  name: string;
  closed: boolean;
  lastId: string;
  /** The highest id that has been dropped. */
  lostThrough: string;
  /** When it last had an append, or was opened. */
  touchedAt: number;
  /** In the order of their ids. */
  entries: Entry[];
  keys: Map<string, UsedKey>;
}

/** An idempotency key: what it was used for, when, and what came of it. */
export interface UsedKey {
  fingerprint: string | undefined;
  usedAt: number;
  entries: AppendedEntry[];
}

/** The subject that the command names, opened at `now`. */
export function newSubject({ realm, subject }: { realm: string; subject: string }, now: number): Subject {
  return {
    realm,
    name: subject,
    closed: false,
    lastId: EARLIEST,
    lostThrough: EARLIEST,
    touchedAt: now,
    entries: [],
    keys: new Map(),
  };
}

/** Appends the command's entries under new ids, whatever its conditions say. */
export function appendTo(
  subject: Subject,
  command: AppendEntries,
  at: { now: number; noise: () => Uint8Array },
): AppendedEntry[] {
  subject.touchedAt = at.now;
  return command.entries.map(({ data, blob, ttlMs }) => {
    subject.lastId = later(uuid7(at.now, at.noise()), next(subject.lastId));
    const entry: Entry = {
      id: subject.lastId,
      data,
      blob: blob ? { ...blob } : null,
      createdAt: new Date(at.now),
      expiresAt: ttlMs === null ? null : new Date(at.now + ttlMs),
    };
    subject.entries.push(entry);
    return receipt(entry);
  });
}

/** Drops the entries and returns the keys of their blobs. */
export function dropFrom(subject: Subject, entries: readonly Entry[]): string[] {
  const gone = new Set(entries);
  for (const { id } of entries) subject.lostThrough = later(id, subject.lostThrough);
  subject.entries = subject.entries.filter((entry) => !gone.has(entry));
  return entries.flatMap(({ blob }) => (blob ? [blob.key] : []));
}

/** Up to `limit` entries after the cursor that have not expired at `now`, and the bounds. */
export function readFrom(
  subject: Subject | undefined,
  page: { after: string; limit: number; now: number },
): JournalPage {
  const held = subject?.entries ?? [];
  const entries: Entry[] = [];
  for (let at = firstAfter(held, page.after); at < held.length && entries.length < page.limit; at += 1) {
    const entry = held[at]!;
    if (!expired(entry, page.now)) entries.push(copy(entry));
  }
  return { entries, bounds: boundsOf(subject, page.now) };
}

/** The last entry that has not expired at `now`. */
export function newestIn(subject: Subject | undefined, now: number): Entry | null {
  const newest = subject?.entries.findLast((entry) => !expired(entry, now));
  return newest ? copy(newest) : null;
}

/** Where the subject stands at `now`; without one it is `missing`. */
export function boundsOf(subject: Subject | undefined, now: number): Bounds {
  if (!subject) return { state: "missing", lastId: EARLIEST, lostThrough: EARLIEST, now: new Date(now) };
  const { closed, lastId } = subject;
  const lost = subject.entries.findLast((entry) => expired(entry, now));
  const lostThrough = lost ? later(lost.id, subject.lostThrough) : subject.lostThrough;
  return { state: closed ? "closed" : "open", lastId, lostThrough, now: new Date(now) };
}

/** Whether the entry's time is over at `now`. */
export function expired(entry: Entry, now: number): boolean {
  return entry.expiresAt !== null && entry.expiresAt.getTime() <= now;
}

/** A copy of what an append reports of an entry. */
export function receipt({ id, createdAt, expiresAt }: AppendedEntry): AppendedEntry {
  return { id, createdAt: new Date(createdAt), expiresAt: expiresAt && new Date(expiresAt) };
}

function copy(entry: Entry): Entry {
  return { ...receipt(entry), data: entry.data, blob: entry.blob && { ...entry.blob } };
}

/** The index of the first entry with a greater id, by halves. */
function firstAfter(entries: readonly Entry[], after: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entries[middle]!.id > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
