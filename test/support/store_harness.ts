/**
 * What the contracts of the stores run on: one database, seen by a test that has a realm to itself.
 */
import type { Command, Committed, Database, Outcome } from "../../core/ports/database.ts";
import {
  type AppendEntries,
  type AppendedEntry,
  type Bounds,
  EARLIEST,
  type Entry,
  type NewEntry,
} from "../../core/ports/journal.ts";

export interface StoreHarness {
  /** A realm no other test has; the test may put a suffix to it for a second one. Other realms of the database MAY hold anything. */
  readonly realm: string;
  /** The database on the store's clock as it stands; a value from before `advance` MUST NOT be used after it. */
  readonly database: Database;
  /** The same database as another process has it; it MAY be the same value. */
  readonly other: Database;
  /** Moves the store's clock by `ms`, back when negative. */
  advance(ms: number): Promise<void>;
  /** Gives everything up; the database MAY have been closed before. */
  close(): Promise<void>;
}

/** Opens a harness for one test. */
export type OpenStore = () => Promise<StoreHarness>;

/** An entry that stays, unless told otherwise. */
export function entry(data = "{}", more: Partial<NewEntry> = {}): NewEntry {
  return { data, ttlMs: null, ...more };
}

/** A blob under a key of its own. */
export function blob(key: string = crypto.randomUUID()): { key: string; size: number; sha256: string } {
  return { key, size: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };
}

/** Where one subject of the harness's realm stands. */
export async function boundsIn(harness: StoreHarness, subject: string): Promise<Bounds> {
  const [bounds] = await harness.database.journal.bounds(harness.realm, [subject]);
  return bounds!;
}

/** The command that appends entries to a subject of the harness's realm. */
export function appending(
  { realm }: { realm: string },
  subject: string,
  how: Partial<AppendEntries> = {},
): AppendEntries {
  return { op: "journal.append", realm, subject, entries: [entry()], ...how };
}

/** Appends, and returns the receipts; anything but `appended` and `replayed` is an error. */
export async function appended(
  harness: StoreHarness,
  subject: string,
  how: Partial<AppendEntries> = {},
): Promise<AppendedEntry[]> {
  const outcome = await harness.database.journal.append(appending(harness, subject, how));
  if (!("entries" in outcome)) throw new Error(`the append was refused: ${outcome.status}`);
  return outcome.entries;
}

/** Everything a reader from the beginning gets, in pages. */
export async function history(harness: StoreHarness, subject: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let cursor = EARLIEST; ; cursor = entries.at(-1)!.id) {
    const page = await harness.database.journal.read(harness.realm, subject, cursor, 100);
    entries.push(...page.entries);
    if (page.entries.length < 100) return entries;
  }
}

/** Commits, and returns the outcomes; a refusal is an error. */
export async function committed(harness: StoreHarness, ...unit: Command[]): Promise<Outcome[]> {
  const result = await harness.database.commit(unit);
  if (!result.committed) throw new Error(`command ${result.failed} was refused: ${result.outcome.status}`);
  return result.outcomes;
}

/** Commits, and returns which command was refused with what; success is an error. */
export async function refusal(
  harness: StoreHarness,
  ...unit: Command[]
): Promise<Extract<Committed, { committed: false }>> {
  const result = await harness.database.commit(unit);
  if (result.committed) throw new Error("the unit was committed");
  return result;
}

/** Repeats a step until it says that nothing is left; foreign rows on a shared database only make it longer. */
export async function untilNone(step: () => Promise<number>): Promise<void> {
  for (let round = 0; (await step()) > 0; round += 1) if (round > 10_000) throw new Error("there is always more");
}
