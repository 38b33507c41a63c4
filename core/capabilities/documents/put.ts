/** Putting documents: by namespace and key in the body, or with the whole body as payload. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call } from "../../kernel/operation.ts";
import { carryOut } from "../../kernel/plan.ts";
import type { Settings } from "../../kernel/settings.ts";
import { namespace } from "./namespace.ts";
import { type PutInput, putPlan, type Stored } from "./plan.ts";
import { conditionFields, conditionHeaders } from "./precondition.ts";
import { expiresAt, key, payload, recordFields, ttlSeconds } from "./record.ts";

/** Room for namespace, key and times beside the payload. */
const BESIDE_BYTES = 16_384;

export const most = ({ documentMaxBytes }: Settings) => ({ json: documentMaxBytes + BESIDE_BYTES, raw: 0 });

const expiry = { expires_at: v.optional(expiresAt), ttl_seconds: v.optional(ttlSeconds) };
const input = v.strictObject({ namespace, key, payload, ...expiry, ...conditionFields });

const order = { status: "open", total: 12.5 };

export const put = call({
  summary: "Put a document.",
  details:
    "Appends a version to the document under namespace and key; the newest 1,000 older versions stay in its history. Numbers are kept exactly or refused, never rounded: send what a double cannot hold as text. With if_version, or with If-Match or If-None-Match: *, only if the condition holds, else precondition_failed with the current version. Without expires_at or ttl_seconds the document stays until it is deleted.",
  http: "POST /document",
  tool: "document_put",
  needs: { scope: "documents", access: "write", of: "namespace" },
  limit: "data",
  input,
  headers: conditionHeaders,
  body: { most },
  status: 201,
  output: v.object(recordFields),
  faults: ["precondition_failed", "too_large", "conflict"],
  batch: {
    op: "document.put",
    plan: async (context: Context, input: PutInput) => asRecord(await putPlan(context, input)),
  },
  examples: [
    {
      input: { namespace: "orders", key: "1042", payload: order },
      output: { namespace: "orders", key: "1042", version: 1, payload: order, created_at: "$TIME" },
    },
    {
      input: { namespace: "orders", key: "1042", payload: { ...order, status: "paid" }, if_version: 1 },
      output: {
        namespace: "orders",
        key: "1042",
        version: 2,
        payload: { ...order, status: "paid" },
        created_at: "$TIME",
      },
      after: [["documents.put", 0]],
    },
    {
      input: { namespace: "orders", key: "1043", payload: order },
      output: { namespace: "orders", key: "1043", version: 1, payload: order, created_at: "$TIME" },
    },
  ],
  async handle(context, input) {
    const stored = await carryOut(context, () => putPlan(context, input));
    return told(context, stored);
  },
});

/** A plan that answers the record alone. */
function asRecord(plan: Awaited<ReturnType<typeof putPlan>>) {
  return { ...plan, answer: (outcomes: Parameters<typeof plan.answer>[0]) => plan.answer(outcomes).record };
}

export const replace = call({
  summary: "Put the whole body as a document.",
  details:
    "The JSON body, of whatever type, is the payload, so that a file can be sent as it is. The answer is 201 when the document came to be and 200 when it got a new version. Conditions and times as with POST /document, in headers and in the query.",
  http: "PUT /document/:namespace/:key",
  tool: false,
  idempotent: true,
  needs: { scope: "documents", access: "write", of: "namespace" },
  limit: "data",
  input,
  headers: conditionHeaders,
  body: { whole: "payload", most },
  otherwise: { status: 201, words: "The document came to be" },
  output: v.object(recordFields),
  faults: ["precondition_failed", "too_large", "conflict"],
  examples: [
    {
      input: { namespace: "orders", key: "1043", payload: "a text" },
      output: { namespace: "orders", key: "1043", version: 2, payload: "a text", created_at: "$TIME" },
      after: [["documents.put", 2]],
    },
  ],
  async handle(context, input) {
    const stored = await carryOut(context, () => putPlan(context, input));
    if (stored.isNew) context.reply({ status: 201 });
    return told(context, stored);
  },
});

/** The record as answer, with its entity tag. */
export function told(context: Context, { record, tag }: Stored) {
  context.reply({ headers: { ETag: tag } });
  return record;
}
