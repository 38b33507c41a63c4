/** What a worker says while it works: that it is still at it, and how far it is. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call } from "../../kernel/operation.ts";
import { USER } from "../../kernel/realm.ts";
import type { Extend } from "../../ports/queue.ts";
import {
  jobId,
  leaseSeconds,
  leaseToken,
  namespace,
  noJob,
  progress as note,
  PROGRESS_MAX_BYTES,
  visibility,
  written,
} from "./job_fields.ts";
import { leaseLost } from "./settle.ts";

const common = {
  needs: { scope: "queues", access: "write", of: "namespace" },
  limit: "data",
  idempotent: true,
} as const;

const extended = v.object({
  id: v.string(),
  lease_expires_at: v.pipe(v.string(), v.description("When others may get the job, unless you extend the lease again")),
  cancel_requested: v.pipe(
    v.boolean(),
    v.description(
      "true: somebody wants the job cancelled. Stop, and give it back (nack); it will not be claimed again",
    ),
  ),
});

const held = { namespace: "mail", id: "$JOB_ID", lease_token: "$LEASE_TOKEN" };
const shown = { id: "$JOB_ID", lease_expires_at: "$TIME", cancel_requested: false };
const after = [["queues.claim", 0]] as const;

async function hold(context: Context, queue: string, extension: Extend) {
  const { id } = extension;
  const outcome = (await context.database.queue.extend(USER, queue, [extension]))[0]!;
  if (outcome.status === "absent") throw noJob(queue, id);
  if (outcome.status !== "extended") throw leaseLost("extend the lease of the job", id);
  const { leaseExpiresAt, cancelRequested } = outcome;
  return { id, lease_expires_at: leaseExpiresAt.toISOString(), cancel_requested: cancelRequested };
}

export const extend = call({
  ...common,
  summary: "Extend the lease of a job.",
  details:
    "A heartbeat: say it before lease_expires_at while the work goes on, at best when half of the time is over. It also tells whether somebody wants the job cancelled. It counts even after lease_expires_at, as long as the job has not come back or gone to somebody else. A conflict means that it has: stop, and discard what you did.",
  http: "POST /queue/:namespace/:id/extend",
  tool: "queue_extend",
  input: v.strictObject({ namespace, id: jobId, lease_token: leaseToken, visibility_timeout_seconds: leaseSeconds }),
  output: extended,
  faults: ["not_found", "conflict"],
  examples: [{ input: { ...held, visibility_timeout_seconds: 120 }, after, output: shown }],
  handle: (context, { namespace: queue, id, lease_token: token, visibility_timeout_seconds }) =>
    hold(context, queue, { id, token, leaseMs: visibility_timeout_seconds * 1_000 }),
});

export const progress = call({
  ...common,
  summary: "Report the progress of a job.",
  details:
    "The note stands with the job for whoever looks at it. With visibility_timeout_seconds it is a heartbeat too; without it the lease stays as it is.",
  http: "POST /queue/:namespace/:id/progress",
  tool: "queue_progress",
  input: v.strictObject({
    namespace,
    id: jobId,
    lease_token: leaseToken,
    progress: note,
    visibility_timeout_seconds: v.optional(visibility),
  }),
  output: extended,
  faults: ["not_found", "conflict", "too_large"],
  examples: [{ input: { ...held, progress: { done: 3, of: 10 } }, after, output: shown }],
  handle(context, { namespace: queue, id, lease_token: token, progress: value, visibility_timeout_seconds }) {
    const text = written(value, {
      action: "report the progress of the job",
      field: "progress",
      most: PROGRESS_MAX_BYTES,
    });
    const lease = visibility_timeout_seconds === undefined ? {} : { leaseMs: visibility_timeout_seconds * 1_000 };
    return hold(context, queue, { id, token, progress: text, ...lease });
  },
});
