/**
 * What the queue store in memory holds, and the one way to change it: rows are never altered, only replaced, so that a unit can take them back.
 */
import type { Clock } from "../../clock.ts";
import type { Backoff, JobState, Schedule } from "../../queue.ts";
import type { QueueMinute, QueueSettings } from "../../queue_settings.ts";

/** A queue's row. */
export interface QueueRow {
  realm: string;
  queue: string;
  number: number;
  paused: boolean;
  settings: QueueSettings;
  createdAt: number;
}

/** A job's row, whether it has ended or not. `held` waits for a place in its group, or for the job `afterId` to end. */
export interface JobRow {
  id: number;
  queue: number;
  state: JobState | "held";
  payload: string;
  priority: number;
  /** Its place among those of its priority and of its group. */
  position: number;
  group: string | null;
  /** It takes up one of its group's places. */
  placed: boolean;
  dedupKey: string | null;
  /** A push with the key meets this job. */
  holdsKey: boolean;
  afterId: number | null;
  attempt: number;
  maxAttempts: number;
  backoff: Backoff | null;
  createdAt: number;
  visibleAt: number;
  claimedAt: number | null;
  leaseUntil: number | null;
  /** Kept after the job was settled with it, so that the same settlement is known when it comes again. */
  token: string | null;
  error: string | null;
  progress: string | null;
  result: string | null;
  cancelRequested: boolean;
  redrives: number;
  finishedAt: number | null;
  /** When an ended job is forgotten. */
  expiresAt: number | null;
}

export type StoredSchedule = Omit<Schedule, "nextAt" | "lastAt" | "createdAt" | "updatedAt"> & {
  nextAt: number | null;
  lastAt: number | null;
  createdAt: number;
  updatedAt: number;
};

type Counted = Exclude<keyof QueueMinute, "at">;
export type Minute = Record<Counted, number> & { queue: number; at: number };

/** The store's tables. */
export interface Rows {
  readonly queues: ReadonlyMap<string, QueueRow>;
  readonly jobs: ReadonlyMap<number, JobRow>;
  /** Taken places of each group that has any. */
  readonly groups: ReadonlyMap<string, number>;
  readonly windows: ReadonlyMap<string, { id: number; until: number }>;
  readonly minutes: ReadonlyMap<string, Minute>;
  readonly schedules: ReadonlyMap<string, StoredSchedule>;
  /** Puts a row into one of them, or takes it out when there is no value. */
  write<Key, Value>(table: ReadonlyMap<Key, Value>, key: Key, value: Value | undefined): void;
  /** Collects in `undo` what takes back the writes of `work`. */
  recording<T>(undo: (() => void)[], work: () => T): T;
  /** The next number of the sequence that ids and positions come from; never given back. */
  next(): number;
  now(): number;
  count(queue: number, what: Counted, by?: number): void;
}

/** The name of what belongs to several things. */
export function nameOf(...parts: (string | number)[]): string {
  return JSON.stringify(parts);
}

const MINUTE_MS = 60_000;
const NOTHING = { pushed: 0, claimed: 0, acked: 0, nacked: 0, expired: 0, dead: 0 };

/** Empty tables whose times are the clock's. */
export function emptyRows(clock: Clock): Rows {
  let taken = 0;
  let recorded: (() => void)[] | null = null;
  const now = () => clock.now().getTime();

  function write<Key, Value>(table: ReadonlyMap<Key, Value>, key: Key, value: Value | undefined): void {
    const held = table as Map<Key, Value>;
    const before = held.get(key);
    recorded?.push(() => (before === undefined ? held.delete(key) : held.set(key, before)));
    if (value === undefined) held.delete(key);
    else held.set(key, value);
  }

  const minutes = new Map<string, Minute>();
  return {
    queues: new Map(),
    jobs: new Map(),
    groups: new Map(),
    windows: new Map(),
    minutes,
    schedules: new Map(),
    write,
    recording(undo, work) {
      recorded = undo;
      try {
        return work();
      } finally {
        recorded = null;
      }
    },
    next() {
      taken += 1;
      return taken;
    },
    now,
    count(queue, what, by = 1) {
      if (by === 0) return;
      const at = Math.floor(now() / MINUTE_MS) * MINUTE_MS;
      const name = nameOf(queue, at);
      const row = minutes.get(name) ?? { queue, at, ...NOTHING };
      write(minutes, name, { ...row, [what]: row[what] + by });
    },
  };
}

/** The queue of that name, or undefined. */
export function queueOf(rows: Rows, realm: string, queue: string): QueueRow | undefined {
  return rows.queues.get(nameOf(realm, queue));
}

/** The queue's job with that id, or undefined. */
export function jobOf(rows: Rows, queue: QueueRow | undefined, id: string): JobRow | undefined {
  const row = rows.jobs.get(/^[1-9]\d{0,15}$/.test(id) ? Number(id) : 0);
  return row && queue && row.queue === queue.number ? row : undefined;
}

/** Jobs of a queue in one of the states, in an order; numbers compare one after the other. */
export function sorted(
  rows: Rows,
  queue: QueueRow,
  { states, by }: { states: readonly JobRow["state"][]; by: (row: JobRow) => readonly number[] },
): JobRow[] {
  return [...rows.jobs.values()]
    .filter((row) => row.queue === queue.number && states.includes(row.state))
    .sort((left, right) => compare(by(left), by(right)));
}

/** Compares lists of numbers for `sort`. */
export function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) if (value !== right[index]) return value - right[index]!;
  return 0;
}
