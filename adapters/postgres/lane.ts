/**
 * The group-commit lane: while one batch is being stored, whoever wants to append waits, and all who wait go in the next batch together.
 * No timer is needed, a lone caller never waits, and one flush to disk serves many. It knows nothing of SQL.
 */
import { Fault } from "../../core/ports/fault.ts";
import type { AppendEntries, Journal } from "../../core/ports/journal.ts";

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

interface Waiting {
  command: AppendEntries;
  bytes: number;
  resolve: (outcome: Appended) => void;
  reject: (error: unknown) => void;
}

/** An idle lane: one batch is under way at a time. */
export function openLane(options: LaneOptions): Lane {
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    // Whatever else this turn of the event loop appends joins the first batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const { batch, rest } = split(waiting, options);
      waiting = rest;
      for (const { bytes } of batch) waitingBytes -= bytes;
      await settle(batch, options.store);
    }
    running = null;
  }

  return {
    append(command) {
      const bytes = sizeOf(command);
      if (waitingBytes + bytes > options.waitingBytes && waiting.length > 0) {
        return Promise.reject(
          new Fault("unavailable", "The database is behind: too much waits to be stored. Nothing was stored; retry."),
        );
      }
      return new Promise((resolve, reject) => {
        waiting.push({ command, bytes, resolve, reject });
        waitingBytes += bytes;
        running ??= run();
      });
    },
    async drained() {
      while (running) await running;
    },
  };
}

/**
 * The next batch, in order of arrival. An append whose idempotency key is in the batch already waits for the next one,
 * where the store will find the key.
 */
function split(waiting: Waiting[], limits: LaneOptions): { batch: Waiting[]; rest: Waiting[] } {
  const batch: Waiting[] = [];
  const rest: Waiting[] = [];
  const keys = new Set<string>();
  let bytes = 0;
  for (const [index, item] of waiting.entries()) {
    if (batch.length === limits.batchAppends || (batch.length > 0 && bytes + item.bytes > limits.batchBytes)) {
      return { batch, rest: rest.concat(waiting.slice(index)) };
    }
    const { realm, subject, key } = item.command;
    if (key !== undefined) {
      const name = JSON.stringify([realm, subject, key]);
      if (keys.has(name)) {
        rest.push(item);
        continue;
      }
      keys.add(name);
    }
    batch.push(item);
    bytes += item.bytes;
  }
  return { batch, rest };
}

async function settle(batch: readonly Waiting[], store: LaneOptions["store"]): Promise<void> {
  try {
    const outcomes = await store(batch.map(({ command }) => command));
    for (const [index, { resolve }] of batch.entries()) resolve(outcomes[index]!);
  } catch (error) {
    // What is not about the database's health is about one append of the batch: alone, it fails alone.
    if (batch.length > 1 && !(error instanceof Fault && error.code === "unavailable")) {
      for (const item of batch) await settle([item], store);
    } else {
      for (const { reject } of batch) reject(error);
    }
  }
}

function sizeOf({ entries }: AppendEntries): number {
  let bytes = 512;
  for (const { data } of entries) bytes += data.length + 256;
  return bytes;
}
