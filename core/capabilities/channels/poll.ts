/** The long-poll: the stream's URL asked for one answer as JSON, for clients behind proxies that hold streams back. */
import * as v from "valibot";
import { poll } from "../../kernel/operation.ts";
import { pollSubject } from "../../kernel/subject_feed.ts";
import { channelId, visibility } from "./channel.ts";
import { messageSchema } from "./message.ts";
import { cursor, fields, from, LIMIT, latest, limit, type Message, notice, readingOf } from "./page.ts";
import { readableChannel } from "./readable.ts";

export const longPoll = poll({
  field: "wait",
  summary: "Wait for messages of a channel.",
  details:
    "With `wait` the same URL answers once, as JSON: at once when there is something to tell, else as soon as something is published, and after `wait` seconds with `timed_out`. Send `next_cursor` as `after` next time, and nothing between two requests is missed. The cursors and notices are those of the stream.",
  input: v.strictObject({
    visibility,
    channel_id: channelId,
    wait: fields.wait,
    limit: v.optional(limit, LIMIT),
    last_event_id: v.optional(cursor),
    after: v.optional(cursor),
    from: v.optional(from),
    latest: v.optional(latest),
  }),
  output: v.object({
    messages: v.array(messageSchema),
    next_cursor: fields.nextCursor,
    timed_out: fields.timedOut,
    notice: v.optional(notice),
  }),
  examples: [
    {
      input: { visibility: "public", channel_id: "$CHANNEL_ID", from: "earliest", wait: 25 },
      output: {
        messages: [{ id: "$MESSAGE_ID", payload: "done", metadata: null, created_at: "$TIME", expires_at: "$TIME" }],
        next_cursor: "$MESSAGE_ID",
        timed_out: false,
      },
    },
  ],
  async handle(context, input) {
    const { channel_id: subject, visibility, wait, limit } = input;
    const { page, timedOut } = await pollSubject<Message>(context, readingOf(context), {
      subject,
      wait,
      limit,
      begin: { ...input, after: input.last_event_id ?? input.after },
      ready: () => readableChannel(context, subject, visibility),
    });
    const { events: messages, notice, through } = page;
    return { messages, next_cursor: through, timed_out: timedOut, ...(notice === null ? {} : { notice }) };
  },
});
