/** Following a table: one event for each statement that touched its rows, with the cursors, gaps and resets of every feed here. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call, type Example, feed, poll } from "../../kernel/operation.ts";
import { notFound } from "../../kernel/permit.ts";
import {
  changesAnswer,
  changesOutput,
  feedFields,
  LIMIT,
  partOf,
  pollSubject,
  READ_ON,
  type Reading,
} from "../../kernel/subject_feed.ts";
import type { Entry } from "../../ports/journal.ts";
import type { JsonObject } from "../../ports/json.ts";
import { CHANGES, subjectOf } from "./changes.ts";
import { loadTable, tableName } from "./load.ts";

const fields = feedFields("change");

const begin = {
  last_event_id: v.optional(fields.cursor),
  after: v.optional(fields.cursor),
  from: v.optional(fields.from),
  latest: v.optional(fields.latest),
};

const change = v.object({
  id: v.pipe(v.string(), v.description("The change's id, which is also its place in the feed")),
  op: v.pipe(
    v.picklist(["insert", "upsert", "update", "delete", "alter"]),
    v.description("What the statement did; an upsert may have inserted and overwritten, an alter changed the columns"),
  ),
  count: v.pipe(v.number(), v.description("How many rows it touched")),
  ids: v.pipe(v.array(v.number()), v.description("The ids of the first 100 of them")),
  created_at: v.string(),
});

function jsonOf({ id, data, createdAt }: Entry): string {
  const told = JSON.parse(data) as JsonObject;
  return JSON.stringify({ id, ...told, created_at: createdAt.toISOString() });
}

/** How the feed of the table reads. */
function readingOf(name: string): Reading {
  return { realm: CHANGES, json: jsonOf, missing: () => notFound("table", name) };
}

interface Begin {
  last_event_id?: string | undefined;
  after?: string | undefined;
  from?: "earliest" | undefined;
  latest?: unknown;
}

function beginOf({ last_event_id: last, after, from, latest }: Begin) {
  return { after: last ?? after, from, latest };
}

const needs = { scope: "tables", access: "read", of: "table" } as const;

const words =
  "One event for each statement that inserted, updated or deleted rows, whichever way it came: requests, batches, imports. It is stored in the same transaction, so none is missing and none is of what was rolled back. It names the rows by id; read them as they are then. Events are held for 48 hours.";

const output = changesOutput(change, "table");

const example = {
  after: [
    ["tables.create", 0],
    ["tables.insertRows", 0],
  ],
  input: { table: "people", from: "earliest", wait: 25 },
  output: {
    changes: [{ id: "$CHANGE_ID", op: "insert", count: 1, ids: [1], created_at: "$TIME" }],
    next_cursor: "$CHANGE_ID",
    timed_out: false,
  },
} satisfies Example;

const longPoll = poll({
  field: "wait",
  summary: "Wait for changes of a table.",
  details:
    "With `wait` the same URL answers once, as JSON: at once when there is something to tell, else as soon as rows change, and after `wait` seconds with `timed_out`. Send `next_cursor` as `after` next time, and nothing between two requests is missed.",
  input: v.strictObject({ table: tableName, wait: fields.wait, limit: v.optional(fields.limit, LIMIT), ...begin }),
  output,
  examples: [example],
  handle: once,
});

export const readChanges = call({
  summary: "Read the changes of a table.",
  details: `${words} ${READ_ON}`,
  http: false,
  tool: "sql_table_changes",
  effect: "read",
  needs,
  limit: "data",
  input: v.strictObject({
    table: tableName,
    wait: v.optional(fields.wait, 0),
    limit: v.optional(fields.limit, LIMIT),
    after: begin.after,
    from: begin.from,
  }),
  output,
  faults: ["not_found"],
  examples: [example],
  handle: once,
});

async function once(context: Context, input: Begin & { table: string; wait: number; limit: number }) {
  const { subject, reading } = await subjectAt(context, input.table);
  const found = await pollSubject<v.InferOutput<typeof change>>(context, reading, {
    subject,
    wait: input.wait,
    limit: input.limit,
    begin: beginOf(input),
    ready: async () => undefined,
  });
  return changesAnswer(found);
}

async function subjectAt(context: Context, name: string): Promise<{ subject: string; reading: Reading }> {
  const table = await loadTable(context, name);
  return { subject: subjectOf(table), reading: readingOf(name) };
}

export const followChanges = feed({
  summary: "Follow the changes of a table as Server-Sent Events.",
  details: `${words} With Last-Event-ID (or after) those after that event come first, with from=earliest all that are held. An event \`gap\` tells that events after your cursor have expired.`,
  http: "GET /sql/tables/:table/changes",
  needs,
  limit: "data",
  input: v.strictObject({ table: tableName, ...begin }),
  headers: { last_event_id: "Last-Event-ID" },
  event: change,
  poll: longPoll,
  faults: ["not_found"],
  async handle(context, input) {
    const { subject, reading } = await subjectAt(context, input.table);
    const part = await partOf(context, { realm: CHANGES, subject }, beginOf(input));
    return { realm: CHANGES, message: async (entry: Entry) => reading.json(entry), parts: [part] };
  },
});
