/**
 * What every queue store promises of its lists, figures and settings.
 */
import * as assert from "uvu/assert";
import { Fault } from "../../core/ports/fault.ts";
import type { JobState } from "../../core/ports/queue.ts";
import { QUEUE_DEFAULTS } from "../../core/ports/queue_settings.ts";
import type { Keeps } from "../support/promises.ts";
import { ack, claim, claimOne, job, lease, listed, nack, push } from "../support/queue_steps.ts";
import type { StoreHarness } from "../support/store_harness.ts";

/** Registers the promises. */
export function keepsViews(keeps: Keeps<StoreHarness>): void {
  keepsLists(keeps);
  keepsFigures(keeps);
  keepsSettings(keeps);
}

function keepsLists(keeps: Keeps<StoreHarness>): void {
  keeps("lists page through the jobs of a state in its order, and through no others", async (h) => {
    const priorities = [0, 3, 0, -2, 3, 0, -2, 3];
    await push(h, ...priorities.map((priority, n) => job(n, { priority })));
    await push(h, ...[50, 10, 30, 20, 40].map((seconds) => job(seconds, { delayMs: seconds * 1_000 })));
    assert.equal(await listed(h, "waiting"), ["1", "4", "7", "0", "2", "5", "3", "6"]);
    assert.equal(await listed(h, "delayed"), ["10", "20", "30", "40", "50"]);
    const running = await claim(h, 7);
    await h.database.queue.extend(h.realm, "q", [{ ...lease(running[0]!), leaseMs: 300_000 }]);
    assert.equal(await listed(h, "running"), ["0", "2", "3", "4", "5", "7", "1"]);
    for (const [index, each] of running.entries()) {
      await h.advance(1_000);
      if (index < 4) await ack(h, each);
      else await nack(h, each, { final: true });
    }
    assert.equal(await listed(h, "done"), ["0", "7", "4", "1"]);
    assert.equal(await listed(h, "dead"), ["3", "5", "2"]);
    assert.equal(await listed(h, "waiting"), ["6"]);
    assert.equal(await listed(h, "cancelled"), []);
  });

  keeps("a page ends with null where there is nothing after it", async (h) => {
    await push(h, job(1), job(2));
    const page = (limit: number, after: string | null = null) =>
      h.database.queue.list(h.realm, "q", "waiting", { after, limit });
    assert.is((await page(2)).next, null);
    const first = await page(1);
    assert.type(first.next, "string");
    assert.is((await page(1, first.next)).next, null);
    assert.equal(await h.database.queue.list(h.realm, "none", "dead", { after: null, limit: 9 }), {
      jobs: [],
      next: null,
    });
  });

  keeps("a cursor of another list, or none at all, is refused in words", async (h) => {
    await push(h, job(1), job(2), job(3, { delayMs: 9_000 }), job(4, { delayMs: 9_000 }));
    const { next } = await h.database.queue.list(h.realm, "q", "delayed", { after: null, limit: 1 });
    for (const after of [next!, "", "x", "waiting:1", "w:1:2:3", "w:99999999999999999999:1", "'; --"]) {
      const refused = await h.database.queue
        .list(h.realm, "q", "waiting", { after, limit: 1 })
        .then(() => null)
        .catch((error: unknown) => error);
      assert.ok(refused instanceof Fault && refused.code === "invalid_input", `"${after}" was taken`);
    }
  });
}

function keepsFigures(keeps: Keeps<StoreHarness>): void {
  keeps("stats count jobs by state, and tell how long the oldest has waited", async (h) => {
    assert.is(await h.database.queue.stats(h.realm, "q"), null);
    await push(h, job(1), job(2), job(3));
    await h.advance(60_000);
    await push(
      h,
      job(4, { priority: 1 }),
      job(5, { delayMs: 1_000_000 }),
      job(6, { group: "g" }),
      job(7, { group: "g" }),
    );
    const [four, one] = await claim(h, 2);
    await ack(h, one!);
    await nack(h, four!, { final: true });
    await claim(h, 1);
    const stats = (await h.database.queue.stats(h.realm, "q"))!;
    assert.equal(stats.counts, { waiting: 3, delayed: 1, running: 1, done: 1, dead: 1, cancelled: 0 });
    assert.is(stats.held, 1);
    const age = stats.oldestWaitingMs!;
    assert.ok(age >= 60_000 && age < 70_000, `${age}`);
    await claim(h);
    assert.is((await h.database.queue.stats(h.realm, "q"))?.oldestWaitingMs, null);
  });

  keeps("stats tell how often jobs that have not ended were claimed", async (h) => {
    await push(h, ...Array.from({ length: 7 }, (_, n) => job(n, n < 2 ? { group: "g" } : {})));
    const attempts = async () => (await h.database.queue.stats(h.realm, "q"))?.attempts;
    assert.equal(await attempts(), { jobs: 0, sum: 0, most: 0 });
    for (let round = 0; round < 3; round += 1) await nack(h, await claimOne(h), { delayMs: round < 2 ? 0 : 500_000 });
    assert.is((await attempts())?.sum, 3);
    const running = await claim(h, 3);
    await ack(h, running[0]!);
    const told = (await attempts())!;
    const jobs = (["waiting", "delayed", "running"] as const).map(async (state) => {
      const { jobs } = await h.database.queue.list(h.realm, "q", state, { after: null, limit: 100 });
      return jobs.map(({ attempt }) => attempt).filter((attempt) => attempt > 0);
    });
    const shown = (await Promise.all(jobs)).flat();
    assert.equal(told, { jobs: shown.length, sum: shown.reduce((sum, n) => sum + n, 0), most: Math.max(...shown) });
    assert.ok(told.jobs >= 3);
  });

  keeps("stats tell what happened in each minute, the present one first", async (h) => {
    await push(h, ...Array.from({ length: 6 }, (_, n) => job(n, { maxAttempts: 1 })));
    const running = await claim(h, 5, 30_000);
    await ack(h, running[0]!);
    await ack(h, running[1]!);
    await nack(h, running[2]!);
    await h.advance(180_000);
    await claim(h, 1);
    const { minutes } = (await h.database.queue.stats(h.realm, "q"))!;
    const [now, ...before] = minutes;
    const { at, ...counts } = now!;
    assert.equal(counts, { pushed: 0, claimed: 1, acked: 0, nacked: 0, expired: 2, dead: 2 });
    const sum = (of: "pushed" | "claimed" | "acked" | "nacked" | "dead") =>
      before.reduce((total, each) => total + each[of], 0);
    assert.equal([sum("pushed"), sum("claimed"), sum("acked"), sum("nacked"), sum("dead")], [6, 5, 2, 1, 1]);
    assert.is(at.getTime() % 60_000, 0);
    assert.ok(before.every((each) => at.getTime() - each.at.getTime() >= 120_000));
  });

  keeps("queues are listed in byte order, in pages", async (h) => {
    for (const queue of ["b", "a", "Z", "é", "😀", "～"])
      await push({ realm: h.realm, database: h.database, queue }, job(1));
    const names: string[] = [];
    for (let after = ""; ; after = names.at(-1)!) {
      const page = await h.database.queue.queues(h.realm, after, 2);
      names.push(...page.map(({ queue }) => queue));
      if (page.length < 2) break;
    }
    assert.equal(names, ["Z", "a", "b", "é", "～", "😀"]);
    const [first] = await h.database.queue.queues(h.realm, "", 1);
    assert.equal(first, await h.database.queue.info(h.realm, "Z"));
  });
}

function keepsSettings(keeps: Keeps<StoreHarness>): void {
  keeps("configure makes the queue, changes what is given and leaves the rest", async (h) => {
    assert.is(await h.database.queue.info(h.realm, "q"), null);
    const made = await h.database.queue.configure(h.realm, "q", { maxAttempts: 2 });
    assert.equal([made.queue, made.paused, made.settings], ["q", false, { ...QUEUE_DEFAULTS, maxAttempts: 2 }]);
    const backoff = { delayMs: 10, factor: 1.5, mostMs: 99, jitter: 0.25 };
    const changed = await h.database.queue.configure(h.realm, "q", { backoff, groupConcurrency: 4 });
    assert.equal(changed.settings, { ...QUEUE_DEFAULTS, maxAttempts: 2, backoff, groupConcurrency: 4 });
    assert.equal(await h.database.queue.info(h.realm, "q"), changed);
    await push(h, job(1), job(2, { maxAttempts: 8 }));
    assert.equal(
      (await claim(h)).map(({ maxAttempts }) => maxAttempts),
      [2, 8],
    );
  });

  keeps("reads of a queue that is not there find nothing", async (h) => {
    const { queue } = h.database;
    assert.equal(await queue.claim(h.realm, "q", { limit: 1, leaseMs: 1_000 }), { jobs: [], dueInMs: null });
    assert.is(await queue.get(h.realm, "q", "1"), null);
    assert.equal(await queue.ack(h.realm, "q", [{ id: "1", token: "0" }]), [{ status: "absent" }]);
    assert.equal(await queue.nack(h.realm, "q", [{ id: "1", token: "0" }]), [{ status: "absent" }]);
    assert.equal(await queue.extend(h.realm, "q", [{ id: "1", token: "0" }]), [{ status: "absent" }]);
    assert.equal([await queue.redrive(h.realm, "q", ["1"]), await queue.redriveAll(h.realm, "q", 9)], [[], 0]);
    for (const state of ["waiting", "running", "dead"] satisfies JobState[]) {
      assert.is(await queue.purge(h.realm, "q", state, 9), 0);
    }
    assert.equal(await queue.queues(h.realm, "", 9), []);
  });
}
