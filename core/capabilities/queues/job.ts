/** A job as everybody who may read its queue sees it; what its worker alone knows, the lease token, is never shown. */
import * as v from "valibot";
import type { Job, JobState } from "../../ports/queue.ts";
import { read } from "./job_fields.ts";

export const states: readonly [JobState, ...JobState[]] = [
  "waiting",
  "delayed",
  "running",
  "done",
  "dead",
  "cancelled",
];

const moment = v.nullable(v.string());

export const jobSchema = v.object({
  id: v.string(),
  namespace: v.string(),
  state: v.pipe(
    v.picklist(states),
    v.description(
      "waiting: it may be claimed, or is held back by its group or its key. delayed: its time has not come. running: a worker has it. The others have ended: done, dead (its attempts are used up), cancelled",
    ),
  ),
  payload: v.unknown(),
  priority: v.number(),
  group: v.nullable(v.string()),
  dedup_key: v.nullable(v.string()),
  attempt: v.pipe(v.number(), v.description("How often it has been claimed since it was put in or redriven")),
  max_attempts: v.number(),
  created_at: v.string(),
  visible_at: v.pipe(v.string(), v.description("From when on it may be claimed, or could last")),
  claimed_at: v.pipe(moment, v.description("The latest claim")),
  lease_expires_at: v.pipe(moment, v.description("Of a running job")),
  finished_at: v.pipe(moment, v.description("When it ended; null: it has not")),
  error: v.pipe(v.nullable(v.string()), v.description("Why the latest attempt that failed did")),
  progress: v.pipe(v.unknown(), v.description("What its worker last said of its progress")),
  result: v.pipe(v.unknown(), v.description("What its worker left when it was done")),
  cancel_requested: v.boolean(),
  redrives: v.pipe(v.number(), v.description("How often it was brought back from the dead")),
});

export function jobJson(queue: string, job: Job): v.InferInput<typeof jobSchema> {
  return {
    id: job.id,
    namespace: queue,
    state: job.state,
    payload: read(job.payload),
    priority: job.priority,
    group: job.group,
    dedup_key: job.dedupKey,
    attempt: job.attempt,
    max_attempts: job.maxAttempts,
    created_at: job.createdAt.toISOString(),
    visible_at: job.visibleAt.toISOString(),
    claimed_at: job.claimedAt?.toISOString() ?? null,
    lease_expires_at: job.leaseExpiresAt?.toISOString() ?? null,
    finished_at: job.finishedAt?.toISOString() ?? null,
    error: job.error,
    progress: read(job.progress),
    result: read(job.result),
    cancel_requested: job.cancelRequested,
    redrives: job.redrives,
  };
}

/** The job that the examples put into the queue, before anybody has claimed it. */
export const shownJob = {
  id: "$JOB_ID",
  namespace: "mail",
  state: "waiting",
  payload: { to: "ada@example.org", template: "welcome" },
  priority: 5,
  group: null,
  dedup_key: null,
  attempt: 0,
  max_attempts: 5,
  created_at: "$TIME",
  visible_at: "$TIME",
  claimed_at: null,
  lease_expires_at: null,
  finished_at: null,
  error: null,
  progress: null,
  result: null,
  cancel_requested: false,
  redrives: 0,
};
