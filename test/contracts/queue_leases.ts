/**
 * What every queue store promises of leases: whose job it is, for how long, and what becomes of one whose worker falls silent.
 */
import * as assert from "uvu/assert";
import type { TakenUp } from "../../core/ports/queue.ts";
import type { Keeps } from "../support/promises.ts";
import {
  ack,
  claim,
  claimed,
  claimOne,
  job,
  lease,
  listed,
  nack,
  push,
  read,
  stateOf,
} from "../support/queue_steps.ts";
import { type StoreHarness, untilNone } from "../support/store_harness.ts";

/** Registers the promises. */
export function keepsLeases(keeps: Keeps<StoreHarness>): void {
  keepsTokens(keeps);
  keepsAttempts(keeps);
  keepsTakingUp(keeps);
  keepsExtensions(keeps);
  keepsCancels(keeps);
}

function keepsTokens(keeps: Keeps<StoreHarness>): void {
  keeps("every claim has a token of its own: 32 hex digits, no two alike", async (h) => {
    await push(h, ...Array.from({ length: 50 }, (_, n) => job(n)));
    const tokens = (await claim(h)).map(({ leaseToken }) => leaseToken);
    for (const token of tokens) assert.match(token, /^[0-9a-f]{32}$/);
    assert.is(new Set(tokens).size, 50);
    // Random through and through: a UUID would have digits that never change.
    for (let at = 0; at < 32; at += 1) assert.ok(new Set(tokens.map((token) => token[at])).size > 4, `digit ${at}`);
  });

  keeps(
    "while a lease is good nobody else gets the job; when it is over the next claim does, under another token",
    async (h) => {
      await push(h, job(1), job(2));
      const first = await claimOne(h, 30_000);
      assert.equal(await claimed(h), ["2"]);
      await h.advance(20_000);
      assert.equal(await claimed(h), []);
      await h.advance(11_000);
      const second = await claimOne(h);
      assert.equal([second.id, second.attempt], [first.id, 2]);
      assert.is.not(second.leaseToken, first.leaseToken);
      assert.is((await read(h, first.id)).error, "The lease expired.");
    },
  );

  keeps("a token that is not the job's lease any more is refused, and nothing changes", async (h) => {
    await push(h, job(1));
    const first = await claimOne(h, 30_000);
    await h.advance(31_000);
    const second = await claimOne(h);
    const before = await read(h, first.id);
    assert.equal(await ack(h, first, "1"), { status: "stale" });
    assert.equal(await nack(h, first, { error: "late" }), { status: "stale" });
    const [extended] = await h.database.queue.extend(h.realm, "q", [{ ...lease(first), leaseMs: 1, progress: "9" }]);
    assert.equal(extended, { status: "stale" });
    assert.equal(await read(h, first.id), before);
    assert.is((await ack(h, second)).status, "acked");
    assert.equal(await ack(h, first), { status: "stale" });
    assert.equal(await nack(h, second), { status: "stale" });
  });

  keeps("a lease whose time is over is good until another claim takes the job up", async (h) => {
    await push(h, job(1), job(2));
    const [one, two] = await claim(h, 2, 30_000);
    await h.advance(31_000);
    const [extended] = await h.database.queue.extend(h.realm, "q", [{ ...lease(one!), leaseMs: 30_000 }]);
    assert.is(extended?.status, "extended");
    assert.is((await ack(h, two!)).status, "acked");
    assert.equal(await claimed(h), []);
    assert.is((await ack(h, one!)).status, "acked");
  });

  keeps("a job that has lost its lease comes before those that wait, at its priority", async (h) => {
    await push(h, job(1), job(2), job(3, { priority: 1 }));
    const [three, one] = await claim(h, 2, 30_000);
    assert.equal([three!.payload, one!.payload], ["3", "1"]);
    await ack(h, three!);
    await push(h, job(4, { priority: 1 }));
    await h.advance(31_000);
    assert.equal(await claimed(h), ["4", "1", "2"]);
  });
}

function keepsAttempts(keeps: Keeps<StoreHarness>): void {
  keeps(
    "attempts count when they begin: after exactly maxAttempts claims without an end the job is dead",
    async (h) => {
      const [pushed] = await push(h, job(1, { maxAttempts: 3 }));
      for (const attempt of [1, 2, 3]) {
        const running = await claimOne(h, 30_000);
        assert.is(running.attempt, attempt);
        assert.is((await read(h, pushed!.id)).attempt, attempt);
        await h.advance(31_000);
      }
      assert.is(await stateOf(h, pushed!.id), "running");
      assert.equal(await claimed(h), []);
      const dead = await read(h, pushed!.id);
      assert.equal([dead.state, dead.attempt, dead.error], ["dead", 3, "The lease expired."]);
      assert.is(
        (await h.database.queue.stats(h.realm, "q"))?.minutes.reduce((sum, { dead }) => sum + dead, 0),
        1,
      );
    },
  );

  keeps(
    "the last worker may still end the job until the claim that buries it; then its token is refused",
    async (h) => {
      await push(h, job(1, { maxAttempts: 1 }), job(2, { maxAttempts: 1 }));
      const [one, two] = await claim(h, 2, 30_000);
      await h.advance(31_000);
      assert.is((await ack(h, one!)).status, "acked");
      assert.equal(await claimed(h), []);
      assert.equal(await ack(h, two!), { status: "stale" });
      assert.equal(await nack(h, two!), { status: "stale" });
      assert.equal(await listed(h, "dead"), ["2"]);
    },
  );

  keeps("of many leases that end at once none is lost", async (h) => {
    await push(h, ...Array.from({ length: 450 }, (_, n) => job(n, { maxAttempts: n % 2 ? 1 : 2 })));
    for (let round = 0; round < 5; round += 1) assert.is((await claim(h, 90, 30_000)).length, 90);
    await h.advance(31_000);
    const again = [];
    for (let round = 0; round < 6; round += 1) again.push(...(await claim(h, 100)));
    assert.is(new Set(again.map(({ id }) => id)).size, 225);
    const { counts } = (await h.database.queue.stats(h.realm, "q"))!;
    assert.equal([counts.waiting, counts.running, counts.dead], [0, 225, 225]);
  });
}

/** Takes up whatever is late, and tells what it was in the queues of the harness. */
async function takeUpAll({ realm, database }: StoreHarness): Promise<TakenUp[]> {
  const ours: TakenUp[] = [];
  await untilNone(async () => {
    const found = await database.queue.takeUp(50);
    assert.ok(found.slice(0, -1).reduce((sum, { count }) => sum + count, 0) < 50, "it went on after its limit");
    ours.push(...found.filter((each) => each.realm.startsWith(realm)));
    return found.length;
  });
  return ours;
}

function keepsTakingUp(keeps: Keeps<StoreHarness>): void {
  keeps("what nobody claims any more moves on all the same: leases end, and jobs die or come due", async (h) => {
    const [one, two, three] = await push(h, job(1, { maxAttempts: 1 }), job(2), job(3));
    await push(h, job(4, { delayMs: 30_000 }), job(5, { delayMs: 90_000 }));
    const running = await claim(h, 3, 30_000);
    await h.database.queue.cancel(h.realm, "q", three!.id);
    assert.equal(await takeUpAll(h), []);
    await h.advance(31_000);
    const [taken, ...more] = await takeUpAll(h);
    assert.equal(more, []);
    assert.equal(
      { ...taken, ended: taken?.ended.sort() },
      { realm: h.realm, queue: "q", count: 4, ended: [one!.id, three!.id].sort() },
    );
    const dead = await read(h, one!.id);
    assert.equal([dead.state, dead.attempt, dead.error], ["dead", 1, "The lease expired."]);
    assert.equal([await stateOf(h, two!.id), await stateOf(h, three!.id)], ["waiting", "cancelled"]);
    assert.equal([await listed(h, "waiting"), await listed(h, "delayed")], [["2", "4"], ["5"]]);
    for (const each of running) assert.is((await ack(h, each)).status, "stale");
    assert.equal(await h.database.queue.redrive(h.realm, "q", [one!.id]), [one!.id]);
    assert.equal(await claimed(h), ["2", "4", "1"]);
  });

  keeps("however many queues have something late, paused ones too, all are gone through", async (h) => {
    for (let n = 0; n < 8; n += 1) {
      const at = { realm: `${h.realm}${n % 2}`, database: h.database, queue: `q${n}` };
      await push(
        at,
        ...Array.from({ length: 30 }, (_, i) => job(i, { maxAttempts: 1, ...(n < 4 && { group: `${i}` }) })),
      );
      await claim(at, 30, 30_000);
      if (n % 3 === 0) await h.database.queue.pause(at.realm, at.queue, true);
    }
    await h.advance(31_000);
    const taken = await takeUpAll(h);
    assert.equal(
      taken.map(({ queue, count, ended }) => [queue, count, ended.length]).sort(),
      Array.from({ length: 8 }, (_, n) => [`q${n}`, 30, 30]),
    );
    for (let n = 0; n < 8; n += 1)
      assert.is((await h.database.queue.stats(`${h.realm}${n % 2}`, `q${n}`))?.counts.dead, 30);
  });

  keeps("the next of a group comes when the one before it is taken up", async (h) => {
    const group = "g";
    await push(h, job(1, { group, maxAttempts: 1 }), job(2, { group }));
    await claimOne(h, 30_000);
    await h.advance(31_000);
    assert.is((await takeUpAll(h)).length, 1);
    assert.is((await h.database.queue.stats(h.realm, "q"))?.held, 0);
    assert.equal(await claimed(h), ["2"]);
  });
}

function keepsExtensions(keeps: Keeps<StoreHarness>): void {
  keeps("an extension makes the lease end that long from now, and another claim waits for it", async (h) => {
    await push(h, job(1));
    const running = await claimOne(h, 30_000);
    await h.advance(20_000);
    const [outcome] = await h.database.queue.extend(h.realm, "q", [{ ...lease(running), leaseMs: 30_000 }]);
    assert.ok(outcome?.status === "extended" && !outcome.cancelRequested);
    const later = outcome.leaseExpiresAt.getTime() - running.leaseExpiresAt.getTime();
    assert.ok(later >= 20_000 && later < 25_000, `${later}`);
    assert.equal((await read(h, running.id)).leaseExpiresAt, outcome.leaseExpiresAt);
    await h.advance(20_000);
    assert.equal(await claimed(h), []);
    await h.advance(11_000);
    assert.is((await claimOne(h)).id, running.id);
  });

  keeps("progress stands with the job, and leaves the lease as it is unless that is asked for", async (h) => {
    await push(h, job(1));
    const running = await claimOne(h, 30_000);
    const extend = (how: object) => h.database.queue.extend(h.realm, "q", [{ ...lease(running), ...how }]);
    const [noted] = await extend({ progress: '{"percent":40}' });
    assert.equal(noted, { status: "extended", leaseExpiresAt: running.leaseExpiresAt, cancelRequested: false });
    assert.is((await read(h, running.id)).progress, '{"percent":40}');
    await extend({ leaseMs: 90_000 });
    assert.is((await read(h, running.id)).progress, '{"percent":40}');
    await ack(h, running);
    assert.equal(await extend({ progress: "1" }), [{ status: "stale" }]);
    assert.equal(await h.database.queue.extend(h.realm, "q", [{ id: "99999999", token: running.leaseToken }]), [
      { status: "absent" },
    ]);
    assert.is((await read(h, running.id)).progress, '{"percent":40}');
  });
}

function keepsCancels(keeps: Keeps<StoreHarness>): void {
  const cancel = (h: StoreHarness, id: string) => h.database.queue.cancel(h.realm, "q", id);

  keeps("a job that waits and is cancelled is never claimed", async (h) => {
    const [one, two] = await push(h, job(1), job(2, { delayMs: 1_000 }));
    assert.equal(await cancel(h, one!.id), { status: "cancelled", released: false });
    assert.equal(await cancel(h, two!.id), { status: "cancelled", released: false });
    await h.advance(60_000);
    assert.equal(await claimed(h), []);
    assert.equal([await stateOf(h, one!.id), await stateOf(h, two!.id)], ["cancelled", "cancelled"]);
    assert.equal(await cancel(h, one!.id), { status: "ended", released: false });
    assert.equal(await cancel(h, "99999999"), { status: "absent", released: false });
    assert.equal(await cancel(h, "none"), { status: "absent", released: false });
  });

  keeps("the worker of a job that is to be cancelled learns of it, and may end it all the same", async (h) => {
    await push(h, job(1));
    const running = await claimOne(h);
    assert.equal(await cancel(h, running.id), { status: "requested", released: false });
    assert.is((await read(h, running.id)).cancelRequested, true);
    const [extended] = await h.database.queue.extend(h.realm, "q", [{ ...lease(running), progress: "1" }]);
    assert.ok(extended?.status === "extended" && extended.cancelRequested);
    assert.equal(await ack(h, running), { status: "acked", cancelRequested: true, released: false });
    assert.is(await stateOf(h, running.id), "done");
  });

  keeps("a job that is to be cancelled has no further attempt: given back or silent, it is cancelled", async (h) => {
    await push(h, job(1), job(2));
    const [one, two] = await claim(h, 2, 30_000);
    for (const { id } of [one!, two!]) await cancel(h, id);
    assert.equal(await nack(h, one!), { status: "cancelled", released: false });
    assert.equal(await nack(h, one!), { status: "already" });
    await h.advance(31_000);
    assert.equal(await claimed(h), []);
    assert.equal(await listed(h, "cancelled"), ["2", "1"]);
  });
}
