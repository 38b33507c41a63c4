/** Changing and deleting rows by filter: never all of a table because nothing was said. */
import * as v from "valibot";
import { quote } from "../../kernel/fields.ts";
import { call, type FurtherNeed } from "../../kernel/operation.ts";
import { carryOut } from "../../kernel/plan.ts";
import type { JsonObject } from "../../ports/json.ts";
import { ROWS_MOST_BYTES } from "./insert.ts";
import { tableName } from "./load.ts";
import { besideFilters, filter } from "./row_fields.ts";
import { deletePlan, returned, updatePlan, writtenFields } from "./written.ts";

/** Whoever may only write is not shown what others have stored. */
const answerNeeds: FurtherNeed = {
  words: "return=representation needs tables:read too, since the answer shows what is stored",
  scopes: ({ table, return: answered }) =>
    answered === "representation" ? [{ mode: "tables", access: "read", name: table as string }] : [],
};

const shared = {
  needs: { scope: "tables", access: "write", of: "table", also: answerNeeds },
  limit: "data",
  rest: "filter",
  output: v.object(writtenFields),
  faults: ["not_found", "conflict", "unavailable", "timeout"],
} as const;

export const updateRows = call({
  ...shared,
  summary: "Update rows of a table.",
  details:
    "Sets the columns of the body in every row that passes the filter, all of them or none. A filter is needed; id=not.is.null means all rows. In REST the body is the object with the new values, and the query is the filter: PATCH …/rows?age=gte.18.",
  http: "PATCH /sql/tables/:table/rows",
  tool: "sql_update_rows",
  idempotent: true,
  input: v.strictObject({
    table: tableName,
    filter,
    set: v.pipe(
      v.custom<JsonObject>(
        (value) => typeof value === "object" && value !== null && !Array.isArray(value),
        (issue) => `is ${quote(issue.input)}; send an object with columns and their new values`,
      ),
      v.metadata({ type: "object" }),
      v.description("Columns and their new values"),
    ),
    return: besideFilters("return", returned("minimal")),
  }),
  body: { whole: "set", most: () => ({ json: ROWS_MOST_BYTES, raw: 0 }) },
  batch: { op: "table.update", plan: updatePlan },
  examples: [
    {
      input: { table: "people", filter: ["email=eq.ada@example.org"], set: { age: 38 }, return: "representation" },
      output: { count: 1, rows: [{ id: 1, name: "Ada", email: "ada@example.org", age: 38 }] },
    },
  ],
  handle: async (context, input) => carryOut(context, () => updatePlan(context, input)),
});

export const deleteRows = call({
  ...shared,
  summary: "Delete rows of a table.",
  details:
    "Deletes every row that passes the filter, all of them or none. A filter is needed; id=not.is.null means all rows. In REST the query is the filter: DELETE …/rows?id=eq.1.",
  http: "DELETE /sql/tables/:table/rows",
  tool: "sql_delete_rows",
  input: v.strictObject({ table: tableName, filter, return: besideFilters("return", returned("minimal")) }),
  batch: { op: "table.delete", plan: deletePlan },
  examples: [{ input: { table: "people", filter: ["age=gt.100"] }, output: { count: 0 } }],
  handle: async (context, input) => carryOut(context, () => deletePlan(context, input)),
});
