/**
 * The SQL of a structure change, as PostgreSQL gets it and as the caller is shown it. Text only, and the one place where names and literals become
 * part of a statement: names by strict pattern and in quotes, literals in quotes and of a closed list of types.
 */

import { type Cell, type Column, type Reference, TABLE_ID, TABLE_NAME, type Table } from "./table.ts";
import type { Change } from "./table_change.ts";

/** Gives the relation of a table of the same realm by its name. */
type RelationOf = (table: string) => string;

/** What the store calls the table of a realm: in the realm `user` by a name that its owner knows in SQL too. */
export function relationOf(realm: string, name: string, number: number): string {
  return realm === "user" ? `sql_${name}` : `t${number}_${name}`;
}

/** A name in quotes; anything but a plain name is a fault of ours, whatever was checked before. */
export function identifier(name: string): string {
  if (!TABLE_NAME.test(name) && !/^(sql|t\d{1,10})_[a-z][a-z0-9_]{0,47}$/.test(name) && !/^_renaming_\d+$/.test(name)) {
    throw new Error(`not a plain name: ${name}`);
  }
  return `"${name}"`;
}

/** The names of a column's constraints; a unique one is an index as well, and needs a name of its own among all tables. */
export function constraintsOf(
  table: Pick<Table, "number">,
  column: string,
): { unique: string; enum: string; reference: string } {
  return {
    unique: `"t${table.number}_${plain(column)}_key"`,
    enum: `"${plain(column)}_check"`,
    reference: `"${plain(column)}_fkey"`,
  };
}

/** The type as SQL has it. Text is ordered by its bytes, whatever the database's locale. */
export function typeOf({ type, precision, scale }: Column): string {
  if (type === "numeric") return `numeric(${precision}, ${scale})`;
  return type === "text" ? 'text COLLATE "C"' : type;
}

/** The statement that makes the table. */
export function creation(table: Table, relationOf: RelationOf): string[] {
  const lines = [
    `"${TABLE_ID}" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY`,
    ...table.columns.map(definition),
    ...table.columns.flatMap((column) => [
      ...(column.unique ? [uniqueOf(table, column)] : []),
      ...(column.enum ? [enumOf(table, column)] : []),
      ...(column.references ? [referenceOf(table, { column, references: column.references, relationOf })] : []),
    ]),
  ];
  return [`CREATE TABLE ${identifier(table.relation)} (\n  ${lines.join(",\n  ")}\n)`];
}

/** The statements that change the table, in order. */
export function alteration(table: Table, changes: readonly Change[], relationOf: RelationOf): string[] {
  const start = `ALTER TABLE ${identifier(table.relation)}`;
  const drop = (name: string) => `DROP CONSTRAINT ${name}`;
  const kept = changes.flatMap((change) => (change.kind === "keep" ? [change] : []));
  const added = changes.flatMap((change) => (change.kind === "add" ? [change.is] : []));
  const dropped = changes.flatMap((change) => (change.kind === "drop" ? [change.was] : []));

  // What constrains goes before what it constrains changes, and comes when everything else is there.
  const steps = [
    ...kept
      .filter(({ was, differs }) => differs.reference && was.references)
      .map(({ was }) => drop(constraintsOf(table, was.name).reference)),
    ...dropped.filter(({ references }) => references).map(({ name }) => drop(constraintsOf(table, name).reference)),
    ...kept
      .filter(({ was, differs }) => differs.enum && was.enum)
      .map(({ was }) => drop(constraintsOf(table, was.name).enum)),
    ...kept
      .filter(({ was, is }) => was.unique && !is.unique)
      .map(({ was }) => drop(constraintsOf(table, was.name).unique)),
    ...dropped.map(({ name }) => `DROP COLUMN ${identifier(name)}`),
    ...renames(table, kept),
    ...added.map((column) => `ADD COLUMN ${definition(column)}`),
    ...kept.flatMap(alterColumn),
    ...kept.filter(({ was, is }) => is.unique && !was.unique).map(({ is }) => `ADD ${uniqueOf(table, is)}`),
    ...added.filter(({ unique }) => unique).map((column) => `ADD ${uniqueOf(table, column)}`),
    ...kept.filter(({ is, differs }) => is.enum && differs.enum).map(({ is }) => `ADD ${enumOf(table, is)}`),
    ...added.filter((column) => column.enum).map((column) => `ADD ${enumOf(table, column)}`),
    ...[...kept.filter(({ differs }) => differs.reference).map(({ is }) => is), ...added].flatMap((column) =>
      column.references ? [`ADD ${referenceOf(table, { column, references: column.references, relationOf })}`] : [],
    ),
  ];
  return steps.map((step) => `${start} ${step}`);
}

/** The statement that drops the table. */
export function removal(table: Table): string[] {
  return [`DROP TABLE ${identifier(table.relation)}`];
}

type Kept = Extract<Change, { kind: "keep" }>;

function renames(table: Table, kept: readonly Kept[]): string[] {
  const moves = kept.filter(({ differs }) => differs.name);
  const leaving = new Set(moves.map(({ was }) => was.name));
  // A name that is given up may be taken in the same change, even in a ring: such moves go by way of a name that nobody else can have.
  const detours = moves.map(({ is }, index) => (leaving.has(is.name) ? `_renaming_${index + 1}` : null));
  return [
    ...moves.flatMap((move, index) => (detours[index] ? rename(table, move, [move.was.name, detours[index]]) : [])),
    ...moves.flatMap((move, index) => rename(table, move, [detours[index] ?? move.was.name, move.is.name])),
  ];
}

function rename(table: Table, { was, is, differs }: Kept, [from, to]: [string, string]): string[] {
  const [old, anew] = [constraintsOf(table, from), constraintsOf(table, to)];
  const stays = {
    unique: was.unique && is.unique,
    enum: was.enum !== null && !differs.enum,
    reference: was.references !== null && !differs.reference,
  };
  return [
    `RENAME COLUMN ${identifier(from)} TO ${identifier(to)}`,
    ...(["unique", "enum", "reference"] as const)
      .filter((kind) => stays[kind])
      .map((kind) => `RENAME CONSTRAINT ${old[kind]} TO ${anew[kind]}`),
  ];
}

function alterColumn({ was, is, differs }: Kept): string[] {
  const column = `ALTER COLUMN ${identifier(is.name)}`;
  const steps: string[] = [];
  if (was.default !== null && (differs.type || (differs.default && is.default === null)))
    steps.push(`${column} DROP DEFAULT`);
  if (differs.type) steps.push(`${column} TYPE ${typeOf(is)} USING ${cast(was, is, identifier(is.name))}`);
  if (differs.nullable) steps.push(`${column} ${is.nullable ? "DROP" : "SET"} NOT NULL`);
  if (is.default !== null && (differs.type || differs.default))
    steps.push(`${column} SET DEFAULT ${literal(is, is.default)}`);
  return steps;
}

/** A value of the old type as one of the new; only for values that the new type can hold. */
export function cast(was: Column, is: Column, value: string): string {
  if (is.type === "text") {
    if (was.type === "date") return `to_char(${value}, 'YYYY-MM-DD')`;
    if (was.type !== "timestamptz") return `${value}::text`;
    return `rtrim(rtrim(to_char(${value} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'`;
  }
  if (was.type === "timestamptz" && is.type === "date") return `(${value} AT TIME ZONE 'UTC')::date`;
  if (was.type === "date" && is.type === "timestamptz") return `${value}::timestamp AT TIME ZONE 'UTC'`;
  if (was.type === "text" && (is.type === "integer" || is.type === "bigint")) return `${value}::numeric::${is.type}`;
  return `${value}::${is.type === "numeric" ? typeOf(is) : is.type}`;
}

/** A cell as a literal of the column's type. */
export function literal({ type }: Pick<Column, "type">, cell: Cell): string {
  if (cell === null) return "NULL";
  switch (type) {
    case "text":
      return inQuotes(String(cell));
    case "boolean":
      return cell === true ? "true" : "false";
    case "integer":
    case "bigint":
    case "numeric":
      if (!/^-?\d+(\.\d+)?$/.test(String(cell))) throw new Error(`not a number: ${String(cell)}`);
      return String(cell);
    case "jsonb":
      return `${inQuotes(JSON.stringify(cell))}::jsonb`;
    default:
      return `${inQuotes(String(cell))}::${type}`;
  }
}

/** Text in quotes, safe whether or not the server takes backslashes as they stand. */
export function inQuotes(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes("\\") ? ` E'${doubled.replaceAll("\\", "\\\\")}'` : `'${doubled}'`;
}

function definition(column: Column): string {
  const given = column.default === null ? "" : ` DEFAULT ${literal(column, column.default)}`;
  return `${identifier(column.name)} ${typeOf(column)}${column.nullable ? "" : " NOT NULL"}${given}`;
}

function uniqueOf(table: Table, column: Column): string {
  return `CONSTRAINT ${constraintsOf(table, column.name).unique} UNIQUE (${identifier(column.name)})`;
}

function enumOf(table: Table, column: Column): string {
  const values = (column.enum ?? []).map(inQuotes).join(", ");
  return `CONSTRAINT ${constraintsOf(table, column.name).enum} CHECK (${identifier(column.name)} IN (${values}))`;
}

function referenceOf(
  table: Table,
  { column, references, relationOf }: { column: Column; references: Reference; relationOf: RelationOf },
): string {
  const { reference } = constraintsOf(table, column.name);
  const target = `${identifier(relationOf(references.table))} (${identifier(references.column)})`;
  return `CONSTRAINT ${reference} FOREIGN KEY (${identifier(column.name)}) REFERENCES ${target}`;
}

function plain(name: string): string {
  return identifier(name).slice(1, -1);
}
