/**
 * Schedules in the model.
 */

import { byteOrder } from "../../byte_order.ts";
import type { Schedule, Schedules } from "../../queue.ts";
import { ensureQueue, pushOne } from "./push.ts";
import { nameOf, type Rows, type StoredSchedule } from "./rows.ts";

/** The schedules of these rows. */
export function memorySchedules(rows: Rows): Schedules {
  const keyOf = ({ realm, queue, name }: Pick<Schedule, "realm" | "queue" | "name">) => nameOf(realm, queue, name);

  return {
    async put(schedule) {
      const present = rows.schedules.get(keyOf(schedule));
      const { realm, queue, name, cron, zone, paused } = schedule;
      const stored: StoredSchedule = {
        ...{ realm, queue, name, cron, zone, paused },
        job: structuredClone(schedule.job),
        nextAt: schedule.nextAt?.getTime() ?? null,
        lastAt: present?.lastAt ?? null,
        lastJobId: present?.lastJobId ?? null,
        createdAt: present?.createdAt ?? rows.now(),
        updatedAt: rows.now(),
      };
      ensureQueue(rows, realm, queue);
      rows.write(rows.schedules, keyOf(schedule), stored);
      return { schedule: opened(stored), created: !present };
    },
    async get(realm, queue, name) {
      const stored = rows.schedules.get(nameOf(realm, queue, name));
      return stored ? opened(stored) : null;
    },
    async list(realm, queue, after, limit) {
      return [...rows.schedules.values()]
        .filter((each) => each.realm === realm && each.queue === queue && byteOrder(each.name, after) > 0)
        .sort((left, right) => byteOrder(left.name, right.name))
        .slice(0, limit)
        .map(opened);
    },
    async remove(realm, queue, name) {
      const key = nameOf(realm, queue, name);
      const present = rows.schedules.has(key);
      rows.write(rows.schedules, key, undefined);
      return present;
    },
    async due(limit) {
      const now = rows.now();
      const schedules = [...rows.schedules.values()]
        .filter(({ paused, nextAt }) => !paused && nextAt !== null && nextAt <= now)
        .sort((left, right) => left.nextAt! - right.nextAt!)
        .slice(0, limit)
        .map(opened);
      return { now: new Date(now), schedules };
    },
    async tick(schedule, nextAt) {
      const stored = rows.schedules.get(keyOf(schedule));
      const at = schedule.nextAt?.getTime() ?? null;
      if (!stored || stored.paused || at === null || stored.nextAt !== at) return { status: "stale" };
      const job = pushOne(rows, ensureQueue(rows, stored.realm, stored.queue), structuredClone(stored.job));
      const changed = { ...stored, nextAt: nextAt?.getTime() ?? null, lastAt: at, lastJobId: job.id };
      rows.write(rows.schedules, keyOf(schedule), changed);
      return { status: "ticked", job };
    },
  };
}

function opened({ nextAt, lastAt, createdAt, updatedAt, job, ...rest }: StoredSchedule): Schedule {
  const dateOf = (ms: number | null) => (ms === null ? null : new Date(ms));
  return {
    ...rest,
    job: structuredClone(job),
    nextAt: dateOf(nextAt),
    lastAt: dateOf(lastAt),
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
  };
}
