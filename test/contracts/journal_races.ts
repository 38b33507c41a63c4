/**
 * What every journal promises to writers and readers that run at once, whichever way the entries come: one at a time, several, under a key, in a unit.
 */
import * as assert from "uvu/assert";
import type { Database } from "../../core/ports/database.ts";
import { type AppendEntries, EARLIEST, type JournalOutcome } from "../../core/ports/journal.ts";
import type { Keeps } from "../support/promises.ts";
import { appended, appending, committed, entry, type StoreHarness } from "../support/store_harness.ts";

type Appended = Extract<JournalOutcome, { status: "appended" }>;

const PAGE = 7;

/** Registers the promises to writers and readers at once. */
export function keepsRaces(keeps: Keeps<StoreHarness>): void {
  keeps("append() from many at once gives each its own ids, and a polling reader misses none", async (h) => {
    await race(h, [h.database, h.other, h.database, h.other]);
  });

  keeps("append() resolves only once another process reads its entries", async (h) => {
    await committed(h, { op: "journal.open", realm: h.realm, subject: "s" });
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const [receipt] = await appended(h, "s", { ifOpen: index % 2 === 0 });
        const page = await h.other.journal.read(h.realm, "s", EARLIEST, 100);
        assert.ok(page.entries.some(({ id }) => id === receipt!.id));
      }),
    );
  });
}

/**
 * Lets each writer append to one subject again and again, in every way there is, while a reader follows it; proves that the reader
 * sees all of it in the order of ids, and that the entries are one chain: each append begins where another has ended.
 */
export async function race(h: Pick<StoreHarness, "realm" | "database">, writers: readonly Database[]): Promise<void> {
  await h.database.commit([{ op: "journal.open", realm: h.realm, subject: "s" }]);
  let writing = true;
  const reading = follow(h, () => writing);
  const wrote = Promise.all(writers.map((database) => write({ ...h, database }))).finally(() => {
    writing = false;
  });
  // Nobody may go on once the harness is closed, so all are waited for though one fails.
  await Promise.allSettled([wrote, reading]);
  const written = (await wrote).flat().sort((left, right) => (left.entries[0]!.id < right.entries[0]!.id ? -1 : 1));
  const ids = written.flatMap(({ entries }) => entries.map(({ id }) => id));
  assert.is(new Set(ids).size, ids.length, "two entries have one id");
  assert.equal(await reading, ids);
  let last = EARLIEST;
  for (const { entries, previous } of written) {
    assert.is(previous, last);
    last = entries.at(-1)!.id;
  }
}

async function write(h: Pick<StoreHarness, "realm" | "database">): Promise<Appended[]> {
  const outcomes: Appended[] = [];
  const append = async (how: Partial<AppendEntries>) => {
    outcomes.push(wasAppended(await h.database.journal.append(appending(h, "s", { ifOpen: true, ...how }))));
  };
  for (let round = 0; round < 12; round += 1) {
    for (let turn = 0; turn < 5; turn += 1) await append({});
    await append({ entries: [entry("1"), entry("2"), entry("3")] });
    await append({ key: crypto.randomUUID() });
    await append({ ifOpen: false });
    await Promise.all([append({}), append({}), append({ entries: [entry("1"), entry("2")] }), append({})]);
    const unit = await h.database.commit([appending(h, "s"), appending(h, "s", { entries: [entry(), entry()] })]);
    assert.ok(unit.committed);
    outcomes.push(...unit.outcomes.map(wasAppended));
  }
  return outcomes;
}

function wasAppended(outcome: { status: string }): Appended {
  assert.is(outcome.status, "appended");
  return outcome as Appended;
}

/** Follows "s" as a reader does, in small pages, until nothing is written any more and nothing is left; returns the ids it saw. */
async function follow(
  { realm, database }: Pick<StoreHarness, "realm" | "database">,
  writing: () => boolean,
): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const last = !writing();
    const { entries, bounds } = await database.journal.read(realm, "s", seen.at(-1) ?? EARLIEST, PAGE);
    seen.push(...entries.map(({ id }) => id));
    // Bounds of another snapshot than the entries would claim an id that the page does not have.
    if (entries.length < PAGE) assert.is(bounds.lastId, seen.at(-1) ?? EARLIEST);
    if (last && entries.length === 0) return seen;
  }
}
