/**
 * The queue's schedules in PostgreSQL.
 */
import type { Backoff, NewJob, PushedJob, Schedule, Schedules } from "../../core/ports/queue.ts";
import type { Pool, Statement } from "./pool.ts";
import { backoffText, pushedJob } from "./queue_push.ts";

const COLUMNS = `s.realm, s.queue, s.name, s.cron, s.zone, s.payload, s.options, s.paused, millrace_ms(s.next_at) AS next_ms,
  millrace_ms(s.last_at) AS last_ms, s.last_job_id::text, millrace_ms(s.created_at) AS created_ms, millrace_ms(s.updated_at) AS updated_ms`;

// The queue is made along with its schedule, so that it is listed before the first tick.
const PUT: Statement = {
  name: "queue_schedule_put",
  text: `INSERT INTO queue_schedules AS s (realm, queue, name, cron, zone, payload, options, paused, next_at, created_at, updated_at)
    SELECT e.realm, e.name, $3, $4, $5, $6, $7::jsonb, $8, to_timestamp($9::float8 / 1000), m.moment, m.moment
    FROM queue_ensure($1, $2) e, (SELECT date_trunc('milliseconds', millrace_now()) AS moment) m
    ON CONFLICT (realm, queue, name) DO UPDATE SET
      cron = excluded.cron, zone = excluded.zone, payload = excluded.payload, options = excluded.options, paused = excluded.paused,
      next_at = excluded.next_at, updated_at = excluded.updated_at
    RETURNING ${COLUMNS}, xmax = 0 AS made`,
};
const GET: Statement = {
  name: "queue_schedule_get",
  text: `SELECT ${COLUMNS} FROM queue_schedules s WHERE s.realm = $1 AND s.queue = $2 AND s.name = $3`,
};
const LIST: Statement = {
  name: "queue_schedule_list",
  text: `SELECT ${COLUMNS} FROM queue_schedules s WHERE s.realm = $1 AND s.queue = $2 AND s.name > $3 ORDER BY s.name LIMIT $4`,
};
const REMOVE: Statement = {
  name: "queue_schedule_remove",
  text: "DELETE FROM queue_schedules s WHERE s.realm = $1 AND s.queue = $2 AND s.name = $3 RETURNING s.name",
};
const DUE: Statement = {
  name: "queue_schedule_due",
  text: `SELECT ${COLUMNS} FROM queue_schedules s WHERE s.next_at <= (SELECT millrace_now()) AND NOT s.paused ORDER BY s.next_at LIMIT $1`,
};
const NOW: Statement = {
  name: "queue_now",
  text: "SELECT millrace_ms(millrace_now()) AS now_ms",
};
const TICK: Statement = {
  name: "queue_tick",
  text: "SELECT id::text, state::text, visible_ms, deduplicated::text, now_ms FROM queue_tick($1, $2, $3, $4, $5)",
};

interface Row {
  realm: string;
  queue: string;
  name: string;
  cron: string;
  zone: string;
  payload: string;
  options: Options;
  paused: boolean;
  next_ms: number | null;
  last_ms: number | null;
  last_job_id: string | null;
  created_ms: number;
  updated_ms: number;
}

/** What a job has besides its payload, as `queue_tick` reads it: the backoff is the literal of an array. */
type Options = Omit<NewJob, "payload" | "visibleAt" | "backoff"> & { visibleMs?: number; backoff?: string };

interface Ticked {
  id: string;
  state: string;
  visible_ms: number | null;
  deduplicated: string | null;
  now_ms: number;
}

/** The schedules over a pool. */
export function postgresSchedules(pool: Pool): Schedules {
  return {
    async put({ realm, queue, name, cron, zone, job, paused, nextAt }) {
      const [row] = await pool.query<Row & { made: boolean }>(PUT, [
        ...[realm, queue, name, cron, zone, job.payload, JSON.stringify(optionsOf(job)), paused],
        nextAt?.getTime() ?? null,
      ]);
      return { schedule: scheduleOf(row!), created: row!.made };
    },
    async get(realm, queue, name) {
      const [row] = await pool.query<Row>(GET, [realm, queue, name]);
      return row ? scheduleOf(row) : null;
    },
    async list(realm, queue, after, limit) {
      return (await pool.query<Row>(LIST, [realm, queue, after, limit])).map(scheduleOf);
    },
    async remove(realm, queue, name) {
      return (await pool.query(REMOVE, [realm, queue, name])).length > 0;
    },
    async due(limit) {
      const rows = limit > 0 ? await pool.query<Row>(DUE, [limit]) : [];
      // The time afterwards, so that it is no earlier than any of theirs: the tick after it is another one.
      const [clock] = await pool.query<{ now_ms: number }>(NOW, []);
      return { now: new Date(clock!.now_ms), schedules: rows.map(scheduleOf) };
    },
    async tick({ realm, queue, name, nextAt: at }, nextAt) {
      if (at === null) return { status: "stale" };
      const values = [realm, queue, name, at.getTime(), nextAt?.getTime() ?? null];
      const [row] = await pool.query<Ticked>(TICK, values);
      return row ? { status: "ticked", job: tickedJob(row) } : { status: "stale" };
    },
  };
}

function tickedJob(row: Ticked): PushedJob {
  return pushedJob({ ...row, visible_ms: row.visible_ms ?? row.now_ms });
}

function optionsOf({ payload: _, visibleAt, backoff, group, ...rest }: NewJob): Options {
  return {
    ...rest,
    ...(typeof group === "string" && { group }),
    ...(visibleAt && { visibleMs: visibleAt.getTime() }),
    ...(backoff && { backoff: backoffText(backoff) }),
  };
}

function jobOf(payload: string, { visibleMs, backoff, ...rest }: Options): NewJob {
  return {
    payload,
    ...rest,
    ...(visibleMs !== undefined && { visibleAt: new Date(visibleMs) }),
    ...(backoff !== undefined && { backoff: backoffOf(backoff) }),
  };
}

function backoffOf(text: string): Backoff {
  const [delayMs, factor, mostMs, jitter] = text.slice(1, -1).split(",").map(Number);
  return { delayMs: delayMs!, factor: factor!, mostMs: mostMs!, jitter: jitter! };
}

function scheduleOf({
  payload,
  options,
  next_ms,
  last_ms,
  last_job_id,
  created_ms,
  updated_ms,
  ...row
}: Row): Schedule {
  const { realm, queue, name, cron, zone, paused } = row;
  return {
    ...{ realm, queue, name, cron, zone, paused },
    job: jobOf(payload, options),
    nextAt: dateOf(next_ms),
    lastAt: dateOf(last_ms),
    lastJobId: last_job_id,
    createdAt: new Date(created_ms),
    updatedAt: new Date(updated_ms),
  };
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
