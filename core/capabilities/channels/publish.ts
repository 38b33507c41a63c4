/** The declarations of publishing: one URL that takes a message or a batch, and a tool for each of the two. */
import * as v from "valibot";
import { listOf, quote } from "../../kernel/fields.ts";
import { inForms } from "../../kernel/forms.ts";
import { idempotencyKey as keyField } from "../../kernel/idempotency.ts";
import { call } from "../../kernel/operation.ts";
import type { FaultCode } from "../../ports/fault.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { channelId, ttlSeconds } from "./channel.ts";
import { publishMany, publishOne, publishPlan } from "./published.ts";

/** The most messages of a batch. */
export const BATCH_MAX = 1_000;
/** The most bytes of a batch as JSON: as much as the journal takes in one statement. */
export const BATCH_MAX_BYTES = 8 * 1024 * 1024;

const payload = v.pipe(
  v.custom<Json | Uint8Array>((value) => value !== undefined),
  v.description("Text or any JSON value"),
);

const metadata = v.pipe(
  v.custom<JsonObject>(isObject, (issue) => `is ${quote(issue.input)}; send an object`),
  v.metadata({ type: "object" }),
  v.description("A JSON object that travels with the payload, at most 16384 bytes as JSON"),
);

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const message = { payload, metadata: v.optional(metadata), ttl_seconds: v.optional(ttlSeconds) };
const messages = listOf(
  v.strictObject(message),
  BATCH_MAX,
  "Messages to publish at once, in this order: all of them or none",
);

const idempotencyKey = v.optional(
  keyField(
    "Makes a retry safe: the same key with the same message, or the same batch, within 48 h stores it once and answers its ids again",
  ),
);

const published = v.object({ id: v.string(), created_at: v.string(), expires_at: v.string() });
const publishedMany = v.object({
  messages: v.pipe(v.array(published), v.description("What became of each message, in the order sent")),
});

const common = {
  needs: { credential: "publish", of: "channel_id" },
  limit: "publish",
  status: 201,
} as const;
const faults: readonly FaultCode[] = ["not_found", "too_large", "idempotency_mismatch", "unavailable"];

const shownOne = { id: "$MESSAGE_ID", created_at: "$TIME", expires_at: "$TIME" };
const shownMany = { messages: [shownOne, { ...shownOne, id: "$NEXT_MESSAGE_ID" }] };
const order = { payload: { order: 42, state: "paid" }, metadata: { source: "shop" }, ttl_seconds: 3600 };
const exampleOne = { input: { channel_id: "$CHANNEL_ID", ...order }, output: shownOne };
const exampleMany = {
  input: { channel_id: "$CHANNEL_ID", messages: [order, { payload: "done" }] },
  output: shownMany,
};

export const publish = call({
  ...common,
  summary: "Publish a message to a channel.",
  details: `A 201 means that the message is flushed to disk. Ids of a channel strictly increase in commit order. With messages in place of payload, 1 to ${BATCH_MAX} are published at once, in their order: all of them or none, with one Idempotency-Key for the batch, at most ${BATCH_MAX_BYTES / 2 ** 20} MiB of JSON. A batch counts as one request against the rate limit. Bodies of any other type than application/json are taken as the payload, with ttl_seconds in the query: \`curl -d 'done' -H "X-Publish-Token: …" URL\`.`,
  http: "POST /v1/channels/:channel_id/publish",
  tool: false,
  input: inForms(
    {
      channel_id: channelId,
      payload: v.optional(
        v.pipe(
          payload,
          v.description("Text or any JSON value. A body that is not application/json is the payload, byte for byte"),
        ),
      ),
      metadata: message.metadata,
      ttl_seconds: message.ttl_seconds,
      messages: v.optional(messages),
      idempotency_key: idempotencyKey,
    },
    {
      payload: { is: "text or any JSON value", beside: ["metadata", "ttl_seconds"] },
      messages: { is: `a list of 1 to ${BATCH_MAX} messages`, beside: [] },
    },
  ),
  headers: { idempotency_key: "Idempotency-Key" },
  body: {
    raw: "payload",
    // JSON may need an escape for every other character, and metadata travels beside the payload.
    most: ({ payloadMaxBytes }) => ({
      json: Math.max(2 * payloadMaxBytes + 65_536, BATCH_MAX_BYTES),
      raw: payloadMaxBytes,
    }),
  },
  output: v.union([published, publishedMany]),
  faults,
  examples: [exampleOne, { input: { channel_id: "$CHANNEL_ID", payload: "done" }, output: shownOne }, exampleMany],
  handle: async (context, { payload, metadata, ttl_seconds, messages, ...target }) =>
    messages === undefined
      ? publishOne(context, target, { payload: payload!, metadata, ttl_seconds })
      : publishMany(context, target, messages),
});

export const publishMessage = call({
  ...common,
  summary: "Publish a message to a channel.",
  details: "Once it has answered, the message is flushed to disk. Ids of a channel strictly increase in commit order.",
  http: false,
  tool: "publish_message",
  input: v.strictObject({ channel_id: channelId, ...message, idempotency_key: idempotencyKey }),
  batch: {
    op: "channel.publish",
    // The batch has a key of its own.
    fields: { idempotency_key: null },
    plan: publishPlan,
  },
  output: published,
  faults,
  examples: [exampleOne],
  handle: async (context, { payload, metadata, ttl_seconds, ...target }) =>
    publishOne(context, target, { payload, metadata, ttl_seconds }),
});

export const publishMessages = call({
  ...common,
  summary: "Publish several messages to a channel at once.",
  details:
    "All of them are stored, in this order, or none. Once it has answered, they are flushed to disk. A batch counts as one request against the rate limit.",
  http: false,
  tool: "publish_messages",
  input: v.strictObject({ channel_id: channelId, messages, idempotency_key: idempotencyKey }),
  output: publishedMany,
  faults,
  examples: [exampleMany],
  handle: async (context, { messages, ...target }) => publishMany(context, target, messages),
});
