/** Steps of the contracts of rows: places, orders, and one command or page at a time. */
import type { Cell, Column, Row, Table } from "../../core/ports/table.ts";
import type { Filter, Order, Place, ReadRows, RowCommand, RowOutcome, RowPage } from "../../core/ports/table_rows.ts";
import { committed, refusal, type StoreHarness } from "../support/store_harness.ts";
import { column, numeric } from "./tables_steps.ts";

/** One column of every type. */
export const EVERY_TYPE: readonly Column[] = [
  column("text_", "text"),
  column("integer_", "integer"),
  column("bigint_", "bigint"),
  numeric("numeric_", [12, 2]),
  column("boolean_", "boolean"),
  column("time_", "timestamptz"),
  column("date_", "date"),
  column("uuid_", "uuid"),
  column("json_", "jsonb"),
];

export const FULL: Row = {
  text_: "Zoë said: 'x'; DROP TABLE \"y\" -- \\ \u{1F600}",
  integer_: -2_147_483_648,
  bigint_: "9223372036854775807",
  numeric_: "-9999999999.90",
  boolean_: false,
  time_: "0001-01-01T00:00:00.000001Z",
  date_: "9999-12-31",
  uuid_: "00000000-0000-4000-8000-00000000abcd",
  json_: { b: [1, 2.5, "x", null, true], a: { "": "" } },
};

export function at(name: string, ...path: string[]): Place {
  return { column: name, path, asText: false };
}

export function textAt(name: string, ...path: string[]): Place {
  return { column: name, path, asText: true };
}

export function by(place: Place, descending = false, nullsFirst = descending): Order {
  return { at: place, descending, nullsFirst };
}

/** Carries out one row command. */
export async function write(h: StoreHarness, command: RowCommand): Promise<Extract<RowOutcome, { status: "written" }>> {
  const [outcome] = await committed(h, command);
  if (outcome?.status !== "written") throw new Error(`the command gave ${outcome?.status}`);
  return outcome;
}

export async function refused(h: StoreHarness, command: RowCommand): Promise<RowOutcome> {
  return (await refusal(h, command)).outcome as RowOutcome;
}

/** A page of all columns, by id. */
export function read(h: StoreHarness, table: Table, how: Partial<ReadRows> = {}): Promise<RowPage> {
  const select = ["id", ...table.columns.map(({ name }) => name)].map((name) => ({ as: name, at: at(name) }));
  const every: Filter = { is: "and", of: [] };
  return h.database.tables.read({
    table,
    select,
    filter: every,
    order: [by(at("id"))],
    after: null,
    limit: 1_000,
    ...how,
  });
}

export async function idsWhere(h: StoreHarness, table: Table, filter: Filter): Promise<Cell[]> {
  return (await read(h, table, { filter })).rows.map(({ id }) => id!);
}
