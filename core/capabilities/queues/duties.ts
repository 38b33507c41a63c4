/** What the server does for queues by itself: schedules tick, what nobody claims any more moves on all the same, and what has ended long enough ago goes. */
import type { House } from "../../kernel/context.ts";
import type { Duty } from "../../kernel/duty.ts";
import { knockOf } from "../../kernel/knock.ts";
import type { Schedule } from "../../ports/queue.ts";
import { nextTick } from "./cron.ts";

const BATCH = 500;
/** How late a tick may be. */
const LOOK_MS = 1_000;
/** One process keeps watch for so long before the next may. */
const WATCH_MS = 50_000;

/** Long rounds, so that a look each second costs a question and no lease. */
const tickSchedules: Duty = {
  name: "queues.tick",
  everyMs: LOOK_MS,
  async run(house, signal) {
    const { clock } = house;
    const until = clock.elapsed() + WATCH_MS;
    let ticks = 0;
    while (!signal.aborted && clock.elapsed() < until) {
      ticks += await tickDue(house, signal);
      await clock.sleep(LOOK_MS, signal);
    }
    return { ticks };
  },
};

/** Every schedule whose time has come ticks once, however many of its times have passed; by the store's clock. */
export async function tickDue(house: Pick<House, "database" | "bus" | "log">, signal: AbortSignal): Promise<number> {
  const { schedules } = house.database.queue;
  for (let ticks = 0; ; ) {
    const { now, schedules: due } = await schedules.due(BATCH);
    let ticked = 0;
    for (const schedule of due) {
      if (signal.aborted) return ticks;
      if (await tickOne(house, schedule, now)) ticked += 1;
    }
    ticks += ticked;
    if (due.length < BATCH || ticked === 0) return ticks;
  }
}

async function tickOne({ database, bus, log }: Pick<House, "database" | "bus" | "log">, schedule: Schedule, now: Date) {
  const { realm, queue, name, cron, zone } = schedule;
  const ticked = await database.queue.schedules.tick(schedule, nextOf(schedule, now));
  if (ticked.status === "stale") return false;
  bus.knock([knockOf.queue(realm, queue)]);
  log.write("debug", "schedule_ticked", { queue, schedule: name, cron, zone, job: ticked.job.id });
  return true;
}

/** A zone that this runtime does not know any more must not keep the others: the schedule ends. */
function nextOf({ cron, zone }: Schedule, now: Date): Date | null {
  try {
    return nextTick(cron, zone, now);
  } catch {
    return null;
  }
}

/** How late a lease that ended is noticed when nobody claims from its queue. */
const TAKE_UP_MS = 5_000;
/** How many batches in a turn. */
const ROUNDS_MOST = 100;

/** Claims take up what time has brought to their queue; of a queue that nobody claims from, this does. */
const takeUp: Duty = {
  name: "queues.take_up",
  everyMs: TAKE_UP_MS,
  run: async (house, signal) => ({ jobs: await takeUpLate(house, signal) }),
};

/** Takes up leases that ended and jobs that came due in all queues, and wakes those who wait for jobs or for their ends; returns how many it took up. */
async function takeUpLate({ database, bus }: Pick<House, "database" | "bus">, signal: AbortSignal): Promise<number> {
  let jobs = 0;
  for (let round = 0; round < ROUNDS_MOST && !signal.aborted; round += 1) {
    const found = await database.queue.takeUp(BATCH);
    if (found.length === 0) break;
    for (const { realm, queue, count, ended } of found) {
      jobs += count;
      bus.knock([knockOf.queue(realm, queue), ...ended.map((id) => knockOf.job(realm, queue, id))]);
    }
  }
  return jobs;
}

const expire: Duty = {
  name: "queues.expire",
  everyMs: 30_000,
  async run({ database }, signal) {
    let jobs = 0;
    while (!signal.aborted) {
      const gone = await database.queue.expire(BATCH);
      jobs += gone;
      if (gone < BATCH) break;
    }
    return { jobs };
  },
};

export const duties: readonly Duty[] = [tickSchedules, takeUp, expire];
