/** The long-poll: the stream's URL asked for one answer as JSON, for clients behind proxies that hold streams back. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { whole } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/invoke.ts";
import { poll } from "../../kernel/operation.ts";
import { channelId, REALM, visibility } from "./channel.ts";
import { messageSchema, toJson } from "./message.ts";
import { cursor, from, LIMIT, latest, limit, notice, type Page, readPage } from "./page.ts";
import { readableChannel } from "./readable.ts";

/** Proxies commonly give up after 60 s. */
const WAIT_MOST_SECONDS = 30;

interface PollInput {
  visibility: string;
  channel_id: string;
  wait: number;
  limit: number;
  last_event_id?: string | undefined;
  after?: string | undefined;
  from?: unknown;
  latest?: unknown;
}

export const longPoll = poll({
  field: "wait",
  summary: "Wait for messages of a channel.",
  details:
    "With `wait` the same URL answers once, as JSON: at once when there is something to tell, else as soon as something is published, and after `wait` seconds with `timed_out`. Send `next_cursor` as `after` next time, and nothing between two requests is missed. The cursors and notices are those of the stream.",
  input: v.strictObject({
    visibility,
    channel_id: channelId,
    wait: whole(
      0,
      WAIT_MOST_SECONDS,
      `Answer once, as JSON, and wait this many seconds at most for something to tell, 0 to ${WAIT_MOST_SECONDS}; 0: answer at once`,
    ),
    limit: v.optional(limit, LIMIT),
    last_event_id: v.optional(cursor),
    after: v.optional(cursor),
    from: v.optional(from),
    latest: v.optional(latest),
  }),
  output: v.object({
    messages: v.array(messageSchema),
    next_cursor: v.pipe(
      v.string(),
      v.description("Send it as after to go on from here; it is given at a time-out too"),
    ),
    timed_out: v.pipe(v.boolean(), v.description("true: there was nothing to tell for as long as it waited")),
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
    const { clock, principal, waiters } = context;
    const until = clock.elapsed() + input.wait * 1_000;
    const subject = input.channel_id;
    await readableChannel(context, subject, input.visibility);
    // Before the first look, so that what comes between a look and the wait wakes at once.
    const waiter = waiters.enter({ realm: REALM, subject, holds: principal?.holds ?? [] });
    try {
      let page = await firstPage(context, input);
      while (page.messages.length === 0 && page.notice === null) {
        const after = page.through;
        const ms = until - clock.elapsed();
        const turn = ms <= 0 ? null : await waiter.next({ after, ms, signal: context.signal });
        if (turn === null) return { messages: [], next_cursor: after, timed_out: true };
        // All who were woken by the same knock stand at the same place, as a rule: they are one look.
        const asked = { subject, after, limit: input.limit };
        page = await context.once(`channels/poll/${subject}/${after}/${input.limit}/${turn}`, () =>
          readPage(context, asked),
        );
      }
      const { messages, notice, through } = page;
      return { messages, next_cursor: through, timed_out: false, ...(notice === null ? {} : { notice }) };
    } finally {
      waiter.leave();
    }
  },
});

/** What there is to tell at once, and where the caller stands then. */
async function firstPage(context: Context, input: PollInput): Promise<Page> {
  const { journal } = context.database;
  const { channel_id: subject, limit } = input;
  const after = input.last_event_id ?? input.after ?? null;
  if (after !== null || input.from !== undefined) return readPage(context, { subject, after, limit });
  const [bounds] = await journal.bounds(REALM, [subject]);
  if (bounds?.state !== "open") throw notFound("channel", subject);
  const newest = input.latest === undefined ? null : await journal.newest(REALM, subject);
  let through = bounds.lastId;
  if (newest === null) return { messages: [], notice: null, through };
  // Whatever stands between the newest that is held and the last id has expired.
  if (newest.id > through) through = newest.id;
  return { messages: [JSON.parse(await toJson(newest, context))], notice: null, through };
}
