/** Rows as callers send them become rows of a table, or a report of what is wrong with each. */
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { type Cell, type Column, type Row, TABLE_ID, type Table } from "../../ports/table.ts";
import { cellOf, type Taken, wanted } from "./cell.ts";

/** More mistakes than these are counted, not told. */
const TOLD_MOST = 20;

/** One thing that is wrong with one row. */
export interface RowError {
  index: number;
  column: string | null;
  /** The value that was sent, cut. */
  value: string | null;
  message: string;
}

/** The mistakes of a request as they gather. */
export interface Mistakes {
  readonly told: RowError[];
  count: number;
}

export function noMistakes(): Mistakes {
  return { told: [], count: 0 };
}

/** Throws `invalid_input` when there are any; `action` goes after "Cannot ". */
export function refuseMistakes({ told, count }: Mistakes, action: string): void {
  const [first] = told;
  if (first === undefined) return;
  const more = count > 1 ? ` (and ${count - 1} more)` : "";
  throw new Fault("invalid_input", `Cannot ${action}: ${first.message}${more}`, {
    details: { errors: told as unknown as JsonObject[] },
  });
}

export function tell(mistakes: Mistakes, error: Omit<RowError, "value"> & { value?: Json | undefined }): void {
  mistakes.count += 1;
  if (mistakes.told.length >= TOLD_MOST) return;
  mistakes.told.push({ ...error, value: error.value === undefined ? null : quote(error.value) });
}

/** What a row is called in a report, by its index: `rows[3]`, `line 17`. */
export type NameOf = (index: number) => string;

export const rowName: NameOf = (index) => `rows[${index}]`;

/** How the values of one source are read. */
export type Take = (column: Column, value: Json) => Taken;

export interface TakeOptions {
  mistakes: Mistakes;
  nameOf?: NameOf;
  /** Default: values are JSON. */
  take?: Take;
}

/** The rows, complete but for what takes its default; those with mistakes are not among them. */
export function takeRows(table: Table, sent: readonly Json[], options: TakeOptions): Row[] {
  const { mistakes, nameOf = rowName, take = cellOf } = options;
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const rows: Row[] = [];
  for (const [index, value] of sent.entries()) {
    const before = mistakes.count;
    const wrong = (column: string | null, words: string, value?: Json) =>
      tell(mistakes, {
        index,
        column,
        value,
        message: `${nameOf(index)}${column === null ? "" : `.${column}`} ${words}`,
      });
    const row = takeRow(value, { columns, take, wrong, table });
    if (row !== null && mistakes.count === before) rows.push(row);
  }
  return rows;
}

interface RowTaking {
  table: Table;
  columns: ReadonlyMap<string, Column>;
  take: Take;
  wrong(column: string | null, words: string, value?: Json): void;
}

function takeRow(sent: Json, { table, columns, take, wrong }: RowTaking): Row | null {
  if (typeof sent !== "object" || sent === null || Array.isArray(sent)) {
    wrong(null, `is ${quote(sent)}; send an object with columns and their values`, sent);
    return null;
  }
  const row: Row = {};
  for (const name of Object.keys(sent)) {
    const column = columns.get(name);
    if (column === undefined) {
      wrong(name.slice(0, 60), strangeColumn(table, name));
      continue;
    }
    const taken = take(column, sent[name]!);
    if ("wrong" in taken) wrong(name, taken.wrong, sent[name]!);
    else if (taken.cell === null && !column.nullable) wrong(name, `may not be null; send ${wanted(column)}`, null);
    else row[name] = taken.cell;
  }
  for (const column of table.columns) {
    if (column.nullable || column.default !== null || Object.hasOwn(sent, column.name)) continue;
    wrong(column.name, `is missing; send ${wanted(column)}`);
  }
  return row;
}

function strangeColumn(table: Table, name: string): string {
  if (name === TABLE_ID) return "is given by the server; leave it out";
  const names = table.columns.map((column) => column.name);
  const guess = nearest(name, names);
  return `is no column of ${table.name}; ${guess === null ? `it has ${names.join(", ")}` : `did you mean ${guess}?`}`;
}

/** The changes of an update, at least one; throws `invalid_input`. */
export function takeChanges(table: Table, sent: JsonObject, action: string): Row {
  const mistakes = noMistakes();
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const set: Row = {};
  for (const [name, value] of Object.entries(sent)) {
    const column = columns.get(name);
    const taken: Taken = column === undefined ? { wrong: strangeColumn(table, name) } : cellOf(column, value);
    const refused = "wrong" in taken ? taken.wrong : nullRefusal(column!, taken.cell);
    if (refused !== null)
      tell(mistakes, { index: 0, column: name.slice(0, 60), value, message: `${name.slice(0, 60)} ${refused}` });
    else if ("cell" in taken) set[name] = taken.cell;
  }
  refuseMistakes(mistakes, action);
  if (Object.keys(set).length > 0) return set;
  throw new Fault(
    "invalid_input",
    `Cannot ${action}: the body changes nothing; send an object with columns and their new values`,
  );
}

function nullRefusal(column: Column, cell: Cell): string | null {
  return cell === null && !column.nullable ? `may not be null; send ${wanted(column)}` : null;
}

/** Tells of rows that bring a value of this column which an earlier row of the request has brought. */
export function tellRepeats(
  rows: readonly Row[],
  { column, nameOf, mistakes }: { column: string; nameOf: NameOf; mistakes: Mistakes },
): void {
  const seen = new Map<string, number>();
  for (const [index, row] of rows.entries()) {
    const cell = Object.hasOwn(row, column) ? row[column]! : null;
    if (cell === null) continue;
    const key = JSON.stringify(cell);
    const before = seen.get(key);
    seen.set(key, before ?? index);
    if (before === undefined) continue;
    const message = `${nameOf(index)}.${column} is ${quote(cell)}, as in ${nameOf(before)}; send each once`;
    tell(mistakes, { index, column, value: cell, message });
  }
}
