/** Ending the work on a job: acknowledged as done, or given back. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { whole } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import {
  BODY_MAX_BYTES,
  error,
  jobId,
  knockEnded,
  knockQueue,
  leaseToken,
  namespace,
  noJob,
  PAYLOAD_MAX_BYTES,
  result,
  written,
} from "./job_fields.ts";

const needs = { scope: "queues", access: "write", of: "namespace" } as const;

/** The one fault for a lease that is over. `action` completes "Cannot …". */
export function leaseLost(action: string, id: string): Fault {
  const words = `its lease is over and the job has come back or ended since, or the token is not that of its latest claim; nothing was changed. Somebody else may have the job: stop working on it`;
  return new Fault("conflict", `Cannot ${action} ${id}: ${words}`, { details: { job_id: id, reason: "lease_lost" } });
}

const done = v.object({
  id: v.string(),
  state: v.pipe(v.literal("done"), v.description("The job will not be claimed again")),
  already: v.pipe(v.boolean(), v.description("true: it had been acknowledged with this token before")),
  cancel_requested: v.pipe(v.boolean(), v.description("Somebody had asked to cancel it while it ran")),
});

interface Acknowledged {
  namespace: string;
  id: string;
  lease_token: string;
  result?: Json | undefined;
}

async function acknowledge(context: Context, { namespace: queue, id, lease_token: token, result }: Acknowledged) {
  const text =
    result === undefined
      ? null
      : written(result, { action: "acknowledge the job", field: "result", most: PAYLOAD_MAX_BYTES });
  const outcome = (await context.database.queue.ack(USER, queue, [{ id, token, result: text }]))[0]!;
  if (outcome.status === "absent") throw noJob(queue, id);
  if (outcome.status === "stale") throw leaseLost("acknowledge the job", id);
  const acked = outcome.status === "acked" ? outcome : null;
  knockEnded(context, queue, { ids: result === undefined ? [] : [id], released: acked?.released ?? false });
  return { id, state: "done" as const, already: acked === null, cancel_requested: acked?.cancelRequested ?? false };
}

const claimedBefore = [["queues.claim", 0]] as const;
const acked = { id: "$JOB_ID", state: "done", already: false, cancel_requested: false };

export const ack = call({
  summary: "Acknowledge a job as done.",
  details:
    "Only with the lease_token of the latest claim. It counts even after lease_expires_at, until somebody else has claimed the job or it has come back or ended; from then on it is 409 and changes nothing. The same acknowledgement twice is fine. To leave a result, POST to /queue/:namespace/:id/ack.",
  http: "DELETE /queue/:namespace/:id",
  tool: false,
  idempotent: true,
  needs,
  limit: "data",
  input: v.strictObject({ namespace, id: jobId, lease_token: leaseToken }),
  headers: { lease_token: "X-Lease-Token" },
  output: done,
  faults: ["not_found", "conflict"],
  examples: [
    { input: { namespace: "mail", id: "$JOB_ID", lease_token: "$LEASE_TOKEN" }, after: claimedBefore, output: acked },
  ],
  handle: (context, input) => acknowledge(context, input),
});

export const complete = call({
  summary: "Acknowledge a job as done, with its result.",
  details:
    "The job is done and will not be claimed again; whoever waits for it gets the result at once. Only with the lease_token of the latest claim. It counts even after lease_expires_at, until somebody else has claimed the job or it has come back or ended: that is a conflict, nothing was changed, and the result was not kept. The same acknowledgement twice is fine.",
  http: "POST /queue/:namespace/:id/ack",
  tool: "queue_ack",
  idempotent: true,
  needs,
  limit: "data",
  input: v.strictObject({ namespace, id: jobId, lease_token: leaseToken, result: v.optional(result) }),
  body: { most: () => ({ json: BODY_MAX_BYTES, raw: 0 }) },
  output: done,
  faults: ["not_found", "conflict", "too_large"],
  examples: [
    {
      input: { namespace: "mail", id: "$JOB_ID", lease_token: "$LEASE_TOKEN", result: { sent: true } },
      after: claimedBefore,
      output: acked,
    },
  ],
  handle: (context, input) => acknowledge(context, input),
});

export const nack = call({
  summary: "Give a job back because it could not be done.",
  details:
    "It is claimed again after a rest that grows with each attempt, or after delay_seconds; after its last attempt it is dead, and with final at once. Say in error what went wrong, so that a person can decide. Only with the lease_token of the latest claim, which counts even after lease_expires_at, until somebody else has claimed the job or it has come back or ended; the same call twice is fine.",
  http: "POST /queue/:namespace/:id/nack",
  tool: "queue_nack",
  idempotent: true,
  needs,
  limit: "data",
  input: v.strictObject({
    namespace,
    id: jobId,
    lease_token: leaseToken,
    delay_seconds: v.optional(
      whole(0, 31_536_000, "How long until it may be claimed again; left out: by its backoff", "1 year"),
    ),
    error: v.optional(error),
    final: v.optional(
      v.pipe(v.boolean(), v.description("true: there is no use in another attempt, so it is dead at once")),
    ),
  }),
  output: v.object({
    id: v.string(),
    state: v.pipe(
      v.nullable(v.picklist(["waiting", "delayed", "dead", "cancelled"])),
      v.description("Where the job stands now; null when it had been given back before"),
    ),
    visible_at: v.pipe(
      v.nullable(v.string()),
      v.description("When it may be claimed again; null: it will not be, or had been given back before"),
    ),
    already: v.pipe(v.boolean(), v.description("true: it had been given back with this token before")),
  }),
  faults: ["not_found", "conflict"],
  examples: [
    {
      input: {
        namespace: "mail",
        id: "$JOB_ID",
        lease_token: "$LEASE_TOKEN",
        delay_seconds: 60,
        error: "The mail server does not answer",
      },
      after: claimedBefore,
      output: { id: "$JOB_ID", state: "delayed", visible_at: "$TIME", already: false },
    },
    {
      input: {
        namespace: "mail",
        id: "$JOB_ID",
        lease_token: "$LEASE_TOKEN",
        error: "There is no such address",
        final: true,
      },
      after: claimedBefore,
      output: { id: "$JOB_ID", state: "dead", visible_at: null, already: false },
    },
  ],
  async handle(context, { namespace: queue, id, lease_token: token, delay_seconds, error: words, final }) {
    const outcome = (
      await context.database.queue.nack(USER, queue, [
        {
          id,
          token,
          ...(delay_seconds === undefined ? {} : { delayMs: delay_seconds * 1_000 }),
          ...(words === undefined ? {} : { error: words }),
          ...(final === undefined ? {} : { final }),
        },
      ])
    )[0]!;
    if (outcome.status === "absent") throw noJob(queue, id);
    if (outcome.status === "stale") throw leaseLost("give back the job", id);
    if (outcome.status === "retried") {
      knockQueue(context, queue);
      const state = outcome.visibleAt > context.clock.now() ? ("delayed" as const) : ("waiting" as const);
      return { id, state, visible_at: outcome.visibleAt.toISOString(), already: false };
    }
    if (!("released" in outcome)) return { id, state: null, visible_at: null, already: true };
    knockEnded(context, queue, { ids: [id], released: outcome.released });
    return { id, state: outcome.status, visible_at: null, already: false };
  },
});
