/** Making, showing and listing tables. */
import * as v from "valibot";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields, pageOf, readCursor } from "../../kernel/page.ts";
import { carryOut, type Plan } from "../../kernel/plan.ts";
import { USER } from "../../kernel/realm.ts";
import type { Scope } from "../../kernel/scope.ts";
import type { Outcome } from "../../ports/database.ts";
import type { Column, Table } from "../../ports/table.ts";
import { CHANGES, subjectOf } from "./changes.ts";
import { loadTable, tableName } from "./load.ts";
import { columns, columnsOf, identifier } from "./spec.ts";
import { structureFault } from "./structure_words.ts";
import { rowsField, tableFields, tableJson } from "./table_json.ts";

const ACTION = "Cannot create the table";

/** What the columns of the examples share. */
const plain = { nullable: true, default: null, unique: false, enum: null, references: null };

/** The table of the examples. */
export const shownTable = {
  name: "people",
  columns: [
    { ...plain, name: "name", type: "text", nullable: false },
    { ...plain, name: "email", type: "text", unique: true },
    { ...plain, name: "age", type: "integer" },
  ],
  version: 1,
  created_at: "$TIME",
  updated_at: "$TIME",
};

export const create = call({
  summary: "Create a table.",
  details:
    "A real table of PostgreSQL with typed columns, in SQL under the name sql_<name>. Each has a column id by itself, a bigint that counts up. Columns can be changed later, with their values kept.",
  http: "POST /sql/tables",
  tool: "sql_create_table",
  needs: {
    scope: "tables",
    access: "write",
    of: "name",
    also: {
      words:
        "columns that refer to another table need tables:write of it too, since its rows then cannot go while others refer to them",
      scopes: ({ name, columns: sent }) => targetsOf(name as string, sent as Pick<Column, "references">[]),
    },
  },
  limit: "create",
  input: v.strictObject({
    name: identifier(
      "The table's name: a lower-case letter, then lower-case letters, digits and underscores, 48 in all",
    ),
    columns,
  }),
  status: 201,
  output: v.object(tableFields),
  faults: ["conflict"],
  examples: [
    {
      input: {
        name: "people",
        columns: [
          { name: "name", type: "text", nullable: false },
          { name: "email", type: "text", unique: true },
          { name: "age", type: "integer" },
        ],
      },
      output: shownTable,
    },
    {
      input: {
        name: "orders",
        columns: [
          { name: "total", type: "numeric(10,2)", default: 0 },
          { name: "state", type: "text", default: "open", enum: ["open", "paid"] },
        ],
      },
      output: {
        ...shownTable,
        name: "orders",
        columns: [
          { ...plain, name: "total", type: "numeric(10,2)", default: "0.00" },
          { ...plain, name: "state", type: "text", default: "open", enum: ["open", "paid"] },
        ],
      },
    },
  ],
  async handle(context, { name, columns: sent }) {
    const specs = columnsOf(sent, `${ACTION} ${name}`);
    const plan: Plan<Table> = {
      commands: [{ op: "table.create", realm: USER, name, columns: specs }],
      further: ([outcome]) => [{ op: "journal.open", realm: CHANGES, subject: subjectOf(tableIn(outcome)) }],
      answer: ([outcome]) => tableIn(outcome),
      refusal: (outcome) => structureFault(outcome, { action: ACTION, table: name }),
    };
    return tableJson(await carryOut(context, async () => plan));
  },
});

/** The scopes that the columns' references need: a reference keeps rows of the other table from going. */
export function targetsOf(name: string, columns: readonly { references?: Column["references"] }[]): Scope[] {
  const others = columns.map(({ references }) => references?.table ?? name).filter((table) => table !== name);
  return [...new Set(others)].map((table) => ({ mode: "tables", access: "write", name: table }));
}

/** The table that a structure command has left. */
export function tableIn(outcome: Outcome | undefined): Table {
  if (outcome && "table" in outcome && typeof outcome.table === "object") return outcome.table;
  throw new Error(`the outcome ${outcome?.status} has no table`);
}

const READ = { scope: "tables", access: "read" } as const;

export const get = call({
  summary: "Show a table.",
  http: "GET /sql/tables/:table",
  tool: "sql_get_table",
  needs: { ...READ, of: "table" },
  limit: "data",
  input: v.strictObject({ table: tableName }),
  output: v.object({ ...tableFields, rows: rowsField }),
  faults: ["not_found"],
  examples: [{ input: { table: "people" }, output: { ...shownTable, rows: 0 } }],
  async handle(context, { table: name }) {
    const table = await loadTable(context, name);
    return { ...tableJson(table), rows: await context.database.tables.size(table) };
  },
});

export const listTables = call({
  summary: "List the tables.",
  details: "In order of their names, with their columns and about how many rows each has.",
  http: "GET /sql/tables",
  tool: "sql_list_tables",
  needs: READ,
  limit: "data",
  input: v.strictObject(pageFields),
  output: v.object({
    tables: v.array(v.object({ ...tableFields, rows: rowsField })),
    next_cursor: nextCursor,
  }),
  examples: [{ input: { limit: 10 }, output: { tables: [{ ...shownTable, rows: 0 }], next_cursor: null } }],
  async handle({ database }, { limit, cursor }) {
    const found = await database.tables.list(USER, readCursor(cursor, v.string()) ?? "", limit + 1);
    const { rows, next } = pageOf(found, limit, ({ table }) => table.name);
    const tables = rows.map(({ table, rows: count }) => ({ ...tableJson(table), rows: count }));
    return { tables, next_cursor: next };
  },
});
