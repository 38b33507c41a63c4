/** A table, and what a change would do to it, as callers see them. */
import * as v from "valibot";
import type { Json } from "../../ports/json.ts";
import type { Table } from "../../ports/table.ts";
import type { Plan } from "../../ports/tables.ts";
import { writeType } from "./spec.ts";

const columnFields = v.object({
  name: v.string(),
  type: v.string(),
  nullable: v.boolean(),
  default: v.unknown(),
  unique: v.boolean(),
  enum: v.nullable(v.array(v.string())),
  references: v.nullable(v.object({ table: v.string(), column: v.string() })),
});

export const tableFields = {
  name: v.string(),
  columns: v.pipe(v.array(columnFields), v.description("Beside id, a bigint that counts up and that every table has")),
  version: v.pipe(v.number(), v.description("1 when created, one more at every change of the columns")),
  created_at: v.string(),
  updated_at: v.string(),
};

export const rowsField = v.pipe(v.number(), v.description("About how many rows it has"));

/** The table without its rows. */
export function tableJson(table: Table) {
  return {
    name: table.name,
    columns: table.columns.map((column) => ({
      name: column.name,
      type: writeType(column),
      nullable: column.nullable,
      default: column.default as Json,
      unique: column.unique,
      enum: column.enum === null ? null : [...column.enum],
      references: column.references,
    })),
    version: table.version,
    created_at: table.createdAt.toISOString(),
    updated_at: table.updatedAt.toISOString(),
  };
}

const rows = v.pipe(v.number(), v.description("How many rows"));

export const planFields = {
  plan: v.pipe(v.array(v.string()), v.description("The SQL that does it, in order")),
  destructive: v.pipe(
    v.array(v.object({ column: v.string(), kind: v.picklist(["dropped", "narrowed"]), rows })),
    v.description("Values that are lost: of columns that go, or whose new type does not hold them as they are"),
  ),
  obstacles: v.pipe(
    v.array(
      v.object({
        column: v.string(),
        kind: v.picklist(["null", "duplicate", "enum", "reference", "range", "length"]),
        rows,
      }),
    ),
    v.description("What the rows that are there forbid; nothing is applied while there is any"),
  ),
};

/** The plan. */
export function planJson({ statements, losses, obstacles }: Plan) {
  return {
    plan: [...statements],
    destructive: losses.map(({ column, kind, rows: count }) => ({ column, kind, rows: count })),
    obstacles: obstacles.map(({ column, kind, rows: count }) => ({ column, kind, rows: count })),
  };
}
