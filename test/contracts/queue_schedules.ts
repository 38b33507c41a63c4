/**
 * What every queue store promises of schedules: kept as they were put, and each tick exactly once.
 */
import * as assert from "uvu/assert";
import type { PutSchedule, Schedule } from "../../core/ports/queue.ts";
import type { Keeps } from "../support/promises.ts";
import { ack, claim, claimed, claimOne, read } from "../support/queue_steps.ts";
import type { StoreHarness } from "../support/store_harness.ts";

/** Registers the promises. */
export function keepsSchedules(keeps: Keeps<StoreHarness>): void {
  keepsRows(keeps);
  keepsTicks(keeps);
}

async function put(h: StoreHarness, name: string, how: Partial<PutSchedule> = {}) {
  const schedule = { cron: "*/5 * * * *", zone: "Europe/Berlin", job: { payload: name }, paused: false, nextAt: null };
  return h.database.queue.schedules.put({ realm: h.realm, queue: "q", name, ...schedule, ...how });
}

async function inMs(h: StoreHarness, ms: number): Promise<Date> {
  return new Date((await h.database.queue.schedules.due(0)).now.getTime() + ms);
}

/** Those that are due in this realm. */
async function due(h: StoreHarness): Promise<Schedule[]> {
  return (await h.database.queue.schedules.due(1_000)).schedules.filter(({ realm }) => realm === h.realm);
}

function keepsRows(keeps: Keeps<StoreHarness>): void {
  keeps("a schedule is kept as it was put, and put again it changes", async (h) => {
    const nextAt = await inMs(h, 60_000);
    const job = {
      payload: '{"a": 1}',
      delayMs: 10,
      priority: 3,
      group: "g",
      maxAttempts: 4,
      dedup: { key: "k", mode: "drop", windowMs: 9 },
      backoff: { delayMs: 1, factor: 2.5, mostMs: 30, jitter: 0.5 },
    } as const;
    const { schedule, created } = await put(h, "a", { job, nextAt });
    assert.is(created, true);
    const named = { realm: h.realm, queue: "q", name: "a", cron: "*/5 * * * *", zone: "Europe/Berlin" };
    const { createdAt, updatedAt, ...rest } = schedule;
    assert.equal(rest, { ...named, job, paused: false, nextAt, lastAt: null, lastJobId: null });
    assert.equal(createdAt, updatedAt);
    assert.equal(await h.database.queue.schedules.get(h.realm, "q", "a"), schedule);
    await h.advance(1_000);
    const changed = await put(h, "a", { cron: "@daily", zone: "UTC", paused: true });
    assert.is(changed.created, false);
    assert.equal(
      [changed.schedule.cron, changed.schedule.zone, changed.schedule.paused, changed.schedule.nextAt],
      ["@daily", "UTC", true, null],
    );
    assert.equal(changed.schedule.job, { payload: "a" });
    assert.equal(changed.schedule.createdAt, createdAt);
    assert.ok(changed.schedule.updatedAt > updatedAt);
  });

  keeps("schedules are listed by name, in pages, and removed; a queue with one is not forgotten", async (h) => {
    for (const name of ["b", "a", "C"]) await put(h, name);
    await h.database.queue.schedules.put({
      realm: h.realm,
      queue: "other",
      name: "x",
      cron: "*",
      zone: "UTC",
      job: { payload: "1" },
      paused: false,
      nextAt: null,
    });
    const { schedules } = h.database.queue;
    const names = async (after: string, limit: number) =>
      (await schedules.list(h.realm, "q", after, limit)).map(({ name }) => name);
    assert.equal([await names("", 2), await names("a", 2)], [["C", "a"], ["b"]]);
    assert.is((await h.database.queue.info(h.realm, "q"))?.queue, "q");
    assert.is(await h.database.queue.remove(h.realm, "q"), false);
    for (const name of ["a", "b", "C"]) assert.is(await schedules.remove(h.realm, "q", name), true);
    assert.is(await schedules.remove(h.realm, "q", "a"), false);
    assert.is(await schedules.get(h.realm, "q", "a"), null);
    assert.is(await h.database.queue.remove(h.realm, "q"), true);
  });
}

function keepsTicks(keeps: Keeps<StoreHarness>): void {
  keeps("a schedule is due from its time on, unless it is paused", async (h) => {
    await put(h, "soon", { nextAt: await inMs(h, 60_000) });
    await put(h, "later", { nextAt: await inMs(h, 90_000) });
    await put(h, "paused", { nextAt: await inMs(h, 1_000), paused: true });
    await put(h, "never");
    assert.equal(await due(h), []);
    await h.advance(61_000);
    const [soon, ...rest] = await due(h);
    assert.equal([soon?.name, rest], ["soon", []]);
    const { now } = await h.database.queue.schedules.due(1);
    assert.ok(now >= soon!.nextAt!);
    await h.advance(30_000);
    assert.equal(
      (await due(h)).map(({ name }) => name),
      ["soon", "later"],
    );
  });

  keeps("a tick pushes the job and sets the next time, together; the same tick again does nothing", async (h) => {
    const job = { payload: "7", priority: 2, group: "g", maxAttempts: 4 };
    await put(h, "a", { job, nextAt: await inMs(h, 1_000) });
    await h.advance(2_000);
    const [schedule] = await due(h);
    const next = await inMs(h, 60_000);
    const ticked = await h.database.queue.schedules.tick(schedule!, next);
    assert.ok(ticked.status === "ticked" && ticked.job.state === "waiting");
    assert.equal(await h.database.queue.schedules.tick(schedule!, next), { status: "stale" });
    const after = await h.database.queue.schedules.get(h.realm, "q", "a");
    assert.equal([after?.nextAt, after?.lastAt, after?.lastJobId], [next, schedule!.nextAt, ticked.job.id]);
    assert.equal(await due(h), []);
    const made = await read(h, ticked.job.id);
    assert.equal([made.payload, made.priority, made.group, made.maxAttempts], ["7", 2, "g", 4]);
    assert.is((await claim(h)).length, 1);
  });

  keeps("of many that tick at once exactly one does", async (h) => {
    await put(h, "a", { nextAt: await inMs(h, 1_000) });
    for (let round = 0; round < 4; round += 1) {
      await h.advance(10_000);
      const [schedule] = await due(h);
      const next = await inMs(h, 5_000);
      const ticks = await Promise.all(
        Array.from({ length: 12 }, (_, n) => (n % 2 ? h.database : h.other).queue.schedules.tick(schedule!, next)),
      );
      assert.is(ticks.filter(({ status }) => status === "ticked").length, 1);
      const running = await claim(h);
      assert.is(running.length, 1);
      await ack(h, running[0]!);
    }
  });

  keeps("a schedule that was paused, removed or put again does not tick by what was read before", async (h) => {
    const tick = (schedule: Schedule) => h.database.queue.schedules.tick(schedule, null);
    const nextAt = await inMs(h, 0);
    const { schedule } = await put(h, "a", { nextAt });
    await put(h, "a", { nextAt, paused: true });
    assert.equal(await tick(schedule), { status: "stale" });
    await put(h, "a", { nextAt: new Date(nextAt.getTime() + 1) });
    assert.equal(await tick(schedule), { status: "stale" });
    await h.database.queue.schedules.remove(h.realm, "q", "a");
    assert.equal(await tick(schedule), { status: "stale" });
    assert.equal(await tick({ ...schedule, nextAt: null }), { status: "stale" });
    assert.equal(await claimed(h), []);
  });

  keeps("a tick pushes what is stored, by its key too; without a next time it was the last", async (h) => {
    const nextAt = await inMs(h, 0);
    const { schedule } = await put(h, "a", { nextAt });
    await put(h, "a", { nextAt, job: { payload: "2", dedup: { key: "k", mode: "drop" } } });
    const first = await h.database.queue.schedules.tick(schedule, nextAt);
    const second = await h.database.queue.schedules.tick(schedule, null);
    assert.ok(first.status === "ticked" && second.status === "ticked");
    assert.equal([second.job.id, second.job.deduplicated], [first.job.id, "dropped"]);
    assert.is((await claimOne(h)).payload, "2");
    await h.advance(1_000);
    assert.equal(await due(h), []);
  });
}
