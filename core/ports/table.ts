/**
 * What a table of the tables store is: its columns, the types they may have, and the form in which values cross the port. The store itself
 * is in `tables.ts`, what is done with rows in `table_rows.ts`.
 */
import type { Json } from "./json.ts";

/** Names of tables and of columns: ASCII only, so that characters are bytes, and short enough that no server cuts them. */
export const TABLE_NAME = /^[a-z][a-z0-9_]{0,47}$/;
/** Names that begin so belong to PostgreSQL. */
export const TABLE_NAME_RESERVED = "pg_";
/** The column that every table has: a bigint that counts up, unique, set by the store alone. */
export const TABLE_ID = "id";

export const TABLE_COLUMNS_MAX = 64;
export const TABLES_PER_REALM_MAX = 100;
export const TABLES_MAX = 10_000;
export const TABLE_ENUM_MAX = 100;
export const NUMERIC_PRECISION_MAX = 38;
/** An index holds no longer text; in bytes, for a unique column and for one that refers to another. */
export const UNIQUE_TEXT_MAX_BYTES = 2_000;

export const COLUMN_TYPES = [
  "text",
  "integer",
  "bigint",
  "numeric",
  "boolean",
  "timestamptz",
  "date",
  "uuid",
  "jsonb",
] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/**
 * One value in canonical form; whoever calls the store makes it so, and the store gives it back so:
 * text: a string without U+0000 and lone surrogates · integer: a JSON number · bigint: its digits as a string, `"-12"`, and no `"-0"` ·
 * numeric(p,s): a string with exactly s decimals, `"12.50"` · boolean · timestamptz: UTC, `"2026-01-31T12:00:00Z"`, with 0 to 6 decimals of
 * a second and no zero at their end, years 0001 to 9999 · date: `"2026-01-31"`, the same years · uuid: lower case · jsonb: any JSON but a
 * bare null, which is the same as no value · null: no value. The column `id` alone, although a bigint, is a JSON number.
 */
export type Cell = Json;

/** Cells by name of column. */
export type Row = { [column: string]: Cell };

/** A column of the same type elsewhere, `id` or a unique one: each value other than null must stand there too. */
export interface Reference {
  /** A table of the same realm; it may be the table itself. */
  table: string;
  column: string;
}

export interface Column {
  name: string;
  type: ColumnType;
  /** Of `numeric` alone: digits in all, and digits after the point. Null for every other type. */
  precision: number | null;
  scale: number | null;
  nullable: boolean;
  /** What a row gets that leaves the column out; null: nothing. */
  default: Cell;
  /** No two rows have the same value; nulls are never the same. */
  unique: boolean;
  /** Of `text` alone: the values it may have. */
  enum: readonly string[] | null;
  references: Reference | null;
}

/** A column as it shall be. */
export interface ColumnSpec extends Column {
  /** The name it has had so far: its values stay. */
  renamedFrom?: string;
}

/** A table as it stands in the registry. `id` is not among its columns. */
export interface Table {
  realm: string;
  name: string;
  /** Tells the table from every other that there is or has been, under whatever name. */
  number: number;
  /** 1 when created, one more at every change of structure. */
  version: number;
  /** What the store calls it: nobody else reads this. */
  relation: string;
  /** In the order of the latest spec. */
  columns: readonly Column[];
  createdAt: Date;
  updatedAt: Date;
}
