/** Holding a queue, emptying it, and forgetting it. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call } from "../../kernel/operation.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import type { JobState } from "../../ports/queue.ts";
import { states } from "./job.ts";
import { knockQueue, namespace, noQueue } from "./job_fields.ts";
import { queueFields, queueJson, shownQueue } from "./queue.ts";

const common = {
  needs: { scope: "queues", access: "write", of: "namespace" },
  limit: "data",
  idempotent: true,
} as const;

const BATCH = 1_000;

async function setPaused(context: Context, queue: string, paused: boolean) {
  const { queue: store } = context.database;
  if (!(await store.pause(USER, queue, paused))) throw noQueue(queue);
  const info = await store.info(USER, queue);
  if (info === null) throw noQueue(queue);
  if (!paused) knockQueue(context, queue);
  return queueJson(info);
}

export const pause = call({
  ...common,
  summary: "Pause a queue.",
  details:
    "It gives no jobs from now on, to nobody, until it is resumed. Jobs that run go on and may be acknowledged, and new ones are taken.",
  http: "POST /queue/:namespace/pause",
  tool: "queue_pause",
  input: v.strictObject({ namespace }),
  output: v.object(queueFields),
  faults: ["not_found"],
  examples: [{ input: { namespace: "mail" }, after: [["queues.push", 0]], output: { ...shownQueue, paused: true } }],
  handle: (context, { namespace: queue }) => setPaused(context, queue, true),
});

export const resume = call({
  ...common,
  summary: "Resume a queue that was paused.",
  http: "POST /queue/:namespace/resume",
  tool: "queue_resume",
  input: v.strictObject({ namespace }),
  output: v.object(queueFields),
  faults: ["not_found"],
  examples: [{ input: { namespace: "mail" }, after: [["queues.pause", 0]], output: shownQueue }],
  handle: (context, { namespace: queue }) => setPaused(context, queue, false),
});

const confirm = v.pipe(v.string(), v.description("The queue's name once more, so that it is meant"));

function refuseUnconfirmed(action: string, queue: string, typed: string): void {
  if (typed === queue) return;
  throw new Fault("invalid_input", `Cannot ${action}: confirm is not the queue's name; send ${queue} if you mean it`, {
    details: { field: "confirm" },
  });
}

export const purge = call({
  ...common,
  summary: "Remove the jobs of a queue.",
  details:
    "All of a state, or all there are, without a trace; it cannot be undone. Workers that have one of them find their lease over. Settings and schedules stay.",
  http: "POST /queue/:namespace/purge",
  tool: "queue_purge",
  effect: "destroy",
  input: v.strictObject({
    namespace,
    confirm,
    state: v.optional(v.pipe(v.picklist(states), v.description("Jobs in this state only; left out: all"))),
  }),
  output: v.object({ namespace: v.string(), purged: v.pipe(v.number(), v.description("How many jobs went")) }),
  faults: ["not_found"],
  examples: [
    {
      input: { namespace: "mail", confirm: "mail", state: "waiting" },
      after: [["queues.push", 0]],
      output: { namespace: "mail", purged: 1 },
    },
  ],
  async handle(context, { namespace: queue, confirm: typed, state }) {
    refuseUnconfirmed("remove the jobs of a queue", queue, typed);
    if ((await context.database.queue.info(USER, queue)) === null) throw noQueue(queue);
    let purged = 0;
    for (const each of state === undefined ? states : [state]) purged += await purgeState(context, queue, each);
    if (purged > 0) knockQueue(context, queue);
    return { namespace: queue, purged };
  },
});

/** In batches, so that nobody waits long for the rows; jobs that come meanwhile may stay. */
async function purgeState({ database, signal }: Context, queue: string, state: JobState): Promise<number> {
  let purged = 0;
  while (!signal.aborted) {
    const gone = await database.queue.purge(USER, queue, state, BATCH);
    purged += gone;
    if (gone < BATCH) break;
  }
  return purged;
}

export const remove = call({
  ...common,
  summary: "Forget a queue that is empty.",
  details:
    "Its settings go. While it has jobs, ended ones included, or schedules, it is 409: purge it and delete its schedules first.",
  http: "DELETE /queue/:namespace",
  tool: "queue_delete",
  input: v.strictObject({ namespace }),
  output: v.object({ namespace: v.string(), removed: v.literal(true) }),
  faults: ["conflict"],
  examples: [
    { input: { namespace: "mail" }, after: [["queues.configure", 0]], output: { namespace: "mail", removed: true } },
  ],
  async handle({ database }, { namespace: queue }) {
    if (await database.queue.remove(USER, queue)) return { namespace: queue, removed: true as const };
    throw new Fault(
      "conflict",
      `Cannot forget the queue ${queue}: it has jobs or schedules; purge it and delete them first`,
      {
        details: { namespace: queue },
      },
    );
  },
});
