/** A table with a column of each type, for tests of what callers write in filters, selections and orders. */
import { parseFilter } from "../../core/capabilities/tables/filter.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Column, ColumnType, Table } from "../../core/ports/table.ts";

/** The columns of the table, one of each type. */
export const types: Record<string, ColumnType> = {
  name: "text",
  age: "integer",
  big: "bigint",
  price: "numeric",
  open: "boolean",
  born: "timestamptz",
  day: "date",
  key: "uuid",
  data: "jsonb",
};

/** A table that no store has. */
export const table: Table = {
  realm: "user",
  name: "people",
  number: 1,
  version: 1,
  relation: "sql_people",
  columns: Object.entries(types).map(
    ([name, type]): Column => ({
      name,
      type,
      precision: type === "numeric" ? 10 : null,
      scale: type === "numeric" ? 2 : null,
      nullable: true,
      default: null,
      unique: false,
      enum: null,
      references: null,
    }),
  ),
  createdAt: new Date(0),
  updatedAt: new Date(0),
};

/** A place in it. */
export const place = (column: string, ...path: string[]) => ({ column, path, asText: false });
/** The filter of these pairs. */
export const filter = (...pairs: string[]) => parseFilter(table, pairs);

/** The words in which it is refused. */
export function words(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault && error.code === "invalid_input") return error.message;
    throw error;
  }
  throw new Error("it was taken");
}
