/** One page of a channel's messages, as reads and the long-poll answer it: what is held after a cursor, and what the reader must know of what is not. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { gapBefore, isForeign, type Notice } from "../../kernel/cursor.ts";
import { uuid, whole } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/invoke.ts";
import { EARLIEST } from "../../ports/journal.ts";
import { REALM } from "./channel.ts";
import { type messageSchema, toJson } from "./message.ts";

/** Pages end early at this many characters, so that one answer stays readable; the cursor goes on from there. */
const PAGE_CHARACTERS = 4_194_304;

export const cursor = uuid("the id of the last message seen");
export const limit = whole(1, 1_000, "The most messages to return, 1 to 1000; default 100");
/** How many messages a page has when nobody says. */
export const LIMIT = 100;
export const from = v.pipe(v.picklist(["earliest"]), v.description("Begin with the oldest message held"));
export const latest = v.pipe(
  v.picklist(["1"]),
  v.description("Begin with the newest message held, or the next one where there is none"),
);

export const notice = v.pipe(
  v.object({
    event: v.picklist(["gap", "reset"]),
    after: v.pipe(v.string(), v.description("The cursor that was sent")),
    lost_through: v.optional(v.pipe(v.string(), v.description("The highest id that has expired"))),
    earliest: v.optional(v.pipe(v.nullable(v.string()), v.description("The id of the oldest message that follows"))),
  }),
  v.description(
    "gap: messages after your cursor have expired, the oldest held is earliest. reset: your cursor is not of this channel, so everything held follows",
  ),
);

export interface Page {
  /** As JSON values, oldest first. */
  messages: v.InferOutput<typeof messageSchema>[];
  notice: Notice | null;
  /** Where a reader stands who has been given these: with all that was held, at the channel's last id, whether or not that message is still held. */
  through: string;
}

export interface Asked {
  subject: string;
  /** Null: everything held, of which nothing that went before is missing. */
  after: string | null;
  limit: number;
}

/** What the channel holds after the cursor; throws `not_found` when it is deleted. */
export async function readPage(context: Context, { subject, after, limit }: Asked): Promise<Page> {
  const { journal } = context.database;
  const asked = after ?? EARLIEST;
  let page = await journal.read(REALM, subject, asked, limit);
  if (page.bounds.state !== "open") throw notFound("channel", subject);
  let notice = after === null ? null : gapBefore(page, asked);
  if (await isForeign(journal, { realm: REALM, subject, after: asked }, page.bounds)) {
    notice = { event: "reset", after: asked };
    page = await journal.read(REALM, subject, EARLIEST, limit);
  }
  const messages: Page["messages"] = [];
  let characters = 0;
  for (const entry of page.entries) {
    const text = await toJson(entry, context);
    characters += text.length;
    if (messages.length > 0 && characters > PAGE_CHARACTERS) break;
    messages.push(JSON.parse(text));
  }
  const whole = messages.length === page.entries.length && page.entries.length < limit;
  const last = messages.at(-1)?.id;
  return { messages, notice, through: whole || last === undefined ? page.bounds.lastId : last };
}
