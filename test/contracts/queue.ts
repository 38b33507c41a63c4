/**
 * What every queue store promises. This file: pushing, claiming, leases and settling; its neighbours have groups and keys, upkeep and schedules.
 */
import * as assert from "uvu/assert";
import type { NewJob } from "../../core/ports/queue.ts";
import { type Keeps, promises } from "../support/promises.ts";
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
import { committed, type OpenStore, refusal, type StoreHarness } from "../support/store_harness.ts";
import { keepsDedup } from "./queue_dedup.ts";
import { keepsGroups } from "./queue_groups.ts";
import { keepsLeases } from "./queue_leases.ts";
import { keepsSchedules } from "./queue_schedules.ts";
import { keepsUpkeep } from "./queue_upkeep.ts";
import { keepsViews } from "./queue_views.ts";

/** Runs the queue's contract over the database that `open` opens. */
export function queueContract(name: string, open: OpenStore): void {
  promises(`queue, ${name}`, open, (keeps) => {
    keepsPushes(keeps);
    keepsUnits(keeps);
    keepsClaims(keeps);
    keepsLeases(keeps);
    keepsSettlements(keeps);
    keepsGroups(keeps);
    keepsDedup(keeps);
    keepsViews(keeps);
    keepsUpkeep(keeps);
    keepsSchedules(keeps);
  });
}

function keepsPushes(keeps: Keeps<StoreHarness>): void {
  keeps("push tells each job's id, state and time, in the order given; ids are names of their own", async (h) => {
    const pushed = await push(h, job(1), job(2, { delayMs: 60_000 }), job(3, { priority: 9 }));
    assert.equal(
      pushed.map(({ state, deduplicated }) => [state, deduplicated]),
      [
        ["waiting", null],
        ["delayed", null],
        ["waiting", null],
      ],
    );
    assert.is(new Set(pushed.map(({ id }) => id)).size, 3);
    assert.is(pushed[1]!.visibleAt.getTime() - pushed[0]!.visibleAt.getTime(), 60_000);
    for (const [index, { id }] of pushed.entries()) assert.is((await read(h, id)).payload, `${index + 1}`);
  });

  keeps("a payload is returned as it was pushed, whatever the text", async (h) => {
    const payloads = [
      "{}",
      ' {"a" : 1.0e2}',
      '"é 漢字 😀 \\u0000 \\ud800 \' $1 \\\\x00 , {} NULL"',
      '"'.concat("x ".repeat(50_000), '"'),
    ];
    await push(h, ...payloads.map((payload) => ({ payload })));
    assert.equal(await claimed(h), payloads);
  });

  keeps("a job has what it was pushed with, and the queue's defaults for the rest", async (h) => {
    const more: NewJob = { payload: "1", priority: -3, group: "g'\"{},é", maxAttempts: 7 };
    const [named, plain] = await push(h, more, job(2));
    const read1 = await read(h, named!.id);
    assert.equal([read1.priority, read1.group, read1.maxAttempts], [-3, "g'\"{},é", 7]);
    assert.equal(await read(h, plain!.id), {
      id: plain!.id,
      state: "waiting",
      payload: "2",
      priority: 0,
      group: null,
      dedupKey: null,
      attempt: 0,
      maxAttempts: 5,
      createdAt: read1.createdAt,
      visibleAt: plain!.visibleAt,
      claimedAt: null,
      leaseExpiresAt: null,
      finishedAt: null,
      error: null,
      progress: null,
      result: null,
      cancelRequested: false,
      redrives: 0,
    });
  });

  keeps("pushes at the same time all take effect, each with its own outcome", async (h) => {
    const pushes = await Promise.all(Array.from({ length: 40 }, (_, n) => push(h, job(n), job(n + 100))));
    for (const [n, [first, second]] of pushes.entries()) {
      assert.is((await read(h, first!.id)).payload, `${n}`);
      assert.is((await read(h, second!.id)).payload, `${n + 100}`);
    }
    assert.is((await claim(h)).length, 80);
  });

  keeps("queues and realms are apart, whatever their names", async (h) => {
    const elsewhere = { realm: `${h.realm}_2`, database: h.database };
    await push(h, job(1));
    await push({ ...h, database: h.database, queue: "Q" }, job(2));
    await push(elsewhere, job(3));
    assert.equal(await claimed(elsewhere), ["3"]);
    const mine = await claimOne(h);
    assert.is(mine.payload, "1");
    const other = { ...h, database: h.database, queue: "Q" };
    assert.equal(await ack(other, mine), { status: "absent" });
    assert.equal(await h.database.queue.get(h.realm, "Q", mine.id), null);
    assert.equal(await claimed(other), ["2"]);
  });
}

function keepsUnits(keeps: Keeps<StoreHarness>): void {
  const pushing = (h: StoreHarness, ...jobs: NewJob[]) =>
    ({ op: "queue.push", realm: h.realm, queue: "q", jobs }) as const;
  const put = (h: StoreHarness, ifVersion?: number) =>
    ({
      op: "document.put",
      realm: h.realm,
      collection: "c",
      id: "a",
      body: {},
      ...(ifVersion !== undefined && { ifVersion }),
    }) as const;

  keeps("a unit pushes along with what else it does", async (h) => {
    const outcomes = await committed(h, pushing(h, job(1)), put(h), pushing(h, job(2), job(3)));
    assert.equal(
      outcomes.map(({ status }) => status),
      ["pushed", "put", "pushed"],
    );
    const ids = outcomes.flatMap((outcome) => (outcome.status === "pushed" ? outcome.jobs.map(({ id }) => id) : []));
    assert.equal(
      (await claim(h)).map(({ id }) => id),
      ids,
    );
  });

  keeps("a unit that is refused pushes nothing, and leaves keys and groups as they were", async (h) => {
    const dedup = { key: "k", mode: "replace" } as const;
    const [first] = await push(h, job(1, { dedup }), job(2, { group: "g" }));
    const refused = await refusal(
      h,
      pushing(h, job(3, { dedup }), job(4, { group: "g" }), job(5, { group: "new" }), job(6)),
      put(h, 7),
    );
    assert.is(refused.outcome.status, "stale");
    assert.is((await read(h, first!.id)).payload, "1");
    assert.equal(await claimed(h), ["1", "2"]);
    await push(h, job(7, { group: "new" }));
    assert.equal(await claimed(h), ["7"]);
  });
}

function keepsClaims(keeps: Keeps<StoreHarness>): void {
  keeps("claim gives higher priority first, then the order of the pushes, up to its limit", async (h) => {
    await push(h, job(1), job(2, { priority: -1 }), job(3, { priority: 5 }));
    await push(h, job(4, { priority: 5 }), job(5), job(6, { priority: 32_767 }), job(7, { priority: -32_768 }));
    assert.equal(await claimed(h, 3), ["6", "3", "4"]);
    assert.equal(await claimed(h, 100), ["1", "5", "2", "7"]);
    assert.equal(await claimed(h), []);
  });

  keeps("claims at the same time get different jobs, all of them", async (h) => {
    await push(h, ...Array.from({ length: 200 }, (_, n) => job(n)));
    const claims = await Promise.all(
      Array.from({ length: 30 }, (_, n) => claim(n % 2 ? h : { realm: h.realm, database: h.other }, 10)),
    );
    const ids = claims.flat().map(({ id }) => id);
    assert.is(ids.length, 200);
    assert.is(new Set(ids).size, 200);
    for (const own of claims) assert.ok(own.length <= 10);
  });

  keeps("a claim never gets more than its limit, whatever the size of the queue", async (h) => {
    await push(h, ...Array.from({ length: 500 }, (_, n) => job(n)));
    for (const limit of [1, 7, 100]) assert.is((await claim(h, limit)).length, limit);
    assert.is((await h.database.queue.stats(h.realm, "q"))?.counts.running, 108);
  });

  keeps("a claim says when there may be a job, if there is none now", async (h) => {
    const due = async () => (await h.database.queue.claim(h.realm, "q", { limit: 1, leaseMs: 40_000 })).dueInMs;
    assert.is(await due(), null);
    await h.database.queue.configure(h.realm, "q", {});
    assert.is(await due(), null);
    await push(h, job(1, { delayMs: 50_000 }));
    const untilDue = (await due())!;
    assert.ok(untilDue > 30_000 && untilDue <= 50_000, `${untilDue}`);
    await push(h, job(2));
    assert.is(await due(), null);
    const untilExpiry = (await due())!;
    assert.ok(untilExpiry > 20_000 && untilExpiry <= 40_000, `${untilExpiry}`);
  });

  keeps("a delayed job comes at its time, behind what waits already", async (h) => {
    await push(h, job(1, { delayMs: 60_000 }));
    const { createdAt } = await read(h, (await push(h, job(2)))[0]!.id);
    await push(h, job(3, { visibleAt: new Date(createdAt.getTime() + 30_000) }));
    await push(h, job(4, { visibleAt: new Date(createdAt.getTime() - 30_000) }));
    assert.equal(await claimed(h), ["2", "4"]);
    await h.advance(31_000);
    assert.equal(await claimed(h), ["3"]);
    await push(h, job(5));
    await h.advance(30_000);
    assert.equal(await claimed(h), ["5", "1"]);
  });

  keeps(
    "a paused queue takes jobs and gives none, and all that was claimed goes on; resumed it gives them",
    async (h) => {
      assert.is(await h.database.queue.pause(h.realm, "q", true), false);
      await push(h, job(1), job(2));
      const running = await claimOne(h);
      assert.is(await h.database.queue.pause(h.realm, "q", true), true);
      await push(h, job(3));
      assert.equal(await claimed({ realm: h.realm, database: h.other }), []);
      assert.is((await ack(h, running)).status, "acked");
      assert.is((await h.database.queue.info(h.realm, "q"))?.paused, true);
      await h.database.queue.pause(h.realm, "q", false);
      assert.equal(await claimed(h), ["2", "3"]);
    },
  );
}

function keepsSettlements(keeps: Keeps<StoreHarness>): void {
  keeps("an ack ends the job as done, with its result, and the same ack again is fine", async (h) => {
    await push(h, job(1));
    const running = await claimOne(h);
    assert.equal(await ack(h, running, '{"ok":true}'), { status: "acked", cancelRequested: false, released: false });
    assert.equal(await ack(h, running), { status: "already" });
    const done = await read(h, running.id);
    assert.equal([done.state, done.result, done.attempt, done.leaseExpiresAt], ["done", '{"ok":true}', 1, null]);
    assert.ok(done.finishedAt! >= done.claimedAt! && done.claimedAt! >= done.createdAt);
    assert.equal(await claimed(h), []);
  });

  keeps("each ack of a call has its own outcome, and a bad one leaves the others alone", async (h) => {
    await push(h, job(1), job(2), job(3));
    const [one, two, three] = (await claim(h)).map(lease);
    const outcomes = await h.database.queue.ack(h.realm, "q", [
      one!,
      { ...two!, token: three!.token },
      one!,
      { id: "99999999", token: one!.token },
      { id: "no id", token: "" },
      { ...two!, token: "no token" },
      three!,
    ]);
    assert.equal(
      outcomes.map(({ status }) => status),
      ["acked", "stale", "already", "absent", "absent", "stale", "acked"],
    );
    assert.is(await stateOf(h, two!.id), "running");
  });

  keeps("a job can be acknowledged once, however many try at the same time", async (h) => {
    await push(h, job(1));
    const running = await claimOne(h);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ack(n % 2 ? h : { realm: h.realm, database: h.other }, running)),
    );
    assert.is(outcomes.filter(({ status }) => status === "acked").length, 1);
    assert.is(outcomes.filter(({ status }) => status === "already").length, 19);
  });

  keeps(
    "a job given back waits again behind the others, with what went wrong; the same nack again is fine",
    async (h) => {
      await push(h, job(1), job(2));
      const running = await claimOne(h);
      const outcome = await nack(h, running, { delayMs: 0, error: "no luck" });
      assert.ok(outcome.status === "retried" && outcome.attempt === 1 && outcome.maxAttempts === 5);
      assert.equal(await nack(h, running, { delayMs: 0 }), { status: "already" });
      assert.equal(await ack(h, running), { status: "stale" });
      const back = await read(h, running.id);
      assert.equal([back.state, back.error, back.attempt, back.leaseExpiresAt], ["waiting", "no luck", 1, null]);
      const again = await claim(h);
      assert.equal(
        again.map(({ payload, attempt }) => [payload, attempt]),
        [
          ["2", 1],
          ["1", 2],
        ],
      );
      assert.equal(await nack(h, running), { status: "stale" });
    },
  );

  keeps(
    "without a delay of its own a job rests longer after each attempt: by its own backoff, or else the queue's",
    async (h) => {
      const own = { delayMs: 3_000, factor: 3, mostMs: 10_000, jitter: 0 };
      await h.database.queue.configure(h.realm, "q", { backoff: { ...own, delayMs: 1_000, factor: 2 } });
      await push(h, job(1), job(2, { backoff: own }));
      for (const rests of [
        [1_000, 3_000],
        [2_000, 9_000],
        [4_000, 10_000],
      ]) {
        const running = (await claim(h)).sort((left, right) => Number(left.payload) - Number(right.payload));
        assert.is(running.length, 2);
        for (const [index, each] of running.entries()) {
          assert.is((await nack(h, each)).status, "retried");
          const { visibleAt, state } = await read(h, each.id);
          const rest = visibleAt.getTime() - each.leaseExpiresAt.getTime() + 60_000;
          assert.is(state, "delayed");
          assert.ok(rest >= rests[index]! && rest < rests[index]! + 900, `${rest} for ${rests[index]}`);
        }
        await h.advance(12_000);
      }
    },
  );

  keeps("jitter shortens a rest, by no more than it says", async (h) => {
    const backoff = { delayMs: 1_000_000, factor: 1, mostMs: 10_000_000, jitter: 0.5 };
    await push(h, ...Array.from({ length: 40 }, (_, n) => job(n, { backoff })));
    const running = await claim(h);
    const outcomes = await h.database.queue.nack(h.realm, "q", running.map(lease));
    const rests = outcomes.map((outcome, index) => {
      assert.is(outcome.status, "retried");
      const at = outcome.status === "retried" ? outcome.visibleAt.getTime() : 0;
      return at - running[index]!.leaseExpiresAt.getTime() + 60_000;
    });
    for (const rest of rests) assert.ok(rest >= 500_000 && rest < 1_003_000, `${rest}`);
    assert.ok(Math.max(...rests) - Math.min(...rests) > 50_000, "they all rest alike");
  });

  keeps("a nack after the last attempt, or a final one, makes the job dead", async (h) => {
    await push(h, job(1, { maxAttempts: 2 }), job(2));
    const [one, two] = await claim(h);
    assert.equal(await nack(h, two!, { final: true, error: "hopeless" }), { status: "dead", released: false });
    assert.is((await nack(h, one!, { delayMs: 0 })).status, "retried");
    const last = await claimOne(h);
    assert.equal([last.attempt, last.maxAttempts], [2, 2]);
    assert.equal(await nack(h, last, { delayMs: 0, error: "again" }), { status: "dead", released: false });
    assert.equal(await nack(h, last), { status: "already" });
    assert.equal(await ack(h, last), { status: "stale" });
    assert.equal((await listed(h, "dead")).sort(), ["1", "2"]);
    const dead = await read(h, last.id);
    assert.equal([dead.error, dead.attempt, dead.finishedAt !== null], ["again", 2, true]);
    assert.equal(await claimed(h), []);
  });
}
