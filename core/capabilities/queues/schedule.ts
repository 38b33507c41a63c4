/** Schedules: a job that is put into its queue again and again, by a cron expression on the clock of a time zone. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields, pageOf, readCursor } from "../../kernel/page.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import type { NewJob, Schedule } from "../../ports/queue.ts";
import { cronField, nextTick, nextTicks, zoneField } from "./cron.ts";
import { BODY_MAX_BYTES, name, namespace, read } from "./job_fields.ts";
import { backoffJson, newJob, payload, standingFields } from "./new_job.ts";

const write = { needs: { scope: "queues", access: "write", of: "namespace" }, limit: "data" } as const;
const reading = { needs: { scope: "queues", access: "read", of: "namespace" }, limit: "data" } as const;

/** How many of the coming ticks are shown. */
const SHOWN_TICKS = 3;

const scheduleName = name("The schedule's name, of which a queue has one each");

const scheduleSchema = v.object({
  namespace: v.string(),
  name: v.string(),
  cron: v.string(),
  time_zone: v.string(),
  paused: v.boolean(),
  job: v.pipe(v.record(v.string(), v.unknown()), v.description("The job that each tick puts into the queue")),
  next_at: v.pipe(v.nullable(v.string()), v.description("The next tick; null: there is none any more")),
  then_at: v.pipe(v.array(v.string()), v.description("Some of the ticks after the next one")),
  last_at: v.pipe(v.nullable(v.string()), v.description("What the latest tick was due at")),
  last_job_id: v.pipe(v.nullable(v.string()), v.description("The job that the latest tick made")),
  created_at: v.string(),
  updated_at: v.string(),
});

const job = { job: "nightly-report" };
const given = { cron: "30 2 * * *", time_zone: "Europe/Berlin" };
const shown = {
  namespace: "reports",
  name: "nightly",
  ...given,
  paused: false,
  job: { payload: job, dedup_key: "nightly", dedup_mode: "drop" },
  next_at: "$TIME",
  then_at: ["$TIME", "$TIME", "$TIME"],
  last_at: null,
  last_job_id: null,
  created_at: "$TIME",
  updated_at: "$TIME",
};

export const putSchedule = call({
  ...write,
  summary: "Make or change a schedule.",
  details:
    "Each tick puts the job into the queue once, however many servers there are. Ticks that were missed while no server ran are made up for by one. Where clocks change, times that are named (30 2 * * *) tick once a day: in spring at the first moment after the hour that is left out, in autumn at the first of the two; expressions with * or a step in minutes or hours go by real time. A dedup_key keeps jobs from piling up while nobody works. The queue is made if there is none.",
  http: "PUT /queue-schedules/:namespace/:name",
  tool: "queue_schedule_put",
  idempotent: true,
  status: 201,
  otherwise: { status: 200, words: "A schedule that was there has been changed." },
  input: v.strictObject({
    namespace,
    name: scheduleName,
    cron: cronField,
    time_zone: v.optional(zoneField, "UTC"),
    paused: v.optional(v.pipe(v.boolean(), v.description("true: it does not tick for now")), false),
    payload,
    ...standingFields,
  }),
  body: { most: () => ({ json: BODY_MAX_BYTES, raw: 0 }) },
  output: scheduleSchema,
  faults: ["too_large"],
  examples: [
    {
      input: { namespace: "reports", name: "nightly", ...given, payload: job, dedup_key: "nightly" },
      output: shown,
    },
  ],
  async handle(context, { namespace: queue, name: called, cron, time_zone, paused, ...sent }) {
    const { schedules } = context.database.queue;
    const { now } = await schedules.due(0);
    const nextAt = nextTick(cron, time_zone, now);
    if (nextAt === null)
      throw new Fault("invalid_input", `Cannot make or change a schedule: cron is ${cron}, which never comes`, {
        details: { field: "cron" },
      });
    const { schedule, created } = await schedules.put({
      realm: USER,
      queue,
      name: called,
      cron,
      zone: time_zone,
      job: newJob(sent, { action: "make or change a schedule" }),
      paused,
      nextAt,
    });
    if (!created) context.reply({ status: 200 });
    return scheduleJson(schedule);
  },
});

export const listSchedules = call({
  ...reading,
  summary: "List the schedules of a queue.",
  http: "GET /queue-schedules/:namespace",
  tool: "queue_schedule_list",
  input: v.strictObject({ namespace, ...pageFields }),
  output: v.object({ schedules: v.array(scheduleSchema), next_cursor: nextCursor }),
  examples: [
    {
      input: { namespace: "reports" },
      after: [["queues.putSchedule", 0]],
      output: { schedules: [shown], next_cursor: null },
    },
  ],
  async handle({ database }, { namespace: queue, limit, cursor }) {
    const after = readCursor(cursor, v.string()) ?? "";
    const found = await database.queue.schedules.list(USER, queue, after, limit + 1);
    const { rows, next } = pageOf(found, limit, (schedule) => schedule.name);
    return { schedules: rows.map(scheduleJson), next_cursor: next };
  },
});

export const getSchedule = call({
  ...reading,
  summary: "Show a schedule.",
  http: "GET /queue-schedules/:namespace/:name",
  tool: "queue_schedule_get",
  input: v.strictObject({ namespace, name: scheduleName }),
  output: scheduleSchema,
  faults: ["not_found"],
  examples: [{ input: { namespace: "reports", name: "nightly" }, after: [["queues.putSchedule", 0]], output: shown }],
  async handle({ database }: Context, { namespace: queue, name: called }) {
    const found = await database.queue.schedules.get(USER, queue, called);
    if (found === null) throw noSchedule(queue, called);
    return scheduleJson(found);
  },
});

export const removeSchedule = call({
  ...write,
  summary: "Delete a schedule.",
  details: "It does not tick any more; the jobs that it has made stay.",
  http: "DELETE /queue-schedules/:namespace/:name",
  tool: "queue_schedule_delete",
  input: v.strictObject({ namespace, name: scheduleName }),
  output: v.object({ namespace: v.string(), name: v.string(), removed: v.literal(true) }),
  faults: ["not_found"],
  examples: [
    {
      input: { namespace: "reports", name: "nightly" },
      after: [["queues.putSchedule", 0]],
      output: { namespace: "reports", name: "nightly", removed: true },
    },
  ],
  async handle({ database }, { namespace: queue, name: called }) {
    if (!(await database.queue.schedules.remove(USER, queue, called))) throw noSchedule(queue, called);
    return { namespace: queue, name: called, removed: true as const };
  },
});

function noSchedule(queue: string, called: string): Fault {
  return new Fault("not_found", `There is no schedule ${called} of the queue ${queue}`, {
    details: { namespace: queue, name: called },
  });
}

function scheduleJson(schedule: Schedule): v.InferInput<typeof scheduleSchema> {
  const { queue, cron, zone, nextAt } = schedule;
  const then = nextAt === null ? [] : nextTicks(cron, zone, { after: nextAt, count: SHOWN_TICKS });
  return {
    namespace: queue,
    name: schedule.name,
    cron,
    time_zone: zone,
    paused: schedule.paused,
    job: sentJob(schedule.job),
    next_at: nextAt?.toISOString() ?? null,
    then_at: then.map((at) => at.toISOString()),
    last_at: schedule.lastAt?.toISOString() ?? null,
    last_job_id: schedule.lastJobId,
    created_at: schedule.createdAt.toISOString(),
    updated_at: schedule.updatedAt.toISOString(),
  };
}

/** The stored job in the fields that it was sent in. */
function sentJob({ payload: text, priority, group, maxAttempts, dedup, backoff }: NewJob) {
  return {
    payload: read(text),
    ...(priority === undefined ? {} : { priority }),
    ...(group === undefined ? {} : { group }),
    ...(maxAttempts === undefined ? {} : { max_attempts: maxAttempts }),
    ...(dedup === undefined ? {} : { dedup_key: dedup.key, dedup_mode: dedup.mode }),
    ...(dedup?.windowMs === undefined ? {} : { dedup_window_seconds: dedup.windowMs / 1_000 }),
    ...(backoff === undefined ? {} : backoffJson(backoff)),
  };
}
