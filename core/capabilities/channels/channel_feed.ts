/** Where a stream begins: on one channel, or on several whose places travel in one composite id. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import type { Feed } from "../../kernel/feed.ts";
import { quote, UUID } from "../../kernel/fields.ts";
import { partOf } from "../../kernel/subject_feed.ts";
import { Fault } from "../../ports/fault.ts";
import type { Entry } from "../../ports/journal.ts";
import { REALM } from "./channel.ts";
import { toJson } from "./message.ts";
import { readableChannel } from "./readable.ts";

const CHANNELS_MOST = 50;

/** The `channels` of a stream: ids with commas between. */
export const channels = v.pipe(
  v.string(),
  v.regex(
    new RegExp(`^${UUID}(,${UUID}){0,${CHANNELS_MOST - 1}}$`),
    (issue) => `is ${quote(issue.input)}; send 1 to ${CHANNELS_MOST} channel ids with commas between`,
  ),
  v.description(
    "More channels for the same stream, ids with commas between, at most 50. Each message then has its channel_id, and each event an id that says where every channel stands",
  ),
);

/** A place to continue from: a message's id, or the id of an event of a stream with several channels. */
export const place = v.pipe(
  v.string(),
  v.regex(
    new RegExp(`^(${UUID}|${UUID}:${UUID}(,${UUID}:${UUID}){0,${CHANNELS_MOST - 1}})$`),
    (issue) =>
      `is ${quote(issue.input)}, which is not an id; send the id of the last event seen as it came, a lower-case UUID or channel:id,channel:id`,
  ),
  v.description("The id of the last event seen"),
);

export interface StreamInput {
  visibility: string;
  channel_id: string;
  channels?: string | undefined;
  last_event_id?: string | undefined;
  after?: string | undefined;
  from?: "earliest" | undefined;
  latest?: unknown;
}

/** The feed that a stream's input asks for; throws as a read of each of its channels would. */
export async function channelFeed(context: Context, input: StreamInput): Promise<Feed> {
  const subjects = [...new Set([input.channel_id, ...(input.channels?.split(",") ?? [])])];
  await Promise.all(
    subjects.map((id) => readableChannel(context, id, id === input.channel_id ? input.visibility : undefined)),
  );
  const feed = { realm: REALM, message: (entry: Entry) => toJson(entry, context) };
  const places = placesOf(input.last_event_id ?? input.after, input);
  const parts = await Promise.all(
    subjects.map((subject) => partOf(context, { realm: REALM, subject }, { ...input, after: places.get(subject) })),
  );
  if (input.channels === undefined) return { ...feed, parts };
  return { ...feed, parts, origin: (subject) => `"channel_id":"${subject}"` };
}

/** Each channel's cursor in a place; a channel that it does not name begins like one without a cursor. */
function placesOf(place: string | undefined, input: StreamInput): Map<string, string> {
  if (place === undefined) return new Map();
  if (place.includes(":")) return new Map(place.split(",").map((at) => at.split(":") as [string, string]));
  if (input.channels === undefined) return new Map([[input.channel_id, place]]);
  throw new Fault(
    "invalid_input",
    `Cannot follow several channels after ${place}, which is a place in one of them; send the id of this stream's last event, channel:id,channel:id`,
    { details: { field: input.last_event_id === undefined ? "after" : "last_event_id" } },
  );
}
