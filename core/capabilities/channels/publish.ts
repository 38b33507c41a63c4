/** Publishing: the message is on disk, payload object included, before the answer is sent. */
import * as v from "valibot";
import { quote } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/invoke.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import { KEY_MAX_BYTES } from "../../ports/journal.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { channelId, REALM, ttlSeconds } from "./channel.ts";
import { fingerprint, type NewMessage, toEntry } from "./message.ts";

const payload = v.pipe(
  v.custom<Json | Uint8Array>((value) => value !== undefined, "is missing; send text or any JSON value"),
  v.description("Text or any JSON value. Over REST a body that is not application/json is the payload, byte for byte"),
);

const metadata = v.pipe(
  v.custom<JsonObject>(isObject, (issue) => `is ${quote(issue.input)}; send an object`),
  v.metadata({ type: "object" }),
  v.description("A JSON object that travels with the payload, at most 16384 bytes as JSON"),
);

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const idempotencyKey = v.pipe(
  v.string(),
  v.regex(
    new RegExp(`^[\\x21-\\x7e]{1,${KEY_MAX_BYTES}}$`),
    `is no key; send 1 to ${KEY_MAX_BYTES} visible ASCII characters`,
  ),
  v.description(
    "Makes a retry safe: the same key with the same message within 48 h stores one message and answers its id again",
  ),
);

export const publish = call({
  summary: "Publish a message to a channel.",
  details:
    "A 201 means that the message is flushed to disk. Ids of a channel strictly increase in commit order. Bodies of any other type than application/json are taken as the payload, with ttl_seconds in the query: `curl -d 'done' -H \"X-Publish-Token: …\" URL`.",
  http: "POST /v1/channels/:channel_id/publish",
  tool: "publish_message",
  needs: { credential: "publish", of: "channel_id" },
  limit: "publish",
  input: v.strictObject({
    channel_id: channelId,
    payload,
    metadata: v.optional(metadata),
    ttl_seconds: v.optional(ttlSeconds),
    idempotency_key: v.optional(idempotencyKey),
  }),
  headers: { idempotency_key: "Idempotency-Key" },
  body: {
    raw: "payload",
    // JSON may need an escape for every other character, and metadata travels beside the payload.
    most: (settings) => ({ json: 2 * settings.payloadMaxBytes + 65_536, raw: settings.payloadMaxBytes }),
  },
  status: 201,
  output: v.object({ id: v.string(), created_at: v.string(), expires_at: v.string() }),
  faults: ["not_found", "too_large", "idempotency_mismatch", "unavailable"],
  examples: [
    {
      input: {
        channel_id: "$CHANNEL_ID",
        payload: { order: 42, state: "paid" },
        metadata: { source: "shop" },
        ttl_seconds: 3600,
      },
      output: { id: "$MESSAGE_ID", created_at: "$TIME", expires_at: "$TIME" },
    },
    {
      input: { channel_id: "$CHANNEL_ID", payload: "done" },
      output: { id: "$MESSAGE_ID", created_at: "$TIME", expires_at: "$TIME" },
    },
  ],
  async handle(context, input) {
    const { database, bus, objects, clock } = context;
    const subject = input.channel_id;
    const began = clock.elapsed();
    const message: NewMessage = {
      payload: input.payload,
      metadata: input.metadata ?? null,
      ttlSeconds: input.ttl_seconds ?? (context.principal!.facts.default_ttl_seconds as number),
    };
    const entry = await toEntry(message, context);
    if (clock.elapsed() - began > PUT_MOST_MS) {
      throw new Fault("unavailable", "Cannot publish: storing the payload took too long; try again");
    }
    const appended = await database.journal.append({
      op: "journal.append",
      realm: REALM,
      subject,
      entries: [entry],
      ifOpen: true,
      ...(await keyOf(message, input.idempotency_key)),
    });
    // Not stored for certain, so nobody will ever refer to the object.
    if (appended.status !== "appended" && entry.blob != null)
      await objects.remove(entry.blob.key).catch(() => undefined);
    if (appended.status === "closed") throw notFound("channel", subject);
    if (appended.status === "mismatch") throw reused(input.idempotency_key!);
    if (appended.status === "appended") bus.knock([knockOf.journal(REALM, subject)]);
    else context.reply({ headers: { "Idempotency-Replayed": "true" } });
    const [stored] = appended.entries;
    return {
      id: stored!.id,
      created_at: stored!.createdAt.toISOString(),
      expires_at: stored!.expiresAt!.toISOString(),
    };
  },
});

/** A process that was stopped for long between its put and its commit must not refer to an object that was swept meanwhile. */
const PUT_MOST_MS = 600_000;

async function keyOf(message: NewMessage, key: string | undefined) {
  return key === undefined ? {} : { key, fingerprint: await fingerprint(message) };
}

function reused(key: string): Fault {
  return new Fault(
    "idempotency_mismatch",
    `The Idempotency-Key ${quote(key)} was used for another message in this channel; send a new key for a new message`,
    { details: { field: "idempotency_key" } },
  );
}
