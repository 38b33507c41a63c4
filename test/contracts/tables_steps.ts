/** Steps of the tables' contracts: columns in short, and one command at a time. */
import type { Cell, Column, ColumnSpec, ColumnType, Row, Table } from "../../core/ports/table.ts";
import type { Selected } from "../../core/ports/table_rows.ts";
import type { AlterTable, Plan, StructureCommand, StructureOutcome } from "../../core/ports/tables.ts";
import { committed, refusal, type StoreHarness } from "../support/store_harness.ts";

/** A column that may be null and has nothing special, unless told otherwise. */
export function column(name: string, type: ColumnType, more: Partial<ColumnSpec> = {}): ColumnSpec {
  const plain = {
    precision: null,
    scale: null,
    nullable: true,
    default: null as Cell,
    unique: false,
    enum: null,
    references: null,
  };
  return { name, type, ...plain, ...more };
}

/** A decimal column. */
export function numeric(
  name: string,
  [precision, scale]: [number, number],
  more: Partial<ColumnSpec> = {},
): ColumnSpec {
  return column(name, "numeric", { precision, scale, ...more });
}

type Outcome<S extends StructureOutcome["status"]> = Extract<StructureOutcome, { status: S }>;

async function done<S extends StructureOutcome["status"]>(
  h: StoreHarness,
  command: StructureCommand,
): Promise<Outcome<S>> {
  const [outcome] = await committed(h, command);
  return outcome as Outcome<S>;
}

async function refused(h: StoreHarness, command: StructureCommand): Promise<StructureOutcome> {
  return (await refusal(h, command)).outcome as StructureOutcome;
}

export async function create(h: StoreHarness, name: string, columns: readonly Column[]): Promise<Table> {
  return (await done<"created">(h, { op: "table.create", realm: h.realm, name, columns })).table;
}

export function createRefused(h: StoreHarness, name: string, columns: readonly Column[]): Promise<StructureOutcome> {
  return refused(h, { op: "table.create", realm: h.realm, name, columns });
}

type How = Partial<Pick<AlterTable, "ifVersion" | "ifNumber" | "lossy">>;

function altering(
  h: StoreHarness,
  name: string,
  { columns, how = {} }: { columns: readonly ColumnSpec[]; how?: How },
): AlterTable {
  return { op: "table.alter", realm: h.realm, name, columns, lossy: false, ...how };
}

export function alter(
  h: StoreHarness,
  name: string,
  columns: readonly ColumnSpec[],
  how: How = {},
): Promise<Outcome<"altered">> {
  return done<"altered">(h, altering(h, name, { columns, how }));
}

export function alterRefused(h: StoreHarness, name: string, columns: readonly ColumnSpec[], how: How = {}) {
  return refused(h, altering(h, name, { columns, how }));
}

/** The plan of an alteration; a refusal is an error. */
export async function plan(h: StoreHarness, name: string, columns: readonly ColumnSpec[]): Promise<Plan> {
  const planned = await h.database.tables.plan(altering(h, name, { columns }));
  if ("status" in planned) throw new Error(`the plan was refused: ${planned.status}`);
  return planned.plan;
}

export async function drop(h: StoreHarness, name: string): Promise<Table> {
  return (await done<"dropped">(h, { op: "table.drop", realm: h.realm, name })).table;
}

export function dropRefused(h: StoreHarness, name: string): Promise<StructureOutcome> {
  return refused(h, { op: "table.drop", realm: h.realm, name });
}

/** Inserts rows, and returns them as they are stored. */
export async function insert(h: StoreHarness, name: string, rows: readonly Row[]): Promise<Row[]> {
  const table = await tableOf(h, name);
  const [outcome] = await committed(h, { op: "table.insert", table, rows, returning: true });
  if (outcome?.status !== "written") throw new Error(`the insert gave ${outcome?.status}`);
  return outcome.rows!;
}

/** Up to 1000 rows by id, with all their columns. */
export async function rowsOf(h: StoreHarness, name: string): Promise<Row[]> {
  const table = await tableOf(h, name);
  const select = ["id", ...table.columns.map((one) => one.name)].map(
    (as): Selected => ({ as, at: { column: as, path: [], asText: false } }),
  );
  const order = [{ at: select[0]!.at, descending: false, nullsFirst: false }];
  const page = await h.database.tables.read({
    table,
    select,
    filter: { is: "and", of: [] },
    order,
    after: null,
    limit: 1_000,
  });
  return page.rows;
}

/** The table as it is registered now. */
export async function tableOf(h: StoreHarness, name: string): Promise<Table> {
  const table = await h.database.tables.get(h.realm, name);
  if (table === null) throw new Error(`there is no table ${name}`);
  return table;
}
