/**
 * What every database promises of leases, object deletions and readiness: what the duties of a process stand on.
 */
import * as assert from "uvu/assert";
import type { Keeps } from "../support/promises.ts";
import { appended, blob, committed, entry, type StoreHarness } from "../support/store_harness.ts";

/** Registers the promises that duties stand on. */
export function keepsDuties(keeps: Keeps<StoreHarness>): void {
  keepsLeases(keeps);
  keepsDeletions(keeps);
  keepsReadiness(keeps);
}

function keepsLeases(keeps: Keeps<StoreHarness>): void {
  keeps("lease() has one holder, of however many that ask at once", async (h) => {
    const asked = Array.from({ length: 20 }, (_, index) =>
      (index % 2 ? h.other : h.database).lease(`${h.realm}/duty`, 60_000),
    );
    const leases = await Promise.all(asked);
    assert.is(leases.filter((lease) => lease !== null).length, 1);
    assert.is(await h.database.lease(`${h.realm}/duty`, 60_000), null);
  });

  keeps("lease() of another name is another lease", async (h) => {
    assert.ok(await h.database.lease(`${h.realm}/one`, 60_000));
    assert.ok(await h.database.lease(`${h.realm}/two`, 60_000));
  });

  keeps("lease() is free again when its time is over on the store's clock, not before", async (h) => {
    await h.database.lease(`${h.realm}/duty`, 60_000);
    await h.advance(30_000);
    assert.is(await h.database.lease(`${h.realm}/duty`, 60_000), null);
    await h.advance(31_000);
    assert.ok(await h.database.lease(`${h.realm}/duty`, 60_000));
  });

  keeps("renew() of a lease that is held is true and keeps others out", async (h) => {
    const lease = await h.database.lease(`${h.realm}/duty`, 60_000);
    assert.is(await lease!.renew(), true);
    assert.is(await h.other.lease(`${h.realm}/duty`, 60_000), null);
    await h.advance(59_000);
    assert.is(await h.other.lease(`${h.realm}/duty`, 60_000), null);
  });

  keeps("renew() of a lease whose time is over is false, before another takes it and after", async (h) => {
    const lease = await h.database.lease(`${h.realm}/duty`, 0);
    assert.is(await lease!.renew(), false);
    assert.ok(await h.other.lease(`${h.realm}/duty`, 60_000));
    assert.is(await lease!.renew(), false);
  });

  keeps("release() frees the lease for others at once, and is repeatable", async (h) => {
    const lease = await h.database.lease(`${h.realm}/duty`, 60_000);
    await lease!.release();
    assert.is(await lease!.renew(), false);
    assert.ok(await h.other.lease(`${h.realm}/duty`, 60_000));
    await lease!.release();
    assert.is(await h.database.lease(`${h.realm}/duty`, 60_000), null);
  });

  keeps("release() of a lost lease leaves its new holder alone", async (h) => {
    const lost = await h.database.lease(`${h.realm}/duty`, 0);
    const held = await h.other.lease(`${h.realm}/duty`, 60_000);
    await lost!.release();
    assert.is(await held!.renew(), true);
    assert.is(await h.database.lease(`${h.realm}/duty`, 60_000), null);
  });
}

function keepsDeletions(keeps: Keeps<StoreHarness>): void {
  keeps("objectDeletions.due() returns keys once they were queued for the grace, until they are done", async (h) => {
    const keys = await queued(h);
    assert.equal(await ours(h, 60_000), []);
    assert.equal(await ours(h, 0), keys);
    await h.advance(61_000);
    assert.equal(await ours(h, 60_000), keys);
    await h.database.objectDeletions.done([keys[0]!]);
    assert.equal(await ours(h, 60_000), [keys[1]]);
  });

  keeps("objectDeletions.due() returns no more than `limit` keys", async (h) => {
    await queued(h);
    assert.is((await h.database.objectDeletions.due(0, 1)).length, 1);
  });

  keeps("objectDeletions.done() of keys that are not queued does nothing", async (h) => {
    const keys = await queued(h);
    await h.database.objectDeletions.done([]);
    await h.database.objectDeletions.done([`${h.realm}/unknown`]);
    assert.equal(await ours(h, 0), keys);
  });
}

function keepsReadiness(keeps: Keeps<StoreHarness>): void {
  keeps("ready() names the schema", async (h) => {
    const { ready, schema } = await h.database.ready();
    assert.is(ready, true);
    assert.type(schema, "string");
  });

  keeps("ready() does not throw when the database cannot be reached: it is not ready, and says why", async (h) => {
    await h.database.close();
    await h.database.close();
    const { ready, schema, reason } = await h.database.ready();
    assert.is(ready, false);
    assert.is(schema, null);
    assert.type(reason, "string");
  });
}

/** Queues two keys of the realm for deletion, in order. */
async function queued(h: StoreHarness): Promise<string[]> {
  const keys = [`${h.realm}/1`, `${h.realm}/2`];
  await appended(h, "s", { entries: keys.map((key) => entry("{}", { blob: blob(key) })) });
  await committed(h, { op: "journal.close", realm: h.realm, subject: "s" });
  for (let round = 0; !(await h.database.journal.remove(h.realm, "s", 1)); round += 1) assert.ok(round < 10);
  return keys;
}

/** The realm's keys among those that are due; a shared database has others. */
async function ours(h: StoreHarness, graceMs: number): Promise<string[]> {
  const due = await h.database.objectDeletions.due(graceMs, 100_000);
  return due.filter((key) => key.startsWith(`${h.realm}/`));
}
