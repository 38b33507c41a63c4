/** Creating, showing and deleting channels. */
import * as v from "valibot";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import {
  CHANNELS,
  type Channel,
  changeChannel,
  channelFields,
  channelId,
  channelJson,
  description,
  loadChannel,
  name,
  REALM,
  ttlSeconds,
  visibility,
} from "./channel.ts";
import { mintGrant } from "./grants.ts";

/** The channel of the examples, as everybody who may see it sees it. */
const shownChannel = {
  id: "$CHANNEL_ID",
  name: "orders",
  visibility: "public",
  description: "Order events",
  default_ttl_seconds: 86400,
  url: "$URL",
  created_at: "$TIME",
};

export const create = call({
  summary: "Create a channel.",
  details:
    "Anyone may. The publish token is the right to publish, to manage and to delete; the read token (private channels only) is the right to read. Both are shown once and only their hashes are stored.",
  http: "POST /v1/channels",
  tool: "create_channel",
  needs: "nobody",
  limit: "create",
  input: v.strictObject({
    name,
    visibility,
    description: v.optional(description),
    default_ttl_seconds: v.optional(ttlSeconds),
  }),
  status: 201,
  output: v.object({
    ...channelFields,
    publish_token: v.pipe(v.string(), v.description("Shown once: keep it")),
    read_token: v.optional(v.pipe(v.string(), v.description("Private channels only; shown once"))),
    read_grant_id: v.optional(v.pipe(v.string(), v.description("The grant of read_token, to revoke it by"))),
  }),
  examples: [
    {
      input: { name: "orders", visibility: "public", description: "Order events" },
      output: {
        ...shownChannel,
        publish_token: "$PUBLISH_TOKEN",
      },
    },
  ],
  async handle(context, input) {
    const { database, credentials, ids, settings } = context;
    const id = ids.uuid();
    const default_ttl_seconds = input.default_ttl_seconds ?? settings.defaultTtlSeconds;
    const publish = await credentials.mint("publish", id, { facts: { default_ttl_seconds } });
    const grant =
      input.visibility === "private" ? await mintGrant(context, id, { label: "created with the channel" }) : null;
    const body = {
      name: input.name,
      visibility: input.visibility,
      ...(input.description === undefined ? {} : { description: input.description }),
      default_ttl_seconds,
      publish_credential: publish.id,
    };
    const committed = await database.commit([
      { op: "document.put", realm: REALM, collection: CHANNELS, id, body, ifVersion: 0 },
      publish.command,
      ...(grant?.commands ?? []),
      { op: "journal.open", realm: REALM, subject: id },
    ]);
    const [put] = committed.committed ? committed.outcomes : [];
    if (put?.status !== "put") throw new Error(`the fresh channel ${id} was refused`);
    const channel: Channel = {
      id,
      name: input.name,
      visibility: input.visibility,
      description: input.description ?? null,
      defaultTtlSeconds: default_ttl_seconds,
      createdAt: put.createdAt,
      publishCredential: publish.id,
    };
    return {
      ...channelJson(channel, context),
      publish_token: publish.token,
      ...(grant === null ? {} : { read_token: grant.token, read_grant_id: grant.id }),
    };
  },
});

const owned = { credential: "publish", of: "channel_id" } as const;

export const get = call({
  summary: "Show a channel.",
  http: "GET /v1/channels/:channel_id",
  tool: "get_channel",
  needs: owned,
  limit: "other",
  input: v.strictObject({ channel_id: channelId }),
  output: v.object(channelFields),
  faults: ["not_found"],
  examples: [
    {
      input: { channel_id: "$CHANNEL_ID" },
      output: shownChannel,
    },
  ],
  handle: async (context, { channel_id }) => channelJson(await loadChannel(context, channel_id), context),
});

export const remove = call({
  summary: "Delete a channel.",
  details:
    "Open streams end and reads answer 404 at once; messages, grants and stored payloads are removed soon after. It cannot be undone.",
  http: "DELETE /v1/channels/:channel_id",
  tool: "delete_channel",
  needs: owned,
  limit: "other",
  input: v.strictObject({ channel_id: channelId }),
  output: v.object({ id: v.string(), deleted_at: v.string() }),
  faults: ["not_found"],
  examples: [{ input: { channel_id: "$CHANNEL_ID" }, output: { id: "$CHANNEL_ID", deleted_at: "$TIME" } }],
  async handle(context, { channel_id }) {
    const { bus, clock } = context;
    const deleted_at = clock.now().toISOString();
    await changeChannel(context, channel_id, async () => ({
      record: { deleted_at },
      commands: [{ op: "journal.close", realm: REALM, subject: channel_id }],
    }));
    bus.knock([knockOf.journal(REALM, channel_id)]);
    return { id: channel_id, deleted_at };
  },
});
