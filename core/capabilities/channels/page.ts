/** One page of a channel's messages, as reads and the long-poll answer it: what is held after a cursor, and what the reader must know of what is not. */
import type * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { notFound } from "../../kernel/permit.ts";
import {
  type Asked,
  feedFields,
  LIMIT,
  noticeField,
  type Page,
  type Reading,
  readPage,
} from "../../kernel/subject_feed.ts";
import { REALM } from "./channel.ts";
import { type messageSchema, toJson } from "./message.ts";

export { LIMIT };

export const fields = feedFields("message");
export const { cursor, limit, from, latest } = fields;
export const notice = noticeField({ one: "message", where: "channel" });

export type Message = v.InferOutput<typeof messageSchema>;

/** How the messages of channels read; a deleted channel is `not_found`. */
export function readingOf(context: Context): Reading {
  return {
    realm: REALM,
    json: (entry) => toJson(entry, context),
    missing: (subject) => notFound("channel", subject),
  };
}

/** What the channel holds after the cursor; throws `not_found` when it is deleted. */
export function messagesAfter(context: Context, asked: Asked): Promise<Page<Message>> {
  return readPage<Message>(context, readingOf(context), asked);
}
