/**
 * From one structure of a table to another: which columns go, come and change, and whether the tables around allow it. Pure, and the same for every
 * twin of the store; what the rows have to say is the twin's to find out.
 */
import { type Column, type ColumnSpec, type ColumnType, type Reference, TABLE_ID, type Table } from "./table.ts";
import type { AlterTable, CreateTable, StructureRefusal } from "./tables.ts";

/** A column that goes, that comes, or that stays with something about it changed. */
export type Change =
  | { kind: "drop"; was: Column }
  | { kind: "add"; is: Column }
  | { kind: "keep"; was: Column; is: Column; differs: Differences };

/** What a kept column changes. `reference` is true as well when its type changes, since the reference has to be made anew. */
export interface Differences {
  name: boolean;
  type: boolean;
  nullable: boolean;
  default: boolean;
  unique: boolean;
  enum: boolean;
  reference: boolean;
}

export interface Alteration {
  /** The table as it is. */
  table: Table;
  /** Its columns as they shall be. */
  columns: Column[];
  /** Drops first, then the others in the order of the spec. */
  changes: Change[];
  /** Other tables whose columns refer to one with a new name, as they shall be. */
  others: Table[];
}

/** Why the table cannot be made beside these, or null. */
export function creationRefusal(tables: readonly Table[], command: CreateTable): StructureRefusal | null {
  if (tables.some(({ name }) => name === command.name)) return { status: "taken" };
  return unreferable(tables, command);
}

/** Why the table cannot go from among these, or null. */
export function dropRefusal(tables: readonly Table[], name: string): StructureRefusal | null {
  if (!tables.some((table) => table.name === name)) return { status: "missing" };
  const by = tables.find(
    (other) => other.name !== name && referencesOf(other.columns).some(({ table }) => table === name),
  );
  return by ? { status: "referenced", column: null, by: by.name } : null;
}

/** What the command comes to, in a realm that has these tables; or why it cannot be. */
export function alterationOf(tables: readonly Table[], command: AlterTable): Alteration | StructureRefusal {
  const table = tables.find(({ name }) => name === command.name);
  if (!table) return { status: "missing" };
  const { ifVersion = table.version, ifNumber = table.number } = command;
  if (ifVersion !== table.version || ifNumber !== table.number) return { status: "stale", version: table.version };
  const kept = keptOf(table, command.columns);
  if ("status" in kept) return kept;

  const columns = command.columns.map(columnOf);
  const missing = unreferable(tables, { name: table.name, columns });
  if (missing) return missing;

  const names = new Map([...kept].map(([spec, was]) => [was.name, spec.name]));
  const changes: Change[] = table.columns
    .filter(({ name }) => !names.has(name))
    .map((was) => ({ kind: "drop" as const, was }));
  for (const [index, spec] of command.columns.entries()) {
    const is = columns[index]!;
    const was = kept.get(spec);
    if (!was) {
      changes.push({ kind: "add", is });
      continue;
    }
    const differs = differencesOf(was, is, (reference) => renamed(reference, table.name, names));
    if (differs.type && !convertible(was.type, is.type)) return { status: "unconvertible", column: is.name };
    if (Object.values(differs).includes(true)) changes.push({ kind: "keep", was, is, differs });
  }

  const others: Table[] = [];
  for (const other of tables) {
    if (other.name === table.name) continue;
    const moved = { ...other, columns: other.columns.map((column) => referringAnew(column, table.name, names)) };
    const broken = moved.columns.find((column) => column.references?.table === table.name && !fits(column, columns));
    if (broken) {
      const at = other.columns.find(({ name }) => name === broken.name)?.references?.column ?? null;
      return { status: "referenced", column: at, by: other.name };
    }
    if (moved.columns.some((column, index) => column !== other.columns[index])) others.push(moved);
  }
  return { table, columns, changes, others };
}

/** Whether values of the one type may become values of the other; whether each of them can is another matter. */
export function convertible(from: ColumnType, to: ColumnType): boolean {
  if (from === to) return true;
  if (from === "jsonb" || to === "jsonb") return false;
  if (to === "text") return true;
  const numbers: readonly ColumnType[] = ["integer", "bigint", "numeric"];
  if (numbers.includes(to)) return from === "text" || numbers.includes(from);
  if (to === "boolean" || to === "uuid") return from === "text";
  return (from === "date" && to === "timestamptz") || (from === "timestamptz" && to === "date");
}

/** The spec's columns that are there already, each with what it is; the others are new. */
function keptOf(table: Table, specs: readonly ColumnSpec[]): Map<ColumnSpec, Column> | StructureRefusal {
  const free = new Map(table.columns.map((column) => [column.name, column]));
  const kept = new Map<ColumnSpec, Column>();
  const claim = (spec: ColumnSpec, name: string): boolean => {
    const was = free.get(name);
    if (was) kept.set(spec, was);
    return free.delete(name);
  };
  // Who comes with a former name has the first claim, so that a new column may take a name that another has given up.
  for (const spec of specs) if (spec.renamedFrom !== undefined) claim(spec, spec.renamedFrom);
  for (const spec of specs) {
    // A spec that is sent again: the column has its new name already.
    if (kept.has(spec) || claim(spec, spec.name) || spec.renamedFrom === undefined) continue;
    return { status: "unknown_column", column: spec.renamedFrom };
  }
  return kept;
}

function differencesOf(was: Column, is: Column, anew: (reference: Reference) => Reference): Differences {
  const type = was.type !== is.type || was.precision !== is.precision || was.scale !== is.scale;
  const same = (left: unknown, right: unknown) => JSON.stringify(left) === JSON.stringify(right);
  const reference = was.references && anew(was.references);
  return {
    name: was.name !== is.name,
    type,
    nullable: was.nullable !== is.nullable,
    default: !same(was.default, is.default),
    unique: was.unique !== is.unique,
    enum: !same(was.enum, is.enum),
    reference: !same(reference, is.references) || (type && is.references !== null),
  };
}

function unreferable(
  tables: readonly Table[],
  { name, columns }: { name: string; columns: readonly Column[] },
): StructureRefusal | null {
  const lost = columns.find(({ references, ...column }) => {
    if (!references) return false;
    const there =
      references.table === name ? columns : tables.find((table) => table.name === references.table)?.columns;
    return !there || !fits({ ...column, references }, there);
  });
  return lost ? { status: "unreferable", column: lost.name } : null;
}

/** Whether the column that `column` refers to is among these as it must be. */
function fits(column: Column, there: readonly Column[]): boolean {
  const { type, precision, scale, references } = column;
  if (references?.column === TABLE_ID) return type === "bigint";
  return there.some(
    (target) =>
      target.name === references?.column &&
      target.unique &&
      target.type === type &&
      target.precision === precision &&
      target.scale === scale,
  );
}

function referencesOf(columns: readonly Column[]): Reference[] {
  return columns.flatMap(({ references }) => references ?? []);
}

function referringAnew(column: Column, table: string, names: ReadonlyMap<string, string>): Column {
  const { references } = column;
  if (references?.table !== table) return column;
  const anew = renamed(references, table, names);
  return anew.column === references.column ? column : { ...column, references: anew };
}

function renamed(reference: Reference, table: string, names: ReadonlyMap<string, string>): Reference {
  if (reference.table !== table) return reference;
  return { table, column: names.get(reference.column) ?? reference.column };
}

function columnOf({ renamedFrom: _, ...column }: ColumnSpec): Column {
  return column;
}
