/** The feed of changes of a namespace: each put and each deletion is told by the unit that carries it out. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import type { Feed } from "../../kernel/feed.ts";
import { call, type Example, feed, poll } from "../../kernel/operation.ts";
import {
  type Begin,
  changesAnswer,
  changesOutput,
  feedFields,
  LIMIT,
  partOf,
  pollSubject,
  READ_ON,
  type Reading,
} from "../../kernel/subject_feed.ts";
import { Fault } from "../../ports/fault.ts";
import type { Entry } from "../../ports/journal.ts";
import { namespace, REALM } from "./namespace.ts";

const { cursor, limit, from, latest, wait } = feedFields("change");

const changeSchema = v.object({
  id: v.pipe(v.string(), v.description("UUIDv7; ids of a namespace strictly increase, so an id is a cursor")),
  key: v.string(),
  version: v.pipe(v.number(), v.description("The version that was put, or the newest one that was deleted")),
  op: v.picklist(["put", "delete"]),
  created_at: v.string(),
  expires_at: v.optional(
    v.pipe(v.string(), v.description("When the document goes by itself, which is told by no further change")),
  ),
});

interface Change extends v.InferOutput<typeof changeSchema> {}

const begin = {
  last_event_id: v.optional(cursor),
  after: v.optional(cursor),
  from: v.optional(from),
  latest: v.optional(latest),
};

const words =
  "Puts and deletions in the order in which they took effect, held for 48 h, without payloads: get the document by its key, and by version if you want just that one. The cursors, notices and ways of resuming are those of a channel's stream. That a document has expired is told by nothing: put has its expires_at.";

const needs = { scope: "documents", access: "read", of: "namespace" } as const;

const output = changesOutput(changeSchema, "namespace");

const example = {
  input: { namespace: "orders", from: "earliest", wait: 0 },
  output: {
    changes: [{ id: "$CHANGE_ID", version: 1, key: "1042", op: "put", created_at: "$TIME" }],
    next_cursor: "$CHANGE_ID",
    timed_out: false,
  },
  after: [["documents.put", 0]],
} satisfies Example;

const longPoll = poll({
  field: "wait",
  summary: "Wait for changes of a namespace.",
  details:
    "With `wait` the same URL answers once, as JSON: at once when there is something to tell, else as soon as something changes, and after `wait` seconds with `timed_out`. Send `next_cursor` as `after` next time, and nothing between two requests is missed.",
  input: v.strictObject({ namespace, wait, limit: v.optional(limit, LIMIT), ...begin }),
  output,
  examples: [example],
  handle: (context, { last_event_id, ...input }) => once(context, { ...input, after: last_event_id ?? input.after }),
});

export const readChanges = call({
  summary: "Read the changes of a namespace.",
  details: `${words} ${READ_ON}`,
  http: false,
  tool: "document_changes",
  effect: "read",
  needs,
  limit: "data",
  input: v.strictObject({
    namespace,
    wait: v.optional(wait, 0),
    limit: v.optional(limit, LIMIT),
    after: begin.after,
    from: begin.from,
  }),
  output,
  examples: [example],
  handle: once,
});

async function once(
  context: Context,
  { namespace, wait, limit, ...begin }: Begin & { namespace: string; wait: number; limit: number },
) {
  const found = await pollSubject<Change>(context, reading, {
    subject: namespace,
    wait,
    limit,
    begin,
    ready: () => opened(context, namespace),
  });
  return changesAnswer(found);
}

export const changes = feed({
  summary: "Follow the changes of a namespace.",
  details: words,
  http: "GET /document-namespaces/:namespace/changes",
  needs,
  limit: "data",
  input: v.strictObject({ namespace, ...begin }),
  headers: { last_event_id: "Last-Event-ID" },
  event: changeSchema,
  poll: longPoll,
  async handle(context, input): Promise<Feed> {
    await opened(context, input.namespace);
    const at = { realm: REALM, subject: input.namespace };
    const part = await partOf(context, at, { ...input, after: input.last_event_id ?? input.after });
    return { realm: REALM, parts: [part], message: toJson };
  },
});

const reading: Reading = {
  realm: REALM,
  json: toJson,
  missing: (subject) => new Fault("unavailable", `The changes of ${subject} cannot be read now; try again`),
};

/** The entry has been stored as an object without its id and time. */
function toJson({ id, data, createdAt }: Entry): string {
  return `{"id":"${id}",${data.slice(1, -1)},"created_at":"${createdAt.toISOString()}"}`;
}

/** A namespace in which nothing has changed yet can be followed all the same. */
async function opened({ database }: Context, subject: string): Promise<void> {
  const [bounds] = await database.journal.bounds(REALM, [subject]);
  if (bounds?.state === "missing") await database.commit([{ op: "journal.open", realm: REALM, subject }]);
}
