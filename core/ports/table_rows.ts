/**
 * What is done with the rows of a table: reads, and the commands of a unit. Names of columns in all of it MUST be the table's own, and values
 * canonical (`Cell`); the caller has checked both, against the `Table` it passes. It knows nothing of the text in which callers write filters.
 */
import type { Cell, Row, Table } from "./table.ts";

/** The most rows of one insert. */
export const ROWS_WRITTEN_MAX = 10_000;
/** The most rows of one page, and that an update or delete gives back. */
export const ROWS_READ_MAX = 1_000;
/** The most rows that one aggregation may look at. */
export const ROWS_AGGREGATED_MAX = 1_000_000;
/** The most ids that an outcome names. */
export const ROW_IDS_MAX = 100;

/**
 * A column, or a place inside one of type jsonb. Each step is a key of an object, or, where it reads as a whole number, an index of a list (from its
 * end when negative). `asText`: a string there is its characters, anything else its JSON as text. What is not there, and JSON's null, are null.
 */
export interface Place {
  column: string;
  path: readonly string[];
  asText: boolean;
}

export type Comparison = "eq" | "neq" | "gt" | "gte" | "lt" | "lte";

/**
 * What a row must be, with three values of truth as in SQL: what compares with null is neither true nor false, its negation neither, and only what
 * is true counts. Text and uuid are ordered by bytes, false before true. A place inside jsonb that is not `asText`, and a jsonb column itself, are compared as
 * JSON: `eq`, `neq` and `in` by value, the others only with a number, and what is no number there is as null. `value` has the form of the column's cells; beside a
 * numeric it may have any decimals.
 */
export type Filter =
  | { is: "and" | "or"; of: readonly Filter[] }
  | { is: "not"; of: Filter }
  | { is: Comparison; at: Place; value: Cell }
  /** A pattern of SQL: `%` any text, `_` any character, `\` makes the next one plain. `ilike` takes A to Z for a to z. */
  | { is: "like" | "ilike"; at: Place; pattern: string }
  | { is: "in"; at: Place; values: readonly Cell[] }
  /** What `by` says of each of the values, joined by `or` (any) or `and` (all): of none, false or true. For `like` and `ilike` the values are patterns. */
  | { is: "any" | "all"; by: Comparison | "like" | "ilike"; at: Place; values: readonly Cell[] }
  /** Of JSON alone, as `@>` and `<@` of PostgreSQL's jsonb: what stands there contains the value, or is contained in it. */
  | { is: "contains" | "within"; at: Place; value: Cell }
  /** Two values of truth: null is a value like any other, so that each is distinct from all but itself. */
  | { is: "distinct"; at: Place; value: Cell }
  /** Two values of truth: `true` is false for null. */
  | { is: "null" | "true" | "false"; at: Place };

/** The filter that every row passes. */
export const EVERY_ROW: Filter = { is: "and", of: [] };

/** How the values of something are ordered; text by its bytes. */
export interface Direction {
  descending: boolean;
  nullsFirst: boolean;
}

/** By a column, or by a place inside jsonb as text. */
export interface Order extends Direction {
  at: Place;
}

/** A value of the answer and the name it bears there. */
export interface Selected {
  as: string;
  at: Place;
}

/** Which rows, in which order; every order ends with `id`. */
export interface ReadRows {
  table: Table;
  select: readonly Selected[];
  filter: Filter;
  order: readonly Order[];
  /** Only rows that come after one with these cells, one for each term of the order; null: from the first. */
  after: readonly Cell[] | null;
  /** At most ROWS_READ_MAX. */
  limit: number;
}

/** Rows, and where the next of them begin: the cells of the last row for each term of the order; null when there are no more. */
export interface RowPage {
  rows: Row[];
  next: Cell[] | null;
}

/** How many decimals an average may have beyond those of its column. */
export const AVERAGE_DECIMALS = 16;

/**
 * `sum` and `avg` are of integers, bigints and numerics, and text as of a numeric. `sum` is exact. `avg` is the exact sum divided by the number, to AVERAGE_DECIMALS
 * decimals more than the column's, half rounded away from zero, without zeros at the end beyond the column's decimals. `min` and `max` are of any type with an order.
 */
export interface Aggregated {
  as: string;
  fn: "count" | "sum" | "min" | "max" | "avg";
  /** Null: the rows themselves, for `count` alone. */
  at: Place | null;
}

export interface AggregateRows {
  table: Table;
  filter: Filter;
  /** One row of the answer for each combination of these; none: one row. */
  by: readonly Selected[];
  of: readonly Aggregated[];
  /** By names of the answer; every order ends with all of `by`. */
  order: readonly (Direction & { as: string })[];
  after: readonly Cell[] | null;
  limit: number;
}

export interface CountRows {
  table: Table;
  filter: Filter;
  how: "exact" | "estimated";
}

/**
 * Reads of rows. Each runs in one transaction that cannot write, as a role that has no right to. A table that is no longer at the version of the
 * `Table` is refused with the Fault `conflict`; a read that takes too long with `timeout`.
 */
export interface TableRows {
  /** A page MAY end before its limit when its rows are large; never before its first row. */
  read(read: ReadRows): Promise<RowPage>;
  /** Over more than ROWS_AGGREGATED_MAX rows it is refused with `invalid_input`. */
  aggregate(aggregate: AggregateRows): Promise<RowPage>;
  /** `estimated` MAY be off by any amount where a filter is; it costs less. */
  count(count: CountRows): Promise<number>;
}

export interface InsertRows {
  op: "table.insert";
  table: Table;
  /** A column that is left out takes its default. 1 to ROWS_WRITTEN_MAX. */
  rows: readonly Row[];
  /**
   * What to do when the unique column has the value already: overwrite what the row brings, or leave the stored row. Left out: refuse. No two
   * rows of the command may bring the same value there, and to overwrite, all of them bring the same columns. A row without a value there is inserted.
   */
  conflict?: { column: string; resolution: "merge" | "ignore" };
  /** The rows written, as they are stored then, in the order sent; those ignored are not among them. Ids are given in that order, or with `conflict` in `keyOrder`. */
  returning: boolean;
}

export interface UpdateRows {
  op: "table.update";
  table: Table;
  filter: Filter;
  /** At least one column, never `id`. */
  set: Row;
  /** The rows, by id; more than ROWS_READ_MAX, or too many bytes, are refused as `beyond`. */
  returning: boolean;
}

export interface DeleteRows {
  op: "table.delete";
  table: Table;
  filter: Filter;
  returning: boolean;
}

export type RowCommand = InsertRows | UpdateRows | DeleteRows;

/** Why rows were refused. */
export interface Violation {
  constraint: "unique" | "reference" | "not_null" | "enum";
  column: string;
  /** Which of the inserted rows, where the store knows. */
  index?: number;
  /** The value as text, where the store knows. */
  value?: string;
  /** Of a reference: the table that lacks the value, or the one whose rows still refer to it. */
  table?: string;
}

/**
 * What became of a row command. `written`: how many rows, the ids of the first ROW_IDS_MAX, and the rows themselves when asked for. Refusals are
 * `violates`; `beyond`, when more rows would come back than may; and `changed`: the table is no longer at the version of the command's `Table`, so load it and try again.
 */
export type RowOutcome =
  | { status: "written"; count: number; ids: number[]; rows?: Row[] }
  | ({ status: "violates" } & Violation)
  | { status: "beyond"; count: number; most: number }
  | { status: "changed" };

/**
 * The order in which rows with a `conflict` MUST be taken, as places in the list sent: by the text of their value in that column, without a value last. So two
 * commands at once that bring the same values never wait for each other in a circle.
 */
export function keyOrder(rows: readonly Row[], column: string): number[] {
  const keys = rows.map((row) => {
    const cell = Object.hasOwn(row, column) ? row[column]! : null;
    return cell === null ? null : JSON.stringify(cell);
  });
  return [...rows.keys()].sort((left, right) => {
    const [one, other] = [keys[left]!, keys[right]!];
    if (one === other) return left - right;
    if (one === null || other === null) return one === null ? 1 : -1;
    return one < other ? -1 : 1;
  });
}
