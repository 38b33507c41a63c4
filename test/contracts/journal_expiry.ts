/**
 * What every journal promises of entries whose time is over.
 */
import * as assert from "uvu/assert";
import { type AppendEntries, EARLIEST } from "../../core/ports/journal.ts";
import type { Keeps } from "../support/promises.ts";
import {
  appended,
  blob,
  boundsIn,
  committed,
  entry,
  history,
  type StoreHarness,
  untilNone,
} from "../support/store_harness.ts";

/** Registers the promises of expiry. */
export function keepsExpiry(keeps: Keeps<StoreHarness>): void {
  keeps("expired entries are not returned, though expire() has not run", async (h) => {
    const entries = [entry("1", { ttlMs: 60_000 }), entry("2"), entry("3", { ttlMs: 600_000 })];
    const ids = (await appended(h, "s", { entries })).map(({ id }) => id);
    await h.advance(61_000);
    assert.equal(
      (await history(h, "s")).map(({ data }) => data),
      ["2", "3"],
    );
    const page = await h.database.journal.read(h.realm, "s", EARLIEST, 1);
    assert.equal(
      page.entries.map(({ data }) => data),
      ["2"],
    );
    assert.is(page.bounds.lastId, ids[2]);
  });

  keeps("lostThrough is the highest id that has expired, before expire() has run and after", async (h) => {
    const entries = [
      entry("1", { ttlMs: 1_000 }),
      entry("2", { ttlMs: 60_000 }),
      entry("3", { ttlMs: 1_000 }),
      entry("4"),
    ];
    const ids = (await appended(h, "s", { entries })).map(({ id }) => id);
    assert.is((await boundsIn(h, "s")).lostThrough, EARLIEST);
    for (const ms of [2_000, 60_000]) {
      await h.advance(ms);
      assert.is((await boundsIn(h, "s")).lostThrough, ids[2]);
      assert.is((await h.database.journal.read(h.realm, "s", ids[3]!, 1)).bounds.lostThrough, ids[2]);
    }
    await untilNone(() => h.database.journal.expire(1_000));
    assert.is((await boundsIn(h, "s")).lostThrough, ids[2]);
  });

  keeps(
    "lostThrough finds the one entry that expired early, whichever way it came, among thousands that did late",
    async (h) => {
      const late = { entries: Array.from({ length: 1_500 }, () => entry("1", { ttlMs: 120_000 })) };
      const early = entry("2", { ttlMs: 60_000 });
      const ways: Record<string, AppendEntries["entries"][]> = {
        alone: [late.entries, [early]],
        "with others": [late.entries, [early, entry("3")]],
        "in one append": [[...late.entries, early]],
      };
      const lost = new Map<string, string>();
      for (const [subject, appends] of Object.entries(ways)) {
        await committed(h, { op: "journal.open", realm: h.realm, subject });
        for (const entries of appends) await appended(h, subject, { entries, ifOpen: true });
        lost.set(subject, (await history(h, subject)).find(({ data }) => data === early.data)!.id);
      }
      await h.advance(130_000);
      for (const [subject, id] of lost) assert.is((await boundsIn(h, subject)).lostThrough, id, subject);
    },
  );

  keeps("lostThrough is the highest id that has expired, though the clock went back before it was made", async (h) => {
    await appended(h, "s", { entries: Array.from({ length: 1_500 }, () => entry("1", { ttlMs: 60_000 })) });
    await h.advance(-30_000);
    const [last] = await appended(h, "s", { entries: [entry("2", { ttlMs: 60_000 })] });
    await h.advance(100_000);
    assert.is((await boundsIn(h, "s")).lostThrough, last!.id);
  });

  keeps("expire() drops at most `limit` entries and says how many", async (h) => {
    await appended(h, "s", { entries: Array.from({ length: 5 }, () => entry("1", { ttlMs: 1_000 })) });
    await h.advance(2_000);
    const gone = await h.database.journal.expire(2);
    assert.ok(gone > 0 && gone <= 2, `${gone} went`);
  });

  keeps("expire() raises lostThrough to the highest id it drops, and leaves what has not expired", async (h) => {
    const entries = [
      entry("1", { ttlMs: 1_000 }),
      entry("2"),
      entry("3", { ttlMs: 1_000 }),
      entry("4", { ttlMs: 60_000 }),
    ];
    const ids = (await appended(h, "s", { entries })).map(({ id }) => id);
    await untilNone(() => h.database.journal.expire(1_000));
    assert.is((await boundsIn(h, "s")).lostThrough, EARLIEST);
    await h.advance(2_000);
    await untilNone(() => h.database.journal.expire(1_000));
    const { entries: left, bounds: seen } = await h.database.journal.read(h.realm, "s", EARLIEST, 10);
    const { now, ...bounds } = seen;
    assert.equal(bounds, { state: "open", lastId: ids[3], lostThrough: ids[2] });
    assert.equal(
      left.map(({ data }) => data),
      ["2", "4"],
    );
  });

  keeps("expire() never lowers lostThrough", async (h) => {
    const first = { entries: [entry("1", { ttlMs: 60_000 }), entry("2", { ttlMs: 1_000 })] };
    const ids = (await appended(h, "s", first)).map(({ id }) => id);
    for (const ms of [2_000, 60_000]) {
      await h.advance(ms);
      await untilNone(() => h.database.journal.expire(1_000));
      assert.is((await boundsIn(h, "s")).lostThrough, ids[1]);
    }
    const [later] = await appended(h, "s");
    assert.ok(later!.id > ids[1]!);
  });

  keeps("expire() raises lostThrough for every subject it touches", async (h) => {
    const last = new Map<string, string>();
    for (const subject of ["a", "b", "c"]) {
      const receipts = await appended(h, subject, {
        entries: [entry("1", { ttlMs: 1_000 }), entry("2", { ttlMs: 1_000 })],
      });
      last.set(subject, receipts[1]!.id);
    }
    await h.advance(2_000);
    await untilNone(() => h.database.journal.expire(1));
    for (const [subject, id] of last) assert.is((await boundsIn(h, subject)).lostThrough, id);
  });

  keeps("expire() queues the blobs of what it drops, and of nothing else", async (h) => {
    const [gone, kept] = [blob(`${h.realm}/gone`), blob(`${h.realm}/kept`)];
    await appended(h, "s", { entries: [entry("1", { blob: gone, ttlMs: 1_000 }), entry("2", { blob: kept })] });
    await h.advance(2_000);
    assert.equal((await h.database.journal.referenced([gone.key, kept.key])).sort(), [gone.key, kept.key]);
    await untilNone(() => h.database.journal.expire(1_000));
    const due = await h.database.objectDeletions.due(0, 100_000);
    assert.ok(due.includes(gone.key));
    assert.not.ok(due.includes(kept.key));
    assert.equal((await h.database.journal.referenced([gone.key, kept.key])).sort(), [gone.key, kept.key]);
    await h.database.objectDeletions.done([gone.key]);
    assert.equal(await h.database.journal.referenced([gone.key, kept.key]), [kept.key]);
  });
}
