/** A queue as a whole: what it is doing, what holds for its jobs, and the list of queues. */
import * as v from "valibot";
import { whole } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields, pageOf, readCursor } from "../../kernel/page.ts";
import { USER } from "../../kernel/realm.ts";
import {
  ATTEMPTS_ASKED_MOST,
  QUEUE_DEFAULTS,
  type QueueAttempts,
  type QueueInfo,
  type QueueMinute,
  type QueueSettings,
  type QueueStats,
} from "../../ports/queue_settings.ts";
import { states } from "./job.ts";
import { knockQueue, namespace, noQueue } from "./job_fields.ts";
import { backoffFields, backoffJson, backoffOf } from "./new_job.ts";

const read = { needs: { scope: "queues", access: "read", of: "namespace" }, limit: "data" } as const;
const write = { needs: { scope: "queues", access: "write", of: "namespace" }, limit: "data" } as const;

const MINUTE_MS = 60_000;
/** Rates are those of so many whole minutes before the present one. */
const RATE_MINUTES = 5;
const RETENTION_MOST_SECONDS = 31_536_000;

const settingsSchema = {
  group_concurrency: v.pipe(v.number(), v.description("How many jobs of one group may be under way at once")),
  max_attempts: v.number(),
  backoff_seconds: v.number(),
  backoff_factor: v.number(),
  backoff_most_seconds: v.number(),
  backoff_jitter: v.number(),
  done_retention_seconds: v.number(),
  dead_retention_seconds: v.number(),
};

export const queueFields = {
  namespace: v.string(),
  paused: v.pipe(v.boolean(), v.description("true: it gives no jobs")),
  settings: v.object(settingsSchema),
  created_at: v.string(),
};

function settingsJson(settings: QueueSettings) {
  return {
    group_concurrency: settings.groupConcurrency,
    max_attempts: settings.maxAttempts,
    ...backoffJson(settings.backoff),
    done_retention_seconds: settings.doneRetentionMs / 1_000,
    dead_retention_seconds: settings.deadRetentionMs / 1_000,
  };
}

export function queueJson({ queue, paused, settings, createdAt }: QueueInfo) {
  return { namespace: queue, paused, settings: settingsJson(settings), created_at: createdAt.toISOString() };
}

const shownSettings = settingsJson(QUEUE_DEFAULTS);
/** The queue of the examples. */
export const shownQueue = { namespace: "mail", paused: false, settings: shownSettings, created_at: "$TIME" };

const counted = ["pushed", "claimed", "acked", "nacked", "expired", "dead"] as const;

const rates = Object.fromEntries(counted.map((what) => [what, v.number()])) as Record<
  (typeof counted)[number],
  v.NumberSchema<undefined>
>;

export const stats = call({
  ...read,
  summary: "Tell how a queue is doing.",
  details: `How many jobs there are in each state (counted up to a million), how long the oldest that may be claimed has waited, how often those that have been claimed and have not ended were (attempts), and what happened in the last minutes: jobs put in, attempts begun (claimed), ended well (acked), given back (nacked) and run out (expired), and jobs that became dead. per_minute is the mean of the ${RATE_MINUTES} whole minutes before this one.`,
  http: "GET /queue/:namespace",
  tool: "queue_stats",
  input: v.strictObject({ namespace }),
  output: v.object({
    ...queueFields,
    depth: v.pipe(v.number(), v.description("Jobs that have not ended: waiting, delayed and running")),
    counts: v.object(Object.fromEntries(states.map((state) => [state, v.number()]))),
    held: v.pipe(v.number(), v.description("Of those waiting, how many are held back by their group or key")),
    oldest_waiting_seconds: v.pipe(v.nullable(v.number()), v.description("null: none may be claimed")),
    attempts: v.pipe(
      v.object({
        jobs: v.pipe(v.number(), v.description("How many have been claimed at least once")),
        mean: v.pipe(v.nullable(v.number()), v.description("How often each of them, in the mean; null: there is none")),
        most: v.pipe(v.number(), v.description("How often the one that was claimed most")),
      }),
      v.description(
        `Of jobs that have not ended, the first ${ATTEMPTS_ASKED_MOST} of those that may be claimed, are held back, are delayed and run, each: a mean well above 1 tells of work that fails`,
      ),
    ),
    per_minute: v.object(rates),
    minutes: v.pipe(
      v.array(v.object({ at: v.string(), ...rates })),
      v.description("The latest minutes in which anything happened, the present one first"),
    ),
  }),
  faults: ["not_found"],
  examples: [
    {
      input: { namespace: "mail" },
      after: [["queues.push", 0]],
      output: {
        ...shownQueue,
        depth: 1,
        counts: { waiting: 1, delayed: 0, running: 0, done: 0, dead: 0, cancelled: 0 },
        held: 0,
        oldest_waiting_seconds: 0,
        attempts: { jobs: 0, mean: null, most: 0 },
        per_minute: { pushed: 0, claimed: 0, acked: 0, nacked: 0, expired: 0, dead: 0 },
        minutes: [{ at: "$TIME", pushed: 1, claimed: 0, acked: 0, nacked: 0, expired: 0, dead: 0 }],
      },
    },
  ],
  async handle(context, { namespace: queue }) {
    const found = await context.database.queue.stats(USER, queue);
    if (found === null) throw noQueue(queue);
    return statsJson(found, context.clock.now());
  },
});

function statsJson(found: QueueStats, now: Date) {
  const { counts, held, oldestWaitingMs, attempts, minutes } = found;
  return {
    ...queueJson(found),
    depth: counts.waiting + counts.delayed + counts.running,
    counts,
    held,
    oldest_waiting_seconds: oldestWaitingMs === null ? null : oldestWaitingMs / 1_000,
    attempts: attemptsJson(attempts),
    per_minute: meanOf(minutes, now),
    minutes: minutes.map(({ at, ...sums }) => ({ at: at.toISOString(), ...sums })),
  };
}

function attemptsJson({ jobs, sum, most }: QueueAttempts) {
  return { jobs, mean: jobs === 0 ? null : Math.round((sum / jobs) * 1_000) / 1_000, most };
}

function meanOf(minutes: readonly QueueMinute[], now: Date) {
  const present = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS;
  const whole = minutes.filter(
    ({ at }) => at.getTime() < present && at.getTime() >= present - RATE_MINUTES * MINUTE_MS,
  );
  const mean = (what: (typeof counted)[number]) => whole.reduce((sum, minute) => sum + minute[what], 0) / RATE_MINUTES;
  return {
    pushed: mean("pushed"),
    claimed: mean("claimed"),
    acked: mean("acked"),
    nacked: mean("nacked"),
    expired: mean("expired"),
    dead: mean("dead"),
  };
}

export const list = call({
  summary: "List the queues.",
  details: "In the order of their names, each with its settings. How a queue is doing is told by its stats.",
  http: "GET /queue-namespaces",
  tool: "queue_list",
  needs: { scope: "queues", access: "read" },
  limit: "data",
  input: v.strictObject(pageFields),
  output: v.object({ queues: v.array(v.object(queueFields)), next_cursor: nextCursor }),
  examples: [{ input: {}, after: [["queues.push", 0]], output: { queues: [shownQueue], next_cursor: null } }],
  async handle({ database }, { limit, cursor }) {
    const after = readCursor(cursor, v.string()) ?? "";
    const found = await database.queue.queues(USER, after, limit + 1);
    const { rows, next } = pageOf(found, limit, ({ queue }) => queue);
    return { queues: rows.map(queueJson), next_cursor: next };
  },
});

export const configure = call({
  ...write,
  summary: "Change the settings of a queue.",
  details:
    "What is left out stays as it is; the queue is made if there is none. They hold for jobs that do not say otherwise. A job that fails rests for backoff_seconds, and before each further attempt backoff_factor times as long, up to backoff_most_seconds.",
  http: "PATCH /queue/:namespace",
  tool: "queue_settings",
  idempotent: true,
  input: v.strictObject({
    namespace,
    group_concurrency: v.optional(
      whole(
        1,
        1_000,
        "How many jobs of one group may be under way at once; 1 keeps them in order. A change holds at once: what runs goes on, and the rest wait for their places, or get more",
      ),
    ),
    max_attempts: v.optional(whole(1, 1_000, "How often a job may be claimed before it is dead")),
    ...backoffFields,
    done_retention_seconds: v.optional(
      whole(0, RETENTION_MOST_SECONDS, "How long done and cancelled jobs are kept, to be looked at", "1 year"),
    ),
    dead_retention_seconds: v.optional(
      whole(0, RETENTION_MOST_SECONDS, "How long dead jobs are kept, to be brought back", "1 year"),
    ),
  }),
  output: v.object(queueFields),
  examples: [
    {
      input: { namespace: "mail", max_attempts: 3, backoff_seconds: 10 },
      output: { ...shownQueue, settings: { ...shownSettings, max_attempts: 3, backoff_seconds: 10 } },
    },
  ],
  async handle(context, { namespace: queue, ...asked }) {
    const { queue: store } = context.database;
    const base = (await store.info(USER, queue))?.settings.backoff ?? QUEUE_DEFAULTS.backoff;
    const backoff = backoffOf(asked, base);
    const info = await store.configure(USER, queue, {
      ...(asked.group_concurrency === undefined ? {} : { groupConcurrency: asked.group_concurrency }),
      ...(asked.max_attempts === undefined ? {} : { maxAttempts: asked.max_attempts }),
      ...(backoff === null ? {} : { backoff }),
      ...(asked.done_retention_seconds === undefined ? {} : { doneRetentionMs: asked.done_retention_seconds * 1_000 }),
      ...(asked.dead_retention_seconds === undefined ? {} : { deadRetentionMs: asked.dead_retention_seconds * 1_000 }),
    });
    knockQueue(context, queue);
    return queueJson(info);
  },
});
