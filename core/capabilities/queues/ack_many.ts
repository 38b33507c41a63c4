/** Acknowledging several jobs at once, each by its own token and with an outcome of its own: alone, or on the way to the next claim. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { listOf } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { USER } from "../../kernel/realm.ts";
import type { Ack, AckOutcome } from "../../ports/queue.ts";
import {
  jobId,
  knockEnded,
  LIST_MAX_BYTES,
  leaseToken,
  namespace,
  PAYLOAD_MAX_BYTES,
  result,
  written,
} from "./job_fields.ts";

const ACK_MOST = 1_000;

/** Jobs that are done. */
export const doneJobs = listOf(
  v.strictObject({ id: jobId, lease_token: leaseToken, result: v.optional(result) }),
  ACK_MOST,
  "Jobs that are done, each with the lease_token of its claim",
);

type DoneJobs = v.InferOutput<typeof doneJobs>;

/** What became of each. */
export const ackOutcomes = v.pipe(
  v.array(
    v.object({
      id: v.string(),
      outcome: v.pipe(
        v.picklist(["acked", "already", "stale", "absent"]),
        v.description(
          "acked: done now. already: done before, with this token. stale: the token is not that of the job's latest claim, or the job has come back or ended since; nothing was changed. absent: there is no such job",
        ),
      ),
    }),
  ),
  v.description("What became of each acknowledgement, in the order sent"),
);

/** The acknowledgements as the store takes them; `field` names the list in a fault. */
export function acksOf(jobs: DoneJobs, { action, field }: { action: string; field: string }): Ack[] {
  return jobs.map(({ id, lease_token: token, result: value }, index) => {
    const how = { action, field: `${field}[${index}].result`, most: PAYLOAD_MAX_BYTES };
    return { id, token, result: value === undefined ? null : written(value, how) };
  });
}

/** Tells whoever waits for it, and gives what is answered of each. */
export function acknowledged(
  context: Context,
  queue: string,
  { acks, outcomes }: { acks: readonly Ack[]; outcomes: readonly AckOutcome[] },
) {
  const acked = outcomes.map((outcome) => (outcome.status === "acked" ? outcome : null));
  knockEnded(context, queue, {
    ids: acks.flatMap((ack, index) => (ack.result !== null && acked[index] ? ack.id : [])),
    released: acked.some((outcome) => outcome?.released),
  });
  return acks.map(({ id }, index) => ({ id, outcome: outcomes[index]!.status }));
}

export const ackMany = call({
  summary: "Acknowledge several jobs as done.",
  details: `1 to ${ACK_MOST} jobs of one queue in one request, each by its own lease_token: one that is stale does not hinder the others, and its outcome says so.`,
  http: "POST /queue/:namespace/ack",
  tool: "queue_ack_many",
  idempotent: true,
  needs: { scope: "queues", access: "write", of: "namespace" },
  limit: "data",
  input: v.strictObject({ namespace, jobs: doneJobs }),
  body: { list: "jobs", most: () => ({ json: LIST_MAX_BYTES, raw: 0 }) },
  output: v.object({ jobs: ackOutcomes }),
  faults: ["too_large"],
  examples: [
    {
      input: { namespace: "mail", jobs: [{ id: "$JOB_ID", lease_token: "$LEASE_TOKEN" }] },
      after: [["queues.claim", 0]],
      output: { jobs: [{ id: "$JOB_ID", outcome: "acked" }] },
    },
  ],
  async handle(context, { namespace: queue, jobs }) {
    const acks = acksOf(jobs, { action: "acknowledge several jobs as done", field: "jobs" });
    const outcomes = await context.database.queue.ack(USER, queue, acks);
    return { jobs: acknowledged(context, queue, { acks, outcomes }) };
  },
});
