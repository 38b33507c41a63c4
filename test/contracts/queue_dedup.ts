/**
 * What every queue store promises of keys: which of two jobs with one key stays, and that the last word is not lost.
 */
import * as assert from "uvu/assert";
import type { Dedup } from "../../core/ports/queue.ts";
import type { Keeps } from "../support/promises.ts";
import { ack, claim, claimed, claimOne, job, listed, nack, push, pushKeyed, read } from "../support/queue_steps.ts";
import type { StoreHarness } from "../support/store_harness.ts";

const drop: Dedup = { key: "k", mode: "drop" };
const replace: Dedup = { key: "k", mode: "replace" };
const oneMore: Dedup = { key: "k", mode: "one-more-after-running" };

/** Registers the promises. */
export function keepsDedup(keeps: Keeps<StoreHarness>): void {
  keepsDrop(keeps);
  keepsReplace(keeps);
  keepsOneMore(keeps);
  keepsKeys(keeps);
}

function keepsDrop(keeps: Keeps<StoreHarness>): void {
  keeps("drop: while a job with the key has not ended, another is dropped", async (h) => {
    const first = await pushKeyed(h, 1, drop);
    assert.equal(await pushKeyed(h, 2, drop), { ...first, deduplicated: "dropped" });
    const running = await claimOne(h);
    assert.equal(await pushKeyed(h, 3, drop), { ...first, state: "running", deduplicated: "dropped" });
    await nack(h, running, { delayMs: 0 });
    assert.is((await pushKeyed(h, 4, drop)).deduplicated, "dropped");
    await ack(h, await claimOne(h));
    const second = await pushKeyed(h, 5, drop);
    assert.is(second.deduplicated, null);
    assert.equal(await claimed(h), ["5"]);
    assert.equal((await read(h, second.id)).dedupKey, "k");
  });

  keeps("drop: with a window the key drops that long from the push on, though the job has ended", async (h) => {
    const windowed: Dedup = { ...drop, windowMs: 60_000 };
    const first = await pushKeyed(h, 1, windowed);
    await ack(h, await claimOne(h));
    assert.equal(await pushKeyed(h, 2, windowed), { ...first, state: "done", deduplicated: "dropped" });
    assert.equal(await pushKeyed(h, 3, drop), { ...first, state: "done", deduplicated: "dropped" });
    await h.advance(61_000);
    assert.is((await pushKeyed(h, 4, windowed)).deduplicated, null);
    await ack(h, await claimOne(h));
    assert.is((await pushKeyed(h, 5, drop)).deduplicated, "dropped");
    assert.is((await pushKeyed(h, 6, replace)).deduplicated, null);
  });

  keeps("of many pushes with one key at the same time one makes a job", async (h) => {
    for (const mode of ["drop", "replace", "one-more-after-running"] as const) {
      const pushes = await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          pushKeyed(n % 2 ? h : { realm: h.realm, database: h.other }, n, { key: mode, mode }),
        ),
      );
      assert.is(pushes.filter(({ deduplicated }) => deduplicated === null).length, 1, mode);
      assert.is(new Set(pushes.map(({ id }) => id)).size, 1);
    }
    assert.is((await claim(h)).length, 3);
  });

  keeps("jobs of one push meet each other, in its order", async (h) => {
    const pushed = await push(
      h,
      job(1, { dedup: drop }),
      job(2),
      job(3, { dedup: drop }),
      job(4, { dedup: { ...replace, key: "l" } }),
    );
    assert.equal(
      pushed.map(({ deduplicated }) => deduplicated),
      [null, null, "dropped", null],
    );
    assert.is(pushed[2]!.id, pushed[0]!.id);
    assert.equal(await claimed(h), ["1", "2", "4"]);
  });
}

function keepsReplace(keeps: Keeps<StoreHarness>): void {
  keeps("replace: the job that waits keeps its id and place, and has all else from the last push", async (h) => {
    const [first] = await push(h, job(1, { dedup: replace }), job(2));
    const [second] = await push(h, job(3, { dedup: replace, maxAttempts: 9 }));
    assert.equal([second!.id, second!.deduplicated, second!.state], [first!.id, "replaced", "waiting"]);
    const now = await read(h, first!.id);
    assert.equal([now.payload, now.maxAttempts, now.attempt], ["3", 9, 0]);
    assert.equal(await claimed(h), ["3", "2"]);
  });

  keeps("replace: each push may put the job off again", async (h) => {
    await push(h, job(1, { dedup: replace, delayMs: 30_000 }));
    await h.advance(20_000);
    const [second] = await push(h, job(2, { dedup: replace, delayMs: 30_000 }));
    assert.equal([second!.state, second!.deduplicated], ["delayed", "replaced"]);
    await h.advance(20_000);
    assert.equal(await claimed(h), []);
    await h.advance(11_000);
    await push(h, job(3));
    assert.equal(await claimed(h), ["3", "2"]);
  });

  keeps("replace: a delayed job that is to come at once comes behind those that wait", async (h) => {
    await push(h, job(1, { dedup: replace, delayMs: 30_000 }), job(2));
    assert.is((await pushKeyed(h, 3, replace)).state, "waiting");
    assert.equal(await claimed(h), ["2", "3"]);
  });

  keeps("replace: beside a job that runs there is a new one, which has the key from then on", async (h) => {
    await pushKeyed(h, 1, replace);
    const running = await claimOne(h);
    const second = await pushKeyed(h, 2, replace);
    assert.equal([second.deduplicated, second.id === running.id], [null, false]);
    assert.is((await pushKeyed(h, 3, replace)).id, second.id);
    await nack(h, running, { delayMs: 0 });
    assert.equal(await claimed(h), ["3", "1"]);
  });

  keeps("replace: a job that waits to be tried again starts anew", async (h) => {
    await pushKeyed(h, 1, replace);
    const running = await claimOne(h);
    await nack(h, running, { delayMs: 30_000, error: "bad" });
    const replaced = await pushKeyed(h, 2, replace);
    assert.equal([replaced.id, replaced.state, replaced.deduplicated], [running.id, "waiting", "replaced"]);
    assert.equal(await nack(h, running), { status: "stale" });
    const again = await claimOne(h);
    assert.equal([again.payload, again.attempt], ["2", 1]);
    assert.is((await read(h, again.id)).error, null);
  });

  keeps("replace: a job that is put off gives its place in the group to the next", async (h) => {
    const group = "g";
    await push(h, job(1, { group, dedup: replace }), job(2, { group }), job(3, { group }));
    await push(h, job(4, { dedup: replace, delayMs: 30_000 }));
    const two = await claimOne(h);
    assert.is(two.payload, "2");
    await h.advance(31_000);
    assert.equal(await claimed(h), []);
    await ack(h, two);
    await ack(h, await claimOne(h));
    assert.equal([(await claimOne(h)).payload, await listed(h, "waiting")], ["4", []]);
  });
}

function keepsOneMore(keeps: Keeps<StoreHarness>): void {
  keeps(
    "one more after running: one job waits behind the one that runs, with the last payload, until that has ended",
    async (h) => {
      await pushKeyed(h, 1, oneMore);
      assert.is((await pushKeyed(h, 2, oneMore)).deduplicated, "replaced");
      const running = await claimOne(h, 30_000);
      const behind = await pushKeyed(h, 3, oneMore);
      assert.equal([behind.deduplicated, behind.state], [null, "waiting"]);
      assert.equal(await pushKeyed(h, 4, oneMore), {
        ...behind,
        visibleAt: (await read(h, behind.id)).visibleAt,
        deduplicated: "replaced",
      });
      assert.is((await pushKeyed(h, 5, drop)).deduplicated, "dropped");
      assert.equal(await claimed(h), []);
      await h.advance(31_000);
      const again = await claimOne(h);
      assert.equal([again.id, again.attempt], [running.id, 2]);
      assert.is((await nack(h, again, { delayMs: 0 })).status, "retried");
      const third = await claim(h);
      assert.equal(
        third.map(({ id }) => id),
        [running.id],
      );
      assert.equal(await ack(h, third[0]!), { status: "acked", cancelRequested: false, released: true });
      assert.equal(await claimed(h), ["4"]);
      assert.equal(await listed(h, "done"), ["2"]);
    },
  );

  keeps("one more after running: however the one that runs ends, the other comes", async (h) => {
    const endings: ((h: StoreHarness, id: string) => Promise<unknown>)[] = [
      (own, id) => own.database.queue.cancel(own.realm, "q", id).then(() => own.advance(61_000)),
      (own) => own.advance(61_000),
      (own) => own.database.queue.purge(own.realm, "q", "running", 10),
    ];
    for (const [n, end] of endings.entries()) {
      await push(h, job(n, { dedup: oneMore, maxAttempts: 1 }));
      const running = await claimOne(h);
      await pushKeyed(h, n + 10, oneMore);
      await end(h, running.id);
      const next = await claimOne(h);
      assert.is(next.payload, `${n + 10}`);
      await ack(h, next);
    }
  });

  keeps("one more after running: the other keeps to its own time and its own group", async (h) => {
    await push(h, job(1, { dedup: oneMore, group: "g" }));
    const running = await claimOne(h);
    await push(h, job(2, { dedup: oneMore, delayMs: 30_000 }), job(3, { group: "g" }));
    assert.equal(await ack(h, running), { status: "acked", cancelRequested: false, released: true });
    assert.equal([await listed(h, "delayed"), await claimed(h)], [["2"], ["3"]]);
    await h.advance(31_000);
    const two = await claimOne(h);
    assert.is(two.payload, "2");
    await push(h, job(4, { dedup: oneMore, group: "g" }));
    assert.equal(await ack(h, two), { status: "acked", cancelRequested: false, released: false });
    const [three] = (await h.database.queue.list(h.realm, "q", "running", { after: null, limit: 1 })).jobs;
    assert.is(three?.payload, "3");
    assert.equal(await claimed(h), []);
    await h.database.queue.purge(h.realm, "q", "running", 1);
    assert.equal(await claimed(h), ["4"]);
  });
}

function keepsKeys(keeps: Keeps<StoreHarness>): void {
  keeps("a cancelled job gives its key back to the one it waited for", async (h) => {
    await pushKeyed(h, 1, oneMore);
    const running = await claimOne(h);
    const behind = await pushKeyed(h, 2, oneMore);
    assert.is((await h.database.queue.cancel(h.realm, "q", behind.id)).status, "cancelled");
    assert.is((await pushKeyed(h, 3, drop)).id, running.id);
    const third = await pushKeyed(h, 4, oneMore);
    assert.equal([third.deduplicated, third.state, await claimed(h)], [null, "waiting", []]);
    await ack(h, running);
    assert.equal(await claimed(h), ["4"]);
  });

  keeps("keys are a queue's own, and no name is special", async (h) => {
    const other = { realm: h.realm, database: h.database, queue: "other" };
    for (const key of ["k", "K", "", "é 😀", "a'\"{},\\"]) {
      assert.is((await pushKeyed(h, 1, { key, mode: "drop" })).deduplicated, null);
      assert.is((await pushKeyed(other, 1, { key, mode: "drop" })).deduplicated, null);
      assert.is((await pushKeyed(h, 2, { key, mode: "drop" })).deduplicated, "dropped");
    }
  });

  keeps("a job brought back from the dead has lost its key", async (h) => {
    const dead = await pushKeyed(h, 1, drop);
    await nack(h, await claimOne(h), { final: true });
    await pushKeyed(h, 2, drop);
    await h.database.queue.redrive(h.realm, "q", [dead.id]);
    assert.equal(await claimed(h), ["2", "1"]);
  });
}
