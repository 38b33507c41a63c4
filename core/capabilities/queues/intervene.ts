/** What somebody who is not its worker does to a job: cancel it, or bring it back from the dead. */
import * as v from "valibot";
import { whole } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import {
  BODY_MAX_BYTES,
  jobId,
  knockEnded,
  knockQueue,
  namespace,
  noJob,
  PAYLOAD_MAX_BYTES,
  written,
} from "./job_fields.ts";
import { payload } from "./new_job.ts";

const common = { needs: { scope: "queues", access: "write", of: "namespace" }, limit: "data" } as const;

const REDRIVE_MOST = 1_000;

export const cancel = call({
  ...common,
  summary: "Cancel a job.",
  details:
    "A job that waits is cancelled at once. One that runs goes on: its worker learns of it when it next extends its lease or reports progress, and the job is not claimed again unless its worker acknowledges it all the same. A job that has ended is 409.",
  http: "POST /queue/:namespace/:id/cancel",
  tool: "queue_cancel",
  effect: "destroy",
  idempotent: true,
  input: v.strictObject({ namespace, id: jobId }),
  output: v.object({
    id: v.string(),
    state: v.pipe(v.picklist(["cancelled", "running"]), v.description("running: its worker has been asked to stop")),
  }),
  faults: ["not_found", "conflict"],
  examples: [{ input: { namespace: "mail", id: "$JOB_ID" }, output: { id: "$JOB_ID", state: "cancelled" } }],
  async handle(context, { namespace: queue, id }) {
    const { status, released } = await context.database.queue.cancel(USER, queue, id);
    if (status === "absent") throw noJob(queue, id);
    if (status === "requested") return { id, state: "running" as const };
    if (status === "cancelled") knockEnded(context, queue, { ids: [id], released });
    else if ((await context.database.queue.get(USER, queue, id))?.state !== "cancelled")
      throw new Fault("conflict", `Cannot cancel the job ${id}: it has ended already`, { details: { job_id: id } });
    return { id, state: "cancelled" as const };
  },
});

export const redrive = call({
  ...common,
  summary: "Bring dead jobs of a queue back.",
  details: `They wait again, with all their attempts before them. With ids those that are named, and for a single one another payload if it is given; without ids up to limit of them, those that died first before the others. Ids of jobs that are not dead are left out of the answer.`,
  http: "POST /queue/:namespace/redrive",
  tool: "queue_redrive",
  input: v.strictObject({
    namespace,
    ids: v.optional(
      v.pipe(
        v.array(jobId),
        v.minLength(1, `is empty; send 1 to ${REDRIVE_MOST} ids, or leave it out for all`),
        v.maxLength(REDRIVE_MOST),
        v.description("The dead jobs; left out: all of the queue, up to limit"),
      ),
    ),
    payload: v.optional(payload),
    limit: v.optional(whole(1, REDRIVE_MOST, "Without ids: how many at most"), REDRIVE_MOST),
  }),
  body: { most: () => ({ json: BODY_MAX_BYTES, raw: 0 }) },
  output: v.object({
    redriven: v.pipe(v.number(), v.description("How many wait again")),
    ids: v.optional(v.pipe(v.array(v.string()), v.description("Which of the named ones"))),
  }),
  faults: ["too_large"],
  examples: [
    {
      input: { namespace: "mail", ids: ["$JOB_ID"], payload: { to: "ada@example.com", template: "welcome" } },
      after: [["queues.nack", 1]],
      output: { redriven: 1, ids: ["$JOB_ID"] },
    },
    { input: { namespace: "mail" }, after: [["queues.nack", 1]], output: { redriven: 1 } },
  ],
  async handle(context, { namespace: queue, ids, payload: value, limit }) {
    const { queue: store } = context.database;
    if (value !== undefined && ids?.length !== 1) throw wrongPayload(ids?.length);
    const action = "bring dead jobs of a queue back";
    const text =
      value === undefined ? undefined : written(value, { action, field: "payload", most: PAYLOAD_MAX_BYTES });
    const back = ids === undefined ? null : await store.redrive(USER, queue, [...new Set(ids)], text);
    const redriven = back === null ? await store.redriveAll(USER, queue, limit) : back.length;
    if (redriven > 0) knockQueue(context, queue);
    return { redriven, ...(back === null ? {} : { ids: back }) };
  },
});

function wrongPayload(count: number | undefined): Fault {
  const has = count === undefined ? "no ids" : `${count} ids`;
  return new Fault(
    "invalid_input",
    `Cannot bring dead jobs of a queue back: payload stands beside ${has}; send it with exactly one`,
    {
      details: { field: "payload" },
    },
  );
}
