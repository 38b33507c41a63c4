/**
 * What every queue store promises of groups: order and a limit within each, and that none stands in another's way.
 */
import * as assert from "uvu/assert";
import type { ClaimedJob } from "../../core/ports/queue.ts";
import type { Keeps } from "../support/promises.ts";
import { ack, claim, claimed, claimOne, job, listed, nack, push, read } from "../support/queue_steps.ts";
import type { StoreHarness } from "../support/store_harness.ts";

/** Registers the promises. */
export function keepsGroups(keeps: Keeps<StoreHarness>): void {
  keepsOrder(keeps);
  keepsLimits(keeps);
  keepsComings(keeps);
}

function keepsOrder(keeps: Keeps<StoreHarness>): void {
  keeps("jobs of a group come one at a time, in the order of the pushes, whatever their priority", async (h) => {
    await push(h, job(1, { group: "a" }), job(2, { group: "a", priority: 9 }), job(3, { group: "a" }));
    for (const payload of ["1", "2", "3"]) {
      const running = await claimOne(h);
      assert.is(running.payload, payload);
      assert.is(running.group, "a");
      assert.equal(await claimed(h), []);
      assert.equal(await ack(h, running), { status: "acked", cancelRequested: false, released: payload !== "3" });
    }
    assert.equal(await claimed(h), []);
  });

  keeps("a claim that comes with acknowledgements gets what they let go, and tells of each of them", async (h) => {
    await push(h, job(1, { group: "a" }), job(2, { group: "a" }), job(3));
    const [one, other] = await claim(h, 2);
    const { realm, database } = h;
    const acks = [one!, other!, { ...other!, id: "77" }].map(({ id, leaseToken: token }) => ({ id, token }));
    const both = await database.queue.ackAndClaim(realm, "q", acks, { limit: 5, leaseMs: 60_000 });
    assert.equal(
      both.acks.map(({ status }) => status),
      ["acked", "acked", "absent"],
    );
    assert.equal(
      both.claimed.jobs.map(({ payload, attempt }) => [payload, attempt]),
      [["2", 1]],
    );
    const [{ id, leaseToken: token }] = both.claimed.jobs as [ClaimedJob];
    const again = [
      { id, token },
      { id, token },
      { id: one!.id, token },
    ];
    const last = await database.queue.ackAndClaim(realm, "q", again, { limit: 1, leaseMs: 60_000 });
    assert.equal(
      last.acks.map(({ status }) => status),
      ["acked", "already", "stale"],
    );
    assert.equal(last.claimed.jobs, []);
    const nowhere = await database.queue.ackAndClaim(realm, "none", again.slice(0, 1), { limit: 1, leaseMs: 1_000 });
    assert.equal([nowhere.acks, nowhere.claimed.jobs], [[{ status: "absent" }], []]);
  });

  keeps("a group that is busy does not hold up the others, nor jobs without one", async (h) => {
    const many = Array.from({ length: 150 }, (_, n) => job(n, { group: "a", priority: 5 }));
    await push(h, ...many, job(200, { group: "b" }), job(201), job(202, { group: "c" }), job(203, { group: "b" }));
    assert.equal(await claimed(h, 3), ["0", "200", "201"]);
    assert.equal(await claimed(h, 100), ["202"]);
  });

  keeps("a job that is to be tried again keeps its place: its group waits for it", async (h) => {
    await push(h, job(1, { group: "a" }), job(2, { group: "a" }));
    assert.is((await nack(h, await claimOne(h), { delayMs: 30_000 })).status, "retried");
    assert.equal(await claimed(h), []);
    await h.advance(31_000);
    const again = await claimOne(h, 30_000);
    assert.equal([again.payload, again.attempt], ["1", 2]);
    await h.advance(31_000);
    const third = await claimOne(h);
    assert.equal([third.payload, third.attempt], ["1", 3]);
    await ack(h, third);
    assert.equal(await claimed(h), ["2"]);
  });

  keeps("however a job ends, the next of its group comes", async (h) => {
    const group = "a";
    await push(
      h,
      job(1, { group }),
      job(2, { group, maxAttempts: 1 }),
      job(3, { group }),
      job(4, { group }),
      job(5, { group }),
    );
    const [waiting] = (await h.database.queue.list(h.realm, "q", "waiting", { after: null, limit: 1 })).jobs;
    assert.equal(await h.database.queue.cancel(h.realm, "q", waiting!.id), { status: "cancelled", released: true });
    await claimOne(h, 30_000);
    await h.advance(31_000);
    const three = await claimOne(h);
    assert.is(three.payload, "3");
    assert.equal(await nack(h, three, { final: true }), { status: "dead", released: true });
    assert.is(await h.database.queue.purge(h.realm, "q", "waiting", 1), 1);
    assert.equal(await claimed(h), ["5"]);
    assert.is(await h.database.queue.purge(h.realm, "q", "running", 10), 1);
    await push(h, job(6, { group }));
    assert.equal(await claimed(h), ["6"]);
  });

  keeps("groups are a queue's own", async (h) => {
    const other = { realm: h.realm, database: h.database, queue: "other" };
    await push(h, job(1, { group: "a" }));
    await push(other, job(2, { group: "a" }));
    assert.equal([await claimed(h), await claimed(other)], [["1"], ["2"]]);
  });
}

const limit = (h: StoreHarness, groupConcurrency: number) =>
  h.database.queue.configure(h.realm, "q", { groupConcurrency });

function keepsLimits(keeps: Keeps<StoreHarness>): void {
  keeps("a queue's setting lets that many of each group run at once", async (h) => {
    await h.database.queue.configure(h.realm, "q", { groupConcurrency: 3 });
    const jobs = Array.from({ length: 5 }, (_, n) => [job(n, { group: "a" }), job(n + 10, { group: "b" })]).flat();
    await push(h, ...jobs);
    const running = await claim(h);
    assert.equal(
      running.map(({ payload }) => payload),
      ["0", "10", "1", "11", "2", "12"],
    );
    await ack(h, running[0]!);
    await ack(h, running[2]!);
    assert.equal(await claimed(h), ["3", "4"]);
  });

  keeps("a setting that is raised lets more of every group come at once", async (h) => {
    await limit(h, 1);
    await push(h, ...[0, 1, 2, 3].flatMap((n) => [job(n, { group: "a" }), job(n + 10, { group: "b" })]));
    await claimOne(h);
    await limit(h, 2);
    assert.equal(await claimed(h), ["10", "1", "11"]);
    await limit(h, 4);
    assert.equal(await claimed(h), ["2", "12", "3", "13"]);
  });

  keeps("a setting that is lowered holds at once: the earliest keep their places, and what runs goes on", async (h) => {
    await limit(h, 3);
    await push(
      h,
      ...[0, 1, 2, 3].map((n) => job(n, { group: "a" })),
      ...[10, 11, 12].map((n) => job(n, { group: "b" })),
    );
    const [first] = await claim(h, 1);
    await limit(h, 1);
    assert.equal(await listed(h, "waiting"), ["10", "1", "2", "3", "11", "12"]);
    assert.is((await h.database.queue.stats(h.realm, "q"))?.held, 5);
    const [other, ...rest] = await claim(h);
    assert.equal([other?.payload, rest.length], ["10", 0]);
    await ack(h, first!);
    const second = await claimOne(h);
    assert.is(second.payload, "1");
    await limit(h, 3);
    assert.equal(await claimed(h), ["2", "3", "11", "12"]);
    await limit(h, 1);
    await ack(h, second);
    assert.equal(await claimed(h), []);
  });

  keeps("where more run than a lowered setting lets, the next comes when enough have ended", async (h) => {
    await limit(h, 3);
    await push(h, ...[0, 1, 2, 3].map((n) => job(n, { group: "a" })));
    const running = await claim(h);
    assert.is(running.length, 3);
    await limit(h, 1);
    for (const each of running) {
      assert.equal(await claimed(h), []);
      assert.is((await ack(h, each)).status, "acked");
    }
    assert.equal(await claimed(h), ["3"]);
  });

  keeps("a job that rests before its next attempt has its place only while the setting has room for it", async (h) => {
    await limit(h, 2);
    await push(h, job(1, { group: "a" }), job(2, { group: "a" }), job(3, { group: "a" }));
    const [one, two] = await claim(h, 2);
    await nack(h, one!, { delayMs: 30_000 });
    await limit(h, 1);
    await h.advance(31_000);
    assert.equal(await claimed(h), []);
    await ack(h, two!);
    assert.equal(await claimed(h), ["3"]);
    await push(h, job(4, { group: "b" }), job(5, { group: "b" }));
    await nack(h, await claimOne(h), { delayMs: 30_000 });
    await limit(h, 1);
    assert.equal(await claimed(h), []);
    await limit(h, 2);
    await h.advance(31_000);
    assert.equal((await claimed(h)).sort(), ["1", "4", "5"]);
  });

  keeps(
    "never more of a group than its limit run, whoever pushes, claims and acknowledges at the same time",
    async (h) => {
      const database = [h.database, h.other];
      let running = 0;
      let most = 0;
      const order: number[] = [];
      const work = async (n: number) => {
        const at = { realm: h.realm, database: database[n % 2]! };
        for (let idle = 0; idle < 4; ) {
          const [one] = await claim(at, 1);
          idle = one ? 0 : idle + 1;
          if (!one) continue;
          running += 1;
          most = Math.max(most, running);
          order.push(Number(one.payload));
          await at.database.queue.get(h.realm, "q", one.id);
          running -= 1;
          await ack(at, one);
        }
      };
      await push(h, ...Array.from({ length: 20 }, (_, n) => job(n, { group: "a" })));
      const pushing = Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          push({ realm: h.realm, database: database[n % 2]! }, job(20 + n, { group: "a" })),
        ),
      );
      await Promise.all(Array.from({ length: 6 }, (_, n) => work(n)));
      await pushing;
      await work(0);
      assert.is(most, 1);
      assert.is(order.length, 40);
      assert.equal(
        order.slice(0, 20),
        Array.from({ length: 20 }, (_, n) => n),
      );
    },
  );
}

function keepsComings(keeps: Keeps<StoreHarness>): void {
  keeps("a delayed job joins its group when its time comes, and holds nobody up before", async (h) => {
    const group = "a";
    await push(h, job(1, { group, delayMs: 30_000 }), job(2, { group }));
    await ack(h, await claimOne(h));
    await push(h, job(3, { group }), job(4, { group }));
    const three = await claimOne(h);
    await h.advance(31_000);
    assert.equal(await claimed(h), []);
    assert.equal(await listed(h, "waiting"), ["4", "1"]);
    await ack(h, three);
    await ack(h, await claimOne(h));
    assert.equal(await claimed(h), ["1"]);
  });

  keeps("those held back count as waiting, after those that may be claimed", async (h) => {
    await push(h, job(1, { group: "a" }), job(2, { group: "a" }), job(3, { group: "a" }), job(4));
    assert.equal(await listed(h, "waiting"), ["1", "4", "2", "3"]);
    const { counts, held } = (await h.database.queue.stats(h.realm, "q"))!;
    assert.equal([counts.waiting, held], [4, 2]);
  });

  keeps("a job brought back from the dead waits behind its group", async (h) => {
    const group = "a";
    const [first] = await push(h, job(1, { group }), job(2, { group }), job(3, { group }));
    await nack(h, await claimOne(h), { final: true });
    assert.equal(await h.database.queue.redrive(h.realm, "q", [first!.id]), [first!.id]);
    for (const payload of ["2", "3", "1"]) {
      const running = await claimOne(h);
      assert.is(running.payload, payload);
      await ack(h, running);
    }
    assert.is((await read(h, first!.id)).redrives, 1);
  });
}
