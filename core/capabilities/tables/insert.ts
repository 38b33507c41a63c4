/** Putting rows into a table: one or many at once, all or none, and over those that are there already if wanted. */
import * as v from "valibot";
import { quote } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { carryOut } from "../../kernel/plan.ts";
import type { Json } from "../../ports/json.ts";
import { ROWS_WRITTEN_MAX } from "../../ports/table_rows.ts";
import { tableName } from "./load.ts";
import { insertPlan, returned, writtenFields } from "./written.ts";

/** The most bytes of a request's rows as JSON. */
export const ROWS_MOST_BYTES = 16 * 1024 * 1024;

const row = v.pipe(
  v.custom<{ [column: string]: Json }>((value) => typeof value === "object" && value !== null && !Array.isArray(value)),
  v.metadata({ type: "object" }),
);

/** Looked at row by row, so that all mistakes are told at once. */
const rowOfMany = v.pipe(
  v.custom<Json>((value) => value !== undefined),
  v.metadata({ type: "object" }),
);

const rows = v.pipe(
  v.union(
    [
      row,
      v.pipe(
        v.array(rowOfMany),
        v.minLength(1, `is empty; send 1 to ${ROWS_WRITTEN_MAX} rows`),
        v.maxLength(ROWS_WRITTEN_MAX),
      ),
    ],
    (issue) =>
      issue.input === undefined
        ? "is missing; send a row or a list of rows"
        : `is ${quote(issue.input)}; send a row, which is an object with columns and their values, or a list of rows`,
  ),
  v.description(
    `One row, or a list of 1 to ${ROWS_WRITTEN_MAX}: columns and their values. A column that is left out takes its default; id is given by the server. bigint and numeric may be strings, so that no digit is lost`,
  ),
);

const ada = { name: "Ada", email: "ada@example.org", age: 36 };

export const insertRows = call({
  summary: "Insert rows into a table.",
  details: `Puts in one row or up to ${ROWS_WRITTEN_MAX}, all of them or none; when some do not fit, details.errors names index, column and value of each (20 at most). With on_conflict and a unique column, a row whose value is there already overwrites the columns that it brings (resolution=merge) or is left out (ignore). In REST the body is the row, or the list of rows, and the other fields stand in the query.`,
  http: "POST /sql/tables/:table/rows",
  tool: "sql_insert_rows",
  needs: {
    scope: "tables",
    access: "write",
    of: "table",
    also: {
      words: "on_conflict needs tables:read too unless return is minimal, since the answer shows what is stored",
      scopes: ({ table, on_conflict, return: answered }) =>
        on_conflict === undefined || answered === "minimal"
          ? []
          : [{ mode: "tables", access: "read", name: table as string }],
    },
  },
  limit: "data",
  input: v.strictObject({
    table: tableName,
    rows,
    on_conflict: v.optional(
      v.pipe(
        v.string(),
        v.maxLength(48),
        v.description("A unique column: rows with a value that it has already are no conflict"),
      ),
    ),
    resolution: v.optional(
      v.pipe(
        v.picklist(["merge", "ignore"]),
        v.description(
          "With on_conflict: merge overwrites the stored row's columns by those sent, ignore leaves it. Default merge",
        ),
      ),
    ),
    return: returned("representation"),
  }),
  body: { whole: "rows", most: () => ({ json: ROWS_MOST_BYTES, raw: 0 }) },
  status: 201,
  output: v.object(writtenFields),
  faults: ["not_found", "conflict", "too_large", "unavailable"],
  batch: { op: "table.insert", plan: insertPlan },
  examples: [
    { input: { table: "people", rows: ada }, output: { count: 1, rows: [{ id: 1, ...ada }] } },
    {
      input: { table: "people", rows: [{ ...ada, age: 37 }], on_conflict: "email", return: "minimal" },
      output: { count: 1 },
    },
  ],
  handle: async (context, input) => carryOut(context, () => insertPlan(context, input)),
});
