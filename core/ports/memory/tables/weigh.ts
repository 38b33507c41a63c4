/** Asks the rows of a table what a change of structure would lose and what stands against it. */
import { type Cell, type Row, TABLE_ID, UNIQUE_TEXT_MAX_BYTES } from "../../table.ts";
import type { Alteration, Change } from "../../table_change.ts";
import type { Question } from "../../table_questions.ts";
import { converted } from "./convert.ts";
import type { StoredTable, TableStore } from "./store.ts";

/** How many rows each question is true of. */
export function countsOf(questions: readonly Question[], alteration: Alteration, store: TableStore): number[] {
  const stored = store.find(alteration.table)!;
  return questions.map((question) => countOf(question, { alteration, stored, store }));
}

/** What the column has in the row after the change: undefined where the new type has no room for it. */
export function valueAfter(change: Exclude<Change, { kind: "drop" }>, row: Row): Cell | undefined {
  if (change.kind === "add") return change.is.default;
  const cell = row[change.was.name] ?? null;
  return change.differs.type ? converted(change.was, change.is, cell) : cell;
}

interface Weighing {
  alteration: Alteration;
  stored: StoredTable;
  store: TableStore;
}

function countOf({ kind, change }: Question, weighing: Weighing): number {
  const rows = [...weighing.stored.rows.values()];
  const count = (is: (row: Row) => boolean) => rows.filter(is).length;
  if (change.kind === "drop") return count((row) => (row[change.was.name] ?? null) !== null);
  const after = (row: Row): Cell => valueAfter(change, row) ?? null;
  switch (kind) {
    case "null":
      return change.kind === "add" ? rows.length : count((row) => (row[change.was.name] ?? null) === null);
    case "range":
      return count((row) => valueAfter(change, row) === undefined);
    case "narrowed":
      return count((row) => isAltered(change, row));
    case "enum":
      return count((row) => after(row) !== null && !change.is.enum!.includes(String(after(row))));
    case "duplicate": {
      const values = rows.map(after).filter((value) => value !== null);
      return values.length - new Set(values.map(String)).size;
    }
    case "length":
      return count((row) => after(row) !== null && bytesOf(String(after(row))) > UNIQUE_TEXT_MAX_BYTES);
    default: {
      const there = referredBy(change, weighing);
      return count((row) => after(row) !== null && !there.has(String(after(row))));
    }
  }
}

/** Whether a value that has room would not be the same when taken back. */
function isAltered(change: Change, row: Row): boolean {
  if (change.kind !== "keep") return false;
  const cell = row[change.was.name] ?? null;
  const anew = valueAfter(change, row);
  return anew !== undefined && converted(change.is, change.was, anew) !== cell;
}

/** The values that the column may have, as the rows it refers to are after the change. */
function referredBy(change: Exclude<Change, { kind: "drop" }>, { alteration, stored, store }: Weighing): Set<string> {
  const { table, column } = change.is.references!;
  const own = table === alteration.table.name;
  const { rows } = own ? stored : store.byName(alteration.table.realm, table)!;
  const target = own ? alteration.changes.find((one) => one.kind !== "drop" && one.is.name === column) : undefined;
  const values = [...rows].map(([id, row]) => {
    if (column === TABLE_ID) return id;
    return target && target.kind !== "drop" ? (valueAfter(target, row) ?? null) : (row[column] ?? null);
  });
  return new Set(values.filter((value) => value !== null).map(String));
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
