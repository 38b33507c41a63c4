/**
 * What every queue store promises an operator: redrive, purge, retention, forgetting a queue.
 */
import * as assert from "uvu/assert";
import type { Keeps } from "../support/promises.ts";
import {
  ack,
  claim,
  claimed,
  claimOne,
  job,
  listed,
  nack,
  push,
  pushKeyed,
  read,
  stateOf,
} from "../support/queue_steps.ts";
import { type StoreHarness, untilNone } from "../support/store_harness.ts";

/** Registers the promises. */
export function keepsUpkeep(keeps: Keeps<StoreHarness>): void {
  keepsRedrives(keeps);
  keepsPurges(keeps);
  keepsRetention(keeps);
  keepsRemoval(keeps);
}

/** Pushes jobs and lets them die, in this order. */
async function bury(h: StoreHarness, ...numbers: number[]): Promise<string[]> {
  const ids: string[] = [];
  for (const n of numbers) {
    await push(h, job(n, { priority: 100 }));
    const running = await claimOne(h);
    await nack(h, running, { final: true, error: "dead" });
    ids.push(running.id);
  }
  return ids;
}

function keepsRedrives(keeps: Keeps<StoreHarness>): void {
  keeps("redrive brings dead jobs back as they were pushed, in the order named, behind those that wait", async (h) => {
    const [one, two, three] = await bury(h, 1, 2, 3);
    const [waiting] = await push(h, job(4, { priority: 100 }));
    const done = await h.database.queue.redrive(h.realm, "q", [three!, waiting!.id, "777777", one!, three!, "no id"]);
    assert.equal(done, [three, one]);
    const back = await read(h, three!);
    assert.equal([back.state, back.attempt, back.error, back.finishedAt, back.redrives], ["waiting", 0, null, null, 1]);
    assert.equal(await claimed(h), ["4", "3", "1"]);
    assert.is(await stateOf(h, two!), "dead");
  });

  keeps("redrive may give the jobs another payload", async (h) => {
    const [one] = await bury(h, 1);
    await h.database.queue.redrive(h.realm, "q", [one!], '"mended"');
    const running = await claimOne(h);
    assert.equal([running.id, running.payload, running.attempt], [one, '"mended"', 1]);
  });

  keeps("redriveAll brings back up to its limit, those that died first", async (h) => {
    await bury(h, 1, 2, 3, 4, 5);
    assert.is(await h.database.queue.redriveAll(h.realm, "q", 2), 2);
    assert.equal(
      [await claimed(h), await listed(h, "dead")],
      [
        ["1", "2"],
        ["5", "4", "3"],
      ],
    );
    assert.is(await h.database.queue.redriveAll(h.realm, "q", 100), 3);
    assert.is(await h.database.queue.redriveAll(h.realm, "q", 100), 0);
  });

  keeps("a dead job is brought back once, however many ask", async (h) => {
    const [one] = await bury(h, 1);
    const asked = await Promise.all(
      Array.from({ length: 10 }, (_, n) => (n % 2 ? h.database : h.other).queue.redrive(h.realm, "q", [one!])),
    );
    assert.is(asked.flat().length, 1);
    assert.equal(await claimed(h), ["1"]);
  });
}

function keepsPurges(keeps: Keeps<StoreHarness>): void {
  keeps("purge removes jobs of one state without a trace, in batches, and leaves the others", async (h) => {
    const pushed = await push(h, ...Array.from({ length: 5 }, (_, n) => job(n)), job(9, { delayMs: 9_000 }));
    const running = await claim(h, 2);
    assert.is(await h.database.queue.purge(h.realm, "q", "waiting", 2), 2);
    assert.is(await h.database.queue.purge(h.realm, "q", "waiting", 2), 1);
    assert.is(await h.database.queue.purge(h.realm, "q", "waiting", 2), 0);
    assert.is(await stateOf(h, pushed[4]!.id), null);
    assert.is(await h.database.queue.purge(h.realm, "q", "delayed", 9), 1);
    assert.is((await ack(h, running[0]!)).status, "acked");
    assert.is(await h.database.queue.purge(h.realm, "q", "done", 9), 1);
    assert.is(await stateOf(h, running[0]!.id), null);
    assert.is(await h.database.queue.purge(h.realm, "q", "running", 9), 1);
    assert.equal(await ack(h, running[1]!), { status: "absent" });
    assert.equal(await claimed(h), []);
  });

  keeps("purge of those that wait takes those held back too, and leaves no place or key taken", async (h) => {
    const group = "g";
    await push(h, job(1, { group }), job(2, { group }), job(3, { group, dedup: { key: "k", mode: "drop" } }));
    assert.is(await h.database.queue.purge(h.realm, "q", "waiting", 9), 3);
    assert.is((await push(h, job(4, { group, dedup: { key: "k", mode: "drop" } })))[0]!.deduplicated, null);
    await push(h, job(5, { group }));
    assert.equal(await claimed(h), ["4"]);
  });

  keeps("purge empties dead and cancelled jobs", async (h) => {
    await bury(h, 1, 2);
    const [waiting] = await push(h, job(3));
    await h.database.queue.cancel(h.realm, "q", waiting!.id);
    assert.is(await h.database.queue.purge(h.realm, "q", "dead", 1), 1);
    assert.equal([await listed(h, "dead"), await listed(h, "cancelled")], [["2"], ["3"]]);
    assert.is(await h.database.queue.purge(h.realm, "q", "dead", 9), 1);
    assert.is(await h.database.queue.purge(h.realm, "q", "cancelled", 9), 1);
  });
}

function keepsRetention(keeps: Keeps<StoreHarness>): void {
  keeps("ended jobs are kept for the retention of their queue and not longer, dead ones by their own", async (h) => {
    await h.database.queue.configure(h.realm, "q", { doneRetentionMs: 60_000, deadRetentionMs: 180_000 });
    const [dead] = await bury(h, 1);
    const [done, cancelled, waiting] = await push(h, job(2), job(3), job(4));
    await h.database.queue.cancel(h.realm, "q", cancelled!.id);
    const running = await claimOne(h);
    await ack(h, running);
    await untilNone(() => h.database.queue.expire(1_000));
    assert.is(await stateOf(h, done!.id), "done");
    await h.advance(61_000);
    assert.equal(await ack(h, running), { status: "already" });
    await untilNone(() => h.database.queue.expire(1_000));
    assert.equal([await stateOf(h, done!.id), await stateOf(h, cancelled!.id)], [null, null]);
    assert.equal(await ack(h, running), { status: "absent" });
    assert.is(await stateOf(h, dead!), "dead");
    await h.advance(120_000);
    await untilNone(() => h.database.queue.expire(1_000));
    assert.equal([await stateOf(h, dead!), await stateOf(h, waiting!.id)], [null, "waiting"]);
  });

  keeps("expire removes at most its limit", async (h) => {
    await h.database.queue.configure(h.realm, "q", { doneRetentionMs: 0 });
    await push(h, job(1), job(2), job(3));
    for (const each of await claim(h)) await ack(h, each);
    await h.advance(1_000);
    const gone = await h.database.queue.expire(2);
    assert.ok(gone > 0 && gone <= 2, `${gone} went`);
    await untilNone(() => h.database.queue.expire(2));
    assert.equal(await listed(h, "done"), []);
  });
}

function keepsRemoval(keeps: Keeps<StoreHarness>): void {
  const remove = (h: StoreHarness) => h.database.queue.remove(h.realm, "q");

  keeps("a queue is forgotten only when nothing is left of it", async (h) => {
    assert.is(await remove(h), true);
    await push(h, job(1), job(2, { delayMs: 1_000_000 }));
    assert.is(await remove(h), false);
    const running = await claimOne(h);
    await h.database.queue.purge(h.realm, "q", "delayed", 9);
    assert.is(await remove(h), false);
    await ack(h, running);
    assert.is(await remove(h), false);
    await h.database.queue.purge(h.realm, "q", "done", 9);
    assert.is(await remove(h), true);
    assert.equal(
      [await h.database.queue.info(h.realm, "q"), await h.database.queue.queues(h.realm, "", 9)],
      [null, []],
    );
  });

  keeps("a queue that comes again has nothing of the one before: settings, windows, figures", async (h) => {
    await h.database.queue.configure(h.realm, "q", { maxAttempts: 1 });
    const dedup = { key: "k", mode: "drop", windowMs: 1_000_000 } as const;
    await pushKeyed(h, 1, dedup);
    await h.database.queue.purge(h.realm, "q", "waiting", 9);
    assert.is((await pushKeyed(h, 2, dedup)).deduplicated, "dropped");
    assert.is(await remove(h), true);
    assert.is((await pushKeyed(h, 3, dedup)).deduplicated, null);
    assert.is((await claimOne(h)).maxAttempts, 5);
    const { minutes } = (await h.database.queue.stats(h.realm, "q"))!;
    assert.is(
      minutes.reduce((sum, { pushed }) => sum + pushed, 0),
      1,
    );
  });

  keeps("no push is lost to a removal at the same time", async (h) => {
    for (let round = 0; round < 10; round += 1) {
      const at = { realm: h.realm, database: h.database, queue: `r${round}` };
      await h.database.queue.configure(h.realm, at.queue, {});
      const [, [pushed]] = await Promise.all([
        h.other.queue.remove(h.realm, at.queue),
        push(at, job(round)),
        h.other.queue.remove(h.realm, at.queue),
      ]);
      assert.equal(
        (await claim(at)).map(({ id }) => id),
        [pushed!.id],
      );
    }
  });
}
