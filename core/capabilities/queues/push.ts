/** Putting jobs into a queue: one URL that takes a job or a list of them, and a tool for each of the two. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { listOf } from "../../kernel/fields.ts";
import { inForms } from "../../kernel/forms.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import type { Plan } from "../../kernel/plan.ts";
import { USER } from "../../kernel/realm.ts";
import type { Outcome } from "../../ports/database.ts";
import { Fault, type FaultCode } from "../../ports/fault.ts";
import type { PushedJob, PushJobs } from "../../ports/queue.ts";
import { knockQueue, LIST_MAX_BYTES, namespace } from "./job_fields.ts";
import { jobEntries, newJob, type SentJob } from "./new_job.ts";

/** The most jobs of one push. */
export const PUSH_MOST = 1_000;

const jobs = listOf(
  v.strictObject(jobEntries),
  PUSH_MOST,
  "Jobs to put into the queue at once, in this order: all of them or none",
);

const pushed = v.object({
  id: v.pipe(v.string(), v.description("The job's id; with dropped that of the job that was there")),
  state: v.pipe(
    v.picklist(["waiting", "delayed", "running", "done", "dead", "cancelled"]),
    v.description("Where the job stands"),
  ),
  visible_at: v.pipe(v.string(), v.description("From when on it may be claimed")),
  deduplicated: v.pipe(
    v.nullable(v.picklist(["dropped", "replaced"])),
    v.description(
      "What its dedup_key did: the new job was dropped, or took the place of the one that waited; null: neither",
    ),
  ),
});
const pushedMany = v.object({
  jobs: v.pipe(v.array(pushed), v.description("What became of each job, in the order sent")),
});

const common = {
  needs: { scope: "queues", access: "write", of: "namespace" },
  limit: "data",
  status: 201,
  otherwise: { status: 200, words: "Nothing was added: every job was dropped because of its dedup_key." },
} as const;
const faults: readonly FaultCode[] = ["too_large"];

const shown = { id: "$JOB_ID", state: "waiting", visible_at: "$TIME", deduplicated: null };
const mail = { payload: { to: "ada@example.org", template: "welcome" }, priority: 5 };
const exampleOne = { input: { namespace: "mail", ...mail }, output: shown };
const exampleMany = {
  input: {
    namespace: "mail",
    jobs: [
      { payload: { step: 1 }, group: "order-42" },
      { payload: { step: 2 }, group: "order-42", delay_seconds: 60 },
    ],
  },
  output: {
    jobs: [
      { ...shown, id: "$FIRST_JOB_ID" },
      { ...shown, id: "$NEXT_JOB_ID", state: "delayed" },
    ],
  },
};

type One = { namespace: string } & SentJob;
type Many = { namespace: string; jobs: readonly SentJob[] };
type Sent = { namespace: string; jobs?: readonly SentJob[] | undefined } & Partial<SentJob>;

export const push = call({
  ...common,
  summary: "Put a job into a queue.",
  details: `A 201 means that the job is flushed to disk. A body that is a list, or jobs in place of payload, puts 1 to ${PUSH_MOST} jobs there at once, all of them or none, in one request of at most ${LIST_MAX_BYTES / 2 ** 20} MiB. A retry after a lost answer is safe with a dedup_key and a dedup_window_seconds. A queue comes into being with its first job.`,
  http: "POST /queue/:namespace",
  tool: false,
  input: inForms(
    { namespace, ...jobEntries, payload: v.optional(jobEntries.payload), jobs: v.optional(jobs) },
    {
      payload: { is: "any JSON value", beside: Object.keys(jobEntries).filter((field) => field !== "payload") },
      jobs: { is: `a list of 1 to ${PUSH_MOST} jobs`, beside: [] },
    },
  ),
  body: { list: "jobs", most: () => ({ json: LIST_MAX_BYTES, raw: 0 }) },
  batch: { op: "queue.push", plan: async (_, input) => pushPlan(input as Sent) },
  output: v.union([pushed, pushedMany]),
  faults,
  examples: [exampleOne, exampleMany],
  handle: async (context, input) => {
    const answer = await pushNow(context, manyOf(input as Sent));
    return input.jobs === undefined ? answer.jobs[0]! : answer;
  },
});

export const enqueue = call({
  ...common,
  summary: "Put a job into a queue.",
  details:
    "Once it has answered, the job is flushed to disk, and a worker gets it with queue_claim. Keep the id: queue_job tells how the job stands and what came of it.",
  http: false,
  tool: "queue_enqueue",
  input: v.strictObject({ namespace, ...jobEntries }),
  output: pushed,
  faults,
  examples: [exampleOne],
  handle: async (context, input) => (await pushNow(context, manyOf(input as One))).jobs[0]!,
});

export const enqueueMany = call({
  ...common,
  summary: "Put several jobs into a queue at once.",
  details:
    "All of them are stored, in this order, or none. Jobs of one group are worked off one after another, in the order in which they come due.",
  http: false,
  tool: "queue_enqueue_many",
  input: v.strictObject({ namespace, jobs }),
  output: pushedMany,
  faults,
  examples: [exampleMany],
  handle: async (context, input) => pushNow(context, input as Many),
});

function manyOf({ namespace: queue, jobs: list, ...one }: Sent): Many {
  return { namespace: queue, jobs: list ?? [one as SentJob] };
}

const ACTION = "put a job into a queue";

function commandOf({ namespace: queue, jobs: list }: Many): PushJobs {
  const alone = list.length === 1;
  return {
    op: "queue.push",
    realm: USER,
    queue,
    jobs: list.map((job, index) => newJob(job, { action: ACTION, ...(alone ? {} : { at: `jobs[${index}].` }) })),
  };
}

/** By the store's own way for pushes, which gathers those of many callers into one statement. */
async function pushNow(context: Context, many: Many) {
  const outcome = await context.database.queue.push(commandOf(many));
  const added = outcome.jobs.some(({ deduplicated }) => deduplicated !== "dropped");
  if (added) knockQueue(context, many.namespace);
  else context.reply({ status: 200 });
  return { jobs: outcome.jobs.map(pushedJson) };
}

/** The same as part of a unit. */
function pushPlan(sent: Sent): Plan<v.InferInput<typeof pushed> | v.InferInput<typeof pushedMany>> {
  const many = manyOf(sent);
  const told = ([outcome]: readonly Outcome[]) => {
    if (outcome?.status !== "pushed") throw new Error(`a push has the outcome ${outcome?.status}`);
    return outcome.jobs.map(pushedJson);
  };
  return {
    commands: [commandOf(many)],
    answer: (outcomes) => (sent.jobs === undefined ? told(outcomes)[0]! : { jobs: told(outcomes) }),
    refusal: () => new Fault("conflict", "The jobs were not stored"),
    knocks: [knockOf.queue(USER, many.namespace)],
  };
}

function pushedJson({ id, state, visibleAt, deduplicated }: PushedJob) {
  return { id, state, visible_at: visibleAt.toISOString(), deduplicated };
}
