/**
 * Places of rows as SQL expressions, with their values as parameters. Identifiers come from the registry's `Table` alone, and what callers wrote is never
 * part of a statement's text.
 */
import { type Cell, type Column, type ColumnType, TABLE_ID, type Table } from "../../../core/ports/table.ts";
import type { Place } from "../../../core/ports/table_rows.ts";
import { quoted } from "../pool.ts";
import type { TextValue } from "../text_rows.ts";

/** A statement's parameters as they gather. */
export interface Parameters {
  readonly values: TextValue[];
  /** Adds a value; returns the expression that stands for it: `$3::integer`. */
  add(value: TextValue, type: string): string;
}

export function parameters(): Parameters {
  const values: TextValue[] = [];
  return {
    values,
    add(value, type) {
      values.push(value);
      return `$${values.length}::${type}`;
    },
  };
}

/** What an expression gives, which decides how it is compared and printed. `json`: jsonb. */
export type SqlType = Exclude<ColumnType, "jsonb"> | "json" | "id";

/** An expression and what it gives. */
export interface Expression {
  sql: string;
  type: SqlType;
  nullable: boolean;
}

/** The types as a parameter names them. */
const NAMES: { readonly [type in SqlType]: string } = {
  id: "bigint",
  text: "text",
  integer: "integer",
  bigint: "bigint",
  numeric: "numeric",
  boolean: "boolean",
  timestamptz: "timestamptz",
  date: "date",
  uuid: "uuid",
  json: "jsonb",
};

/** The column that a place names; `null` for `id`. Throws when the table has none: the caller has looked. */
export function columnAt(table: Table, name: string): Column | null {
  if (name === TABLE_ID) return null;
  const column = table.columns.find((one) => one.name === name);
  if (column === undefined) throw new Error("a place names no column of its table");
  return column;
}

/** The place as an expression. */
export function expressionOf(table: Table, { column: name, path, asText }: Place, to: Parameters): Expression {
  const column = columnAt(table, name);
  const sql = quoted(column?.name ?? TABLE_ID);
  if (path.length === 0) return { sql, type: typeOf(column), nullable: column?.nullable ?? false };
  const steps = to.add(textArrayLiteral(path), "text[]");
  if (asText) return { sql: `((${sql} #>> ${steps}) COLLATE "C")`, type: "text", nullable: true };
  return { sql: `NULLIF(${sql} #> ${steps}, 'null'::jsonb)`, type: "json", nullable: true };
}

export function typeOf(column: Column | null): SqlType {
  if (column === null) return "id";
  return column.type === "jsonb" ? "json" : column.type;
}

/** The cell as a parameter of its type. */
export function cellParameter(cell: Cell, type: SqlType, to: Parameters): string {
  return to.add(cellText(cell, type), NAMES[type]);
}

/** Cells as one parameter, an array. */
export function cellsParameter(cells: readonly Cell[], type: SqlType, to: Parameters): string {
  const texts = cells.map((cell) => cellText(cell, type));
  if (type === "json") return `(${to.add(textArrayLiteral(texts), "text[]")})::jsonb[]`;
  return to.add(textArrayLiteral(texts), `${NAMES[type]}[]`);
}

/** What PostgreSQL reads the cell from. */
export function cellText(cell: Cell, type: SqlType): string | null {
  if (cell === null) return null;
  if (type === "json") return JSON.stringify(cell);
  return typeof cell === "string" ? cell : String(cell);
}

/** An array's literal: every element quoted. */
function textArrayLiteral(texts: readonly (string | null)[]): string {
  const parts = texts.map((text) => (text === null ? "NULL" : `"${text.replace(/[\\"]/g, "\\$&")}"`));
  return `{${parts.join(",")}}`;
}

/** The cell that PostgreSQL printed, in UTC and ISO form. */
export function cellOfPrinted(text: string | null, type: SqlType): Cell {
  if (text === null) return null;
  switch (type) {
    case "id":
    case "integer":
      return Number(text);
    case "boolean":
      return text === "t";
    case "json":
      return JSON.parse(text);
    case "timestamptz":
      return `${text.slice(0, 10)}T${text.slice(11, text.length - 3)}Z`;
    default:
      return text;
  }
}
