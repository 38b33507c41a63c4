/**
 * The tables store: real, typed tables that users define, under (realm, name). Structure changes are commands of a unit like all writes, so that
 * the registry, the table and what is told about it commit together.
 * Rows: see `table_rows.ts`. Column types and the form of values: see `table.ts`.
 */

import type { Column, ColumnSpec, Table } from "./table.ts";
import type { RowCommand, RowOutcome, TableRows } from "./table_rows.ts";

export interface CreateTable {
  op: "table.create";
  realm: string;
  name: string;
  /** At most TABLE_COLUMNS_MAX, names of their own; none of them `id`. */
  columns: readonly Column[];
}

export interface AlterTable {
  op: "table.alter";
  realm: string;
  name: string;
  /** All columns as they shall be: one that is not among them, by its name or as `renamedFrom`, goes. */
  columns: readonly ColumnSpec[];
  /** Only if the table is at this version. */
  ifVersion?: number;
  /** Only if it is the table of this number, and not another made under its name since. */
  ifNumber?: number;
  /** Whoever asks knows that values are lost. */
  lossy: boolean;
}

export interface DropTable {
  op: "table.drop";
  realm: string;
  name: string;
}

export type StructureCommand = CreateTable | AlterTable | DropTable;

/** Values that a change would lose: of a column that goes, or of one whose new type cannot hold them as they are. */
export interface Loss {
  column: string;
  kind: "dropped" | "narrowed";
  /** How many rows; never 0. */
  rows: number;
}

/** What the rows there are forbid: a change with one of these is refused until they are changed. */
export interface Obstacle {
  column: string;
  /** Nulls, equal values, values beyond the enum, without a row that they refer to, beyond the new type, or longer than an index takes. */
  kind: "null" | "duplicate" | "enum" | "reference" | "range" | "length";
  /** How many rows; never 0. */
  rows: number;
}

/** What a change of structure does, in order, as the SQL that PostgreSQL gets; and what stands against it. */
export interface Plan {
  statements: string[];
  losses: Loss[];
  obstacles: Obstacle[];
}

/**
 * Why a structure cannot be: `unreferable`: what the column refers to is not there, not unique, or of another type. `referenced`: a column of
 * `by` refers to the table, or to the column, that would go, change its type or cease to be unique. `unconvertible`: there is no way from the old type to the new.
 */
export type StructureRefusal =
  | { status: "taken" }
  | { status: "missing" }
  | { status: "stale"; version: number }
  | { status: "full"; most: number }
  | { status: "unreferable"; column: string }
  | { status: "referenced"; column: string | null; by: string }
  | { status: "unconvertible"; column: string }
  | { status: "unknown_column"; column: string };

/** What became of a structure command. `lossy`: values would be lost and the command did not allow it. `obstructed`: rows stand against it. */
export type StructureOutcome =
  | { status: "created"; table: Table }
  | { status: "altered"; table: Table; plan: Plan }
  | { status: "dropped"; table: Table }
  | { status: "lossy" | "obstructed"; plan: Plan }
  | StructureRefusal;

export type TableCommand = StructureCommand | RowCommand;

export type TableOutcome = StructureOutcome | RowOutcome;

/** The outcomes of table commands that make a unit fail; `stale` is among the refusals already. */
export const TABLE_REFUSALS = [
  "taken",
  "missing",
  "full",
  "unreferable",
  "referenced",
  "unconvertible",
  "unknown_column",
  "lossy",
  "obstructed",
  "violates",
  "beyond",
  "changed",
] as const;

/** A table and about how many rows it has. */
export interface Listed {
  table: Table;
  rows: number;
}

/**
 * Row statements MUST run as a role that has rights on users' tables alone, where the server may make one, and reads as one that can only read.
 * Structure changes of one realm happen one at a time; one that cannot have its table to itself within a second is refused with `unavailable`.
 */
export interface Tables extends TableRows {
  /** The table, or null when there is none. */
  get(realm: string, name: string): Promise<Table | null>;
  /** Up to `limit` tables with a name greater than `after` ("" for the first page), in byte order of the name. */
  list(realm: string, after: string, limit: number): Promise<Listed[]>;
  /** About how many rows the table has. */
  size(table: Table): Promise<number>;
  /** What an alteration would do and what stands against it; it changes nothing. */
  plan(alter: AlterTable): Promise<{ table: Table; plan: Plan } | StructureRefusal>;
}
