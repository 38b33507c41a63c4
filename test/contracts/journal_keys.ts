/**
 * What every journal promises of idempotency keys.
 */
import * as assert from "uvu/assert";
import type { Outcome } from "../../core/ports/database.ts";
import { type AppendEntries, KEY_KEPT_MS, KEY_MAX_BYTES } from "../../core/ports/journal.ts";
import type { Keeps } from "../support/promises.ts";
import { appended, appending, committed, entry, history, type StoreHarness } from "../support/store_harness.ts";

/** Registers the promises of idempotency keys. */
export function keepsKeys(keeps: Keeps<StoreHarness>): void {
  keeps("append() with a key used before returns the first ids and appends nothing", async (h) => {
    const how = {
      key: "k".repeat(KEY_MAX_BYTES),
      fingerprint: "f",
      entries: [entry("1", { ttlMs: 60_000 }), entry("2")],
    };
    const first = await h.database.journal.append(appending(h, "s", how));
    const second = await h.database.journal.append(appending(h, "s", how));
    assert.is(first.status, "appended");
    assert.equal(second, { status: "replayed", entries: "entries" in first && first.entries });
    assert.is((await history(h, "s")).length, 2);
  });

  keeps("a key used before is known, whichever way its first use and its second come", async (h) => {
    await committed(h, { op: "journal.open", realm: h.realm, subject: "s" });
    const ways: Record<string, (append: AppendEntries) => Promise<Outcome>> = {
      alone: (append) => h.database.journal.append({ ...append, ifOpen: true }),
      unconditional: (append) => h.database.journal.append(append),
      "with others": async (append) => {
        const others = [appending(h, "s", { ifOpen: true }), append, appending(h, "t")];
        return (await Promise.all(others.map((one) => h.database.journal.append(one))))[1]!;
      },
      "in a unit": async (append) => (await committed(h, append))[0]!,
    };
    for (const [first, use] of Object.entries(ways)) {
      for (const [second, again] of Object.entries(ways)) {
        const append = appending(h, "s", { key: `${first}, ${second}`, fingerprint: "f", entries: [entry("1")] });
        const outcome = await use(append);
        assert.is(outcome.status, "appended", append.key);
        const entries = "entries" in outcome && outcome.entries;
        assert.equal(await again(append), { status: "replayed", entries }, append.key);
        const other = await h.database.journal.append({ ...append, fingerprint: "g", ifOpen: true });
        assert.equal(other, { status: "mismatch" }, append.key);
      }
    }
  });

  keeps("append() with a key and no fingerprint is replayed", async (h) => {
    const first = await appended(h, "s", { key: "k" });
    assert.equal(await appended(h, "s", { key: "k" }), first);
  });

  keeps("append() with a key used for another fingerprint is a mismatch and appends nothing", async (h) => {
    await appended(h, "s", { key: "k", fingerprint: "f" });
    const outcome = await h.database.journal.append(appending(h, "s", { key: "k", fingerprint: "g" }));
    assert.equal(outcome, { status: "mismatch" });
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("a key is one subject's own", async (h) => {
    const [here] = await appended(h, "s", { key: "k", fingerprint: "f" });
    const there = await h.database.journal.append(appending(h, "t", { key: "k", fingerprint: "g" }));
    assert.is(there.status, "appended");
    assert.equal(
      (await history(h, "s")).map(({ id }) => id),
      [here!.id],
    );
  });

  keeps("append() with one key from many at once appends once and replays for all others", async (h) => {
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const database = index % 2 ? h.other : h.database;
        return database.journal.append(appending(h, "s", { key: "k", fingerprint: "f" }));
      }),
    );
    assert.is(outcomes.filter(({ status }) => status === "appended").length, 1);
    assert.is(outcomes.filter(({ status }) => status === "replayed").length, 39);
    const ids = outcomes.flatMap((outcome) => ("entries" in outcome ? outcome.entries.map(({ id }) => id) : []));
    const stored = (await history(h, "s")).map(({ id }) => id);
    assert.equal([...new Set(ids)], stored);
    assert.is(stored.length, 1);
  });

  keeps("append() with one key from two processes at once appends once, time after time", async (h) => {
    await appended(h, "s");
    for (let round = 0; round < 50; round += 1) {
      const append = appending(h, "s", { key: `${round}`, fingerprint: "f", ifOpen: round % 2 === 0 });
      const outcomes = await Promise.all([h.database, h.other].map(({ journal }) => journal.append(append)));
      assert.equal(outcomes.map(({ status }) => status).sort(), ["appended", "replayed"]);
    }
    assert.is((await history(h, "s")).length, 51);
  });

  keeps("append() with one key and many fingerprints at once appends once, all others are mismatches", async (h) => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        h.database.journal.append(appending(h, "s", { key: "k", fingerprint: `${index}` })),
      ),
    );
    assert.is(outcomes.filter(({ status }) => status === "appended").length, 1);
    assert.is(outcomes.filter(({ status }) => status === "mismatch").length, 19);
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("a key is kept for 48 h, though its entry has expired", async (h) => {
    const first = await appended(h, "s", { key: "k", fingerprint: "f", entries: [entry("1", { ttlMs: 1_000 })] });
    await h.advance(KEY_KEPT_MS - 60_000);
    await h.database.journal.expire(1_000);
    const again = await h.database.journal.append(appending(h, "s", { key: "k", fingerprint: "f" }));
    assert.equal(again, { status: "replayed", entries: first });
  });

  keeps("a key is forgotten after 48 h, whether or not expire() has run", async (h) => {
    const first = await appended(h, "s", { key: "k", fingerprint: "f" });
    await h.advance(KEY_KEPT_MS + 60_000);
    const again = appending(h, "s", { key: "k", fingerprint: "g", ifOpen: true });
    const second = await h.database.journal.append(again);
    assert.is(second.status, "appended");
    assert.not.equal("entries" in second && second.entries, first);
    const entries = "entries" in second && second.entries;
    assert.equal(await h.database.journal.append(again), { status: "replayed", entries });
  });

  keeps("a closed subject replays nothing", async (h) => {
    await appended(h, "s", { key: "k", fingerprint: "f" });
    await committed(h, { op: "journal.close", realm: h.realm, subject: "s" });
    const outcome = await h.database.journal.append(appending(h, "s", { key: "k", fingerprint: "f", ifOpen: true }));
    assert.equal(outcome, { status: "closed" });
  });
}
