/** The channel itself: its record, its public shape, and the one way to load it. A channel is a journal subject with a name and rights. */

import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { instant, line, text, uuid, whole } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/permit.ts";
import { publicBase } from "../../kernel/public_base.ts";
import type { Command } from "../../ports/database.ts";
import type { Document } from "../../ports/documents.ts";
import { Fault } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";

/** Realm of channels and their messages; no data mode can name it. */
export const REALM = "channels";
export const CHANNELS = "channel";
/** Collection of the grants of one channel. */
export const grantsOf = (channelId: string) => `grants/${channelId}`;

/** The longest time to live: 48 h. */
export const TTL_MAX_SECONDS = 172_800;

/** How often a change that met another one is tried in all. */
const TRIES = 5;

export type Visibility = "public" | "private";

export interface Channel {
  id: string;
  name: string;
  visibility: Visibility;
  description: string | null;
  defaultTtlSeconds: number;
  createdAt: Date;
  /** Hash of the publish token, to be removed with the channel. */
  publishCredential: string;
}

export const channelId = uuid("the channel's id");
export const visibility = v.pipe(
  v.picklist(["public", "private"], (issue) => `is ${JSON.stringify(issue.input)}; send "public" or "private"`),
  v.description("public: anyone may read with the URL alone. private: readers need a read token"),
);
export const ttlSeconds = whole(1, TTL_MAX_SECONDS, "Seconds until a message expires, 1 to 172800 (48 h)", "48 h");
export const name = line(200, "A name for people, one line");
export const description = text(2_000, "What the channel is for");
export const label = line(200, "A note to recognise the grant by");
export const expiresAt = instant("When the grant ends, RFC 3339, in the future");

export const channelFields = {
  id: v.pipe(v.string(), v.description("The channel's id")),
  name: v.string(),
  visibility,
  description: v.nullable(v.string()),
  default_ttl_seconds: v.number(),
  url: v.pipe(v.string(), v.description("The channel's stream: follow it with Server-Sent Events")),
  created_at: v.string(),
};

/** What everybody who may see the channel sees of it. */
export function channelJson(channel: Channel, context: Context) {
  const base = publicBase("connections", context.origin, context.settings);
  return {
    id: channel.id,
    name: channel.name,
    visibility: channel.visibility,
    description: channel.description,
    default_ttl_seconds: channel.defaultTtlSeconds,
    url: `${base}/channel/v1/${channel.visibility}/${channel.id}`,
    created_at: channel.createdAt.toISOString(),
  };
}

/** The channel; throws `not_found` when it is missing or deleted. */
export async function loadChannel(context: Context, id: string): Promise<Channel> {
  return fromDocument(await loadDocument(context, id));
}

async function loadDocument(context: Context, id: string): Promise<Document> {
  const document = await context.database.documents.get(REALM, CHANNELS, id);
  if (document === null || document.body.deleted_at !== undefined) throw notFound("channel", id);
  return document;
}

/**
 * Changes what belongs to a channel, in one unit with the channel's own record: `plan` says what to store, and with which record. The record's version
 * makes it one change at a time, so nothing is added to a channel that is being deleted.
 */
export async function changeChannel(
  context: Context,
  id: string,
  plan: (channel: Channel) => Promise<{ commands: Command[]; record?: JsonObject }>,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const document = await loadDocument(context, id);
    const { commands, record = {} } = await plan(fromDocument(document));
    const body = { ...document.body, ...record };
    const put = {
      op: "document.put",
      realm: REALM,
      collection: CHANNELS,
      id,
      body,
      ifVersion: document.version,
    } as const;
    const { committed } = await context.database.commit([put, ...commands]);
    if (committed) return;
    if (tries === TRIES) throw new Fault("conflict", `The channel ${id} is being changed by others; try again`);
  }
}

export function fromDocument({ id, body, createdAt }: Document): Channel {
  return {
    id,
    name: body.name as string,
    visibility: body.visibility as Visibility,
    description: (body.description as string | undefined) ?? null,
    defaultTtlSeconds: body.default_ttl_seconds as number,
    createdAt,
    publishCredential: body.publish_credential as string,
  };
}
