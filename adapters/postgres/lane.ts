/**
 * The group-commit lane: while one batch is being stored, whoever wants to store something waits, and all who wait go in the next batch together.
 * No timer is needed, a lone caller never waits, and one flush to disk serves many. It knows nothing of SQL.
 */
import { Fault } from "../../core/ports/fault.ts";
import type { AppendEntries, Journal } from "../../core/ports/journal.ts";

/** How items of one kind go together. */
export interface BatchRules<Item, Outcome> {
  /** Stores a batch, all or nothing, and returns an outcome for each item. It throws Faults. */
  store: (batch: readonly Item[]) => Promise<Outcome[]>;
  /** How much of `batchMost` an item takes; left out: 1. */
  countOf?: (item: Item) => number;
  /** About how many bytes it takes. */
  bytesOf: (item: Item) => number;
  /** What a batch may hold once only: an item whose name is in the batch already waits for the next one, where the store will find it. */
  namesOf: (item: Item) => readonly string[];
  /** The most that one batch counts; a single item may count more. */
  batchMost: number;
  /** About the most bytes in one batch; a single item may be larger. */
  batchBytes: number;
  /** About the most bytes that may wait; beyond, items are refused. */
  waitingBytes: number;
  /** Called when nothing waits any more. */
  rested?: () => void;
}

export interface Batches<Item, Outcome> {
  /** Resolves when this item is durable, or with the reason why it was refused. */
  add(item: Item): Promise<Outcome>;
  /** Resolves when nothing waits and nothing is under way. */
  drained(): Promise<void>;
}

interface Waiting<Item, Outcome> {
  item: Item;
  bytes: number;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

/** An idle lane: one batch is under way at a time. */
export function openBatches<Item, Outcome>(rules: BatchRules<Item, Outcome>): Batches<Item, Outcome> {
  let waiting: Waiting<Item, Outcome>[] = [];
  let waitingBytes = 0;
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    // Whatever else this turn of the event loop adds joins the first batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const { batch, rest } = split(waiting, rules);
      waiting = rest;
      for (const { bytes } of batch) waitingBytes -= bytes;
      await settle(batch, rules.store);
    }
    running = null;
    rules.rested?.();
  }

  return {
    add(item) {
      const bytes = rules.bytesOf(item);
      if (waitingBytes + bytes > rules.waitingBytes && waiting.length > 0) {
        return Promise.reject(
          new Fault("unavailable", "The database is behind: too much waits to be stored. Nothing was stored; retry."),
        );
      }
      return new Promise((resolve, reject) => {
        waiting.push({ item, bytes, resolve, reject });
        waitingBytes += bytes;
        running ??= run();
      });
    },
    async drained() {
      while (running) await running;
    },
  };
}

/** The next batch, in order of arrival, and what is left for those after it. */
function split<Item, Outcome>(
  waiting: Waiting<Item, Outcome>[],
  { countOf = () => 1, namesOf, batchMost, batchBytes }: BatchRules<Item, Outcome>,
): { batch: Waiting<Item, Outcome>[]; rest: Waiting<Item, Outcome>[] } {
  const batch: Waiting<Item, Outcome>[] = [];
  const rest: Waiting<Item, Outcome>[] = [];
  const taken = new Set<string>();
  let count = 0;
  let bytes = 0;
  for (const [index, each] of waiting.entries()) {
    const full = count + countOf(each.item) > batchMost || bytes + each.bytes > batchBytes;
    if (batch.length > 0 && full) return { batch, rest: rest.concat(waiting.slice(index)) };
    const names = namesOf(each.item);
    if (names.some((name) => taken.has(name))) {
      rest.push(each);
      continue;
    }
    for (const name of names) taken.add(name);
    batch.push(each);
    count += countOf(each.item);
    bytes += each.bytes;
  }
  return { batch, rest };
}

async function settle<Item, Outcome>(
  batch: readonly Waiting<Item, Outcome>[],
  store: BatchRules<Item, Outcome>["store"],
): Promise<void> {
  try {
    const outcomes = await store(batch.map(({ item }) => item));
    for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index]!);
  } catch (error) {
    // What is not about the database's health is about one item of the batch: alone, it fails alone.
    if (batch.length > 1 && !(error instanceof Fault && error.code === "unavailable")) {
      for (const each of batch) await settle([each], store);
    } else {
      for (const { reject } of batch) reject(error);
    }
  }
}

export type Appended = Awaited<ReturnType<Journal["append"]>>;

export interface LaneOptions {
  /** Stores a batch, all or nothing, and returns an outcome for each append. It throws Faults. */
  store: (batch: readonly AppendEntries[]) => Promise<Appended[]>;
  /** The most appends in one batch. */
  batchAppends: number;
  /** About the most bytes of data in one batch; a single append may be larger. */
  batchBytes: number;
  /** About the most bytes of data that may wait; beyond, appends are refused. */
  waitingBytes: number;
}

export interface Lane {
  /** Resolves when this append is durable, or with the reason why it was refused. */
  append(command: AppendEntries): Promise<Appended>;
  /** Resolves when nothing waits and nothing is under way. */
  drained(): Promise<void>;
}

/** An idle lane of appends; a batch holds an idempotency key of a subject once. */
export function openLane({ store, batchAppends, batchBytes, waitingBytes }: LaneOptions): Lane {
  const { add, drained } = openBatches<AppendEntries, Appended>({
    store,
    bytesOf: sizeOf,
    namesOf: ({ realm, subject, key }) => (key === undefined ? [] : [JSON.stringify([realm, subject, key])]),
    batchMost: batchAppends,
    batchBytes,
    waitingBytes,
  });
  return { append: add, drained };
}

function sizeOf({ entries }: AppendEntries): number {
  let bytes = 512;
  for (const { data } of entries) bytes += data.length + 256;
  return bytes;
}
