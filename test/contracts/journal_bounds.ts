/**
 * What every journal promises of where a subject stands: its bounds, its newest entry, and what an append says came before it.
 */
import * as assert from "uvu/assert";
import { EARLIEST, type JournalOutcome } from "../../core/ports/journal.ts";
import type { Keeps } from "../support/promises.ts";
import {
  appended,
  appending,
  blob,
  boundsIn,
  committed,
  entry,
  history,
  type StoreHarness,
  untilNone,
} from "../support/store_harness.ts";

/** Registers the promises of bounds, of the newest entry and of what came before. */
export function keepsBounds(keeps: Keeps<StoreHarness>): void {
  keepsWhereSubjectsStand(keeps);
  keepsNewest(keeps);
  keepsPrevious(keeps);
}

function keepsWhereSubjectsStand(keeps: Keeps<StoreHarness>): void {
  keeps("bounds() of a subject never opened nor appended to is missing", async (h) => {
    const missing = { state: "missing", lastId: EARLIEST, lostThrough: EARLIEST };
    const { now, ...bounds } = await boundsIn(h, "s");
    assert.equal(bounds, missing);
    const page = await h.database.journal.read(h.realm, "s", EARLIEST, 3);
    assert.equal(page, { entries: [], bounds: { ...missing, now: page.bounds.now } });
  });

  keeps("bounds() of a subject opened and never appended to has no last id", async (h) => {
    await committed(h, { op: "journal.open", realm: h.realm, subject: "s" });
    const { now, ...bounds } = await boundsIn(h, "s");
    assert.equal(bounds, { state: "open", lastId: EARLIEST, lostThrough: EARLIEST });
  });

  keeps("bounds() answers in the order asked for, missing subjects and repeated ones too", async (h) => {
    const [a] = await appended(h, "a");
    const [b] = await appended(h, "b");
    const all = await h.database.journal.bounds(h.realm, ["b", "missing", "a", "b"]);
    assert.equal(
      all.map(({ state, lastId }) => [state, lastId]),
      [
        ["open", b!.id],
        ["missing", EARLIEST],
        ["open", a!.id],
        ["open", b!.id],
      ],
    );
    assert.equal(await h.database.journal.bounds(h.realm, []), []);
  });

  keeps("read() and bounds() say what the store's clock was, of missing subjects too", async (h) => {
    const look = async () => {
      const page = await h.database.journal.read(h.realm, "s", EARLIEST, 1);
      const missing = await h.database.journal.read(h.realm, "missing", EARLIEST, 1);
      const [bounds, none] = await h.database.journal.bounds(h.realm, ["s", "missing"]);
      return [page.bounds, missing.bounds, bounds!, none!].map(({ now }) => now.getTime());
    };
    for (let round = 0; round < 2; round += 1) {
      const [before] = await appended(h, "s");
      const seen = await look();
      const [after] = await appended(h, "s");
      for (const now of seen) {
        assert.ok(before!.createdAt.getTime() <= now && now <= after!.createdAt.getTime(), `${now} is out of place`);
      }
      await h.advance(3_600_000);
    }
  });
}

function keepsNewest(keeps: Keeps<StoreHarness>): void {
  keeps("newest() is the entry with the highest id, whole; null where there is none", async (h) => {
    assert.is(await h.database.journal.newest(h.realm, "s"), null);
    await committed(h, { op: "journal.open", realm: h.realm, subject: "s" });
    assert.is(await h.database.journal.newest(h.realm, "s"), null);
    const last = entry('{"n":3}', { blob: blob(`${h.realm}/one`), ttlMs: 60_000 });
    await appended(h, "s", { entries: [entry("1"), entry("2"), last] });
    await appended(h, "t", { entries: [entry("4")] });
    const newest = await h.database.journal.newest(h.realm, "s");
    assert.equal(newest, (await history(h, "s")).at(-1));
    assert.is(newest?.data, last.data);
    assert.equal(newest?.blob, last.blob);
  });

  keeps("newest() passes over what has expired, whether or not expire() has run", async (h) => {
    const entries = [entry("1", { ttlMs: 60_000 }), entry("2", { ttlMs: 1_000 }), entry("3", { ttlMs: 2_000 })];
    await appended(h, "s", { entries });
    for (const [ms, data] of [
      [0, "3"],
      [5_000, "1"],
      [60_000, undefined],
    ] as const) {
      await h.advance(ms);
      assert.is((await h.database.journal.newest(h.realm, "s"))?.data, data);
    }
    await untilNone(() => h.database.journal.expire(1_000));
    assert.is(await h.database.journal.newest(h.realm, "s"), null);
  });
}

function keepsPrevious(keeps: Keeps<StoreHarness>): void {
  keeps("append() says which id was the subject's last before it; EARLIEST when none was", async (h) => {
    const first = await appendedTo(h, "s", 3);
    assert.is(first.previous, EARLIEST);
    assert.is((await appendedTo(h, "t")).previous, EARLIEST);
    const second = await appendedTo(h, "s");
    assert.is(second.previous, first.entries.at(-1)!.id);
    await committed(h, { op: "journal.open", realm: h.realm, subject: "u" });
    assert.is((await appendedTo(h, "u")).previous, EARLIEST);
  });

  keeps("append() says the last id though its entry is gone", async (h) => {
    const first = await appendedTo(h, "s", 2, 1_000);
    await h.advance(2_000);
    await untilNone(() => h.database.journal.expire(1_000));
    assert.is((await appendedTo(h, "s")).previous, first.entries.at(-1)!.id);
  });

  keeps("append() from many at once: each begins where another has ended, so they are one chain", async (h) => {
    const outcomes = await Promise.all(
      Array.from({ length: 120 }, (_, index) => {
        const subject = index % 3 ? "s" : "t";
        return appendedTo(index % 2 ? { ...h, database: h.other } : h, subject, 1 + (index % 3));
      }),
    );
    const links = new Map(outcomes.map(({ previous, entries }) => [entries[0]!.id, { previous, entries }]));
    for (const subject of ["s", "t"]) {
      let last = EARLIEST;
      for (const { id } of await history(h, subject)) {
        const link = links.get(id);
        if (link) assert.is(link.previous, last);
        last = id;
      }
    }
    assert.is(links.size, 120);
  });

  keeps("appends of a unit say what was before each, those of the same unit included", async (h) => {
    const before = await appendedTo(h, "s");
    const outcomes = await committed(
      h,
      appending(h, "s", { entries: [entry(), entry()] }),
      appending(h, "t"),
      appending(h, "s", { key: "k" }),
      appending(h, "s", { key: "k" }),
    );
    const [first, other, second, repeated] = outcomes.map((outcome) => {
      assert.ok(outcome.status === "appended" || outcome.status === "replayed");
      return outcome;
    });
    assert.equal(
      [first, other, second].map((outcome) => "previous" in outcome! && outcome.previous),
      [before.entries[0]!.id, EARLIEST, first!.entries[1]!.id],
    );
    assert.equal(repeated, { status: "replayed", entries: second!.entries });
  });
}

async function appendedTo(
  h: Pick<StoreHarness, "realm" | "database">,
  subject: string,
  count = 1,
  ttlMs: number | null = null,
): Promise<Extract<JournalOutcome, { status: "appended" }>> {
  const entries = Array.from({ length: count }, () => entry("{}", { ttlMs }));
  const outcome = await h.database.journal.append(appending(h, subject, { entries }));
  assert.ok(outcome.status === "appended", outcome.status);
  return outcome;
}
