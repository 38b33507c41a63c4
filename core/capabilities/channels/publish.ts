/** Publishing: the message is on disk, payload object included, before the answer is sent. */
import * as v from "valibot";
import { notFound } from "../../kernel/invoke.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { channelId, REALM, ttlSeconds } from "./channel.ts";
import { toEntry } from "./message.ts";

const payload = v.pipe(
  v.custom<Json | Uint8Array>((value) => value !== undefined, "is missing; send text or any JSON value"),
  v.description("Text or any JSON value. Over REST a body that is not application/json is the payload, byte for byte"),
);

const metadata = v.pipe(
  v.record(v.string(), v.unknown()),
  v.description("A JSON object that travels with the payload, at most 16384 characters"),
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
  }),
  body: {
    raw: "payload",
    // JSON may need an escape for every other character, and metadata travels beside the payload.
    most: (settings) => ({ json: 2 * settings.payloadMaxBytes + 65_536, raw: settings.payloadMaxBytes }),
  },
  status: 201,
  output: v.object({ id: v.string(), created_at: v.string(), expires_at: v.string() }),
  faults: ["not_found", "too_large", "unavailable"],
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
    const { database, bus, objects } = context;
    const subject = input.channel_id;
    const entry = await toEntry(
      {
        payload: input.payload,
        metadata: (input.metadata as JsonObject | undefined) ?? null,
        ttlSeconds: input.ttl_seconds ?? (context.principal!.facts.default_ttl_seconds as number),
      },
      context,
    );
    const appended = await database.journal.append({
      op: "journal.append",
      realm: REALM,
      subject,
      entries: [entry],
      ifOpen: true,
    });
    if (appended.status !== "appended") {
      // Certainly not stored, so nobody will ever refer to the object.
      if (entry.blob != null) await objects.remove(entry.blob.key).catch(() => undefined);
      throw notFound("channel", subject);
    }
    bus.knock([knockOf.journal(REALM, subject)]);
    const [stored] = appended.entries;
    return {
      id: stored!.id,
      created_at: stored!.createdAt.toISOString(),
      expires_at: stored!.expiresAt!.toISOString(),
    };
  },
});
