/** Looking at jobs: one, or waiting for its end; and those of a state in pages. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { whole } from "../../kernel/fields.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields } from "../../kernel/page.ts";
import { USER } from "../../kernel/realm.ts";
import type { Job, JobState } from "../../ports/queue.ts";
import { WAIT_MOST_SECONDS } from "./claim.ts";
import { jobJson, jobSchema, shownJob, states } from "./job.ts";
import { jobId, namespace, noJob } from "./job_fields.ts";

const common = { needs: { scope: "queues", access: "read", of: "namespace" }, limit: "data", openWorld: true } as const;

export const get = call({
  ...common,
  summary: "Show a job, or wait for its end.",
  details:
    "With wait it answers once the job has ended, or after so many seconds with the job as it is then: look at state. A job that ends with a result is told at once, any other within a second. Jobs that have ended are kept as long as the queue's settings say.",
  http: "GET /queue/:namespace/:id",
  tool: "queue_job",
  input: v.strictObject({
    namespace,
    id: jobId,
    wait: v.optional(
      whole(0, WAIT_MOST_SECONDS, "How long to wait for the job's end, in seconds; 0: answer at once"),
      0,
    ),
  }),
  output: jobSchema,
  faults: ["not_found"],
  examples: [
    { input: { namespace: "mail", id: "$JOB_ID" }, output: shownJob },
    {
      input: { namespace: "mail", id: "$JOB_ID", wait: 20 },
      after: [["queues.complete", 0]],
      output: {
        ...shownJob,
        state: "done",
        attempt: 1,
        claimed_at: "$TIME",
        finished_at: "$TIME",
        result: { sent: true },
      },
    },
  ],
  async handle(context, { namespace: queue, id, wait }) {
    const job =
      wait === 0 ? await context.database.queue.get(USER, queue, id) : await whenEnded(context, queue, { id, wait });
    if (job === null) throw noJob(queue, id);
    return jobJson(queue, job);
  },
});

/** The job once it has ended, or as it is when the time is over, the caller has left or the server stops. */
async function whenEnded(
  context: Context,
  queue: string,
  { id, wait }: { id: string; wait: number },
): Promise<Job | null> {
  const { clock, database, principal, signal, waiters } = context;
  const until = clock.elapsed() + wait * 1_000;
  const waiter = waiters.enter({ knock: knockOf.job(USER, queue, id), holds: principal?.holds ?? [] });
  try {
    for (let turn: number | null = 0; ; ) {
      const job = await database.queue.get(USER, queue, id);
      const ms = until - clock.elapsed();
      if (job === null || job.finishedAt !== null || turn === null || ms <= 0 || signal.aborted) return job;
      turn = await waiter.next({ ms, signal });
    }
  } finally {
    waiter.leave();
  }
}

const jobs = v.object({ jobs: v.array(jobSchema), next_cursor: nextCursor });

async function page(
  { database }: Context,
  queue: string,
  { state, limit, cursor }: { state: JobState; limit: number; cursor?: string | undefined },
) {
  const found = await database.queue.list(USER, queue, state, { after: cursor ?? null, limit });
  return { jobs: found.jobs.map((job) => jobJson(queue, job)), next_cursor: found.next };
}

export const list = call({
  ...common,
  summary: "List the jobs of a queue that are in a state.",
  details:
    "Without claiming them. Waiting jobs come in the order in which they are claimed, delayed ones by their time, running ones by the end of their lease, those that have ended with the latest first.",
  http: "GET /queue/:namespace/jobs",
  tool: "queue_jobs",
  input: v.strictObject({
    namespace,
    state: v.optional(v.pipe(v.picklist(states), v.description("The state of the jobs")), "waiting"),
    ...pageFields,
  }),
  output: jobs,
  examples: [
    {
      input: { namespace: "mail", state: "waiting" },
      after: [["queues.push", 0]],
      output: { jobs: [shownJob], next_cursor: null },
    },
  ],
  handle: (context, { namespace: queue, ...asked }) => page(context, queue, asked),
});

export const dead = call({
  ...common,
  summary: "List the dead jobs of a queue.",
  details:
    "Jobs whose attempts are used up, the latest first, each with the error of its last attempt. Redrive brings them back.",
  http: "GET /queue/:namespace/dead",
  tool: false,
  input: v.strictObject({ namespace, ...pageFields }),
  output: jobs,
  examples: [
    {
      input: { namespace: "mail" },
      after: [["queues.nack", 1]],
      output: {
        jobs: [
          {
            ...shownJob,
            state: "dead",
            attempt: 1,
            claimed_at: "$TIME",
            finished_at: "$TIME",
            error: "There is no such address",
          },
        ],
        next_cursor: null,
      },
    },
  ],
  handle: (context, { namespace: queue, ...asked }) => page(context, queue, { ...asked, state: "dead" }),
});
