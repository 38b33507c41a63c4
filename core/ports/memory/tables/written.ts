/** Writes of rows in memory: what a column demands is looked at row by row, references once all rows of the command are written, as in SQL. */
import { type Cell, type Column, type Row, TABLE_ID, type Table } from "../../table.ts";
import {
  type InsertRows,
  keyOrder,
  ROW_IDS_MAX,
  ROWS_READ_MAX,
  type RowCommand,
  type RowOutcome,
  type UpdateRows,
  type Violation,
} from "../../table_rows.ts";
import { printed } from "./cells.ts";
import { matches } from "./match.ts";
import { copyOf } from "./rows.ts";
import type { StoredTable, TableStore } from "./store.ts";

/** Ends a command whose rows cannot be; what it has done by then is undone by whoever called. */
class Refused extends Error {
  readonly outcome: RowOutcome;

  constructor(outcome: RowOutcome) {
    super("the rows were refused");
    this.outcome = outcome;
  }
}

/** One command at work on its table. */
interface Work {
  stored: StoredTable;
  table: Table;
  /** Puts a row in, or takes it away, so that it can be undone. */
  set(id: number, row: Row | null): void;
  /** By unique column, who has each value. */
  holders: Map<string, Map<string, number>>;
}

/** Carries out one command and adds to `undo` what takes it back. Ids are not given back. */
export function applyRows(store: TableStore, command: RowCommand, undo: (() => void)[]): RowOutcome {
  const stored = store.find(command.table);
  if (stored === null) return { status: "changed" };
  const work = workOn(stored, undo);
  try {
    const ids = carriedOut(work, command);
    checkReferences(store, work);
    return outcomeOf(stored, command, ids);
  } catch (error) {
    if (error instanceof Refused) return error.outcome;
    throw error;
  }
}

function workOn(stored: StoredTable, undo: (() => void)[]): Work {
  const unique = stored.table.columns.filter((column) => column.unique);
  const holders = new Map(unique.map(({ name }) => [name, new Map<string, number>()]));
  const hold = (row: Row, held: boolean) => {
    for (const [name, values] of holders) {
      const cell = row[name] ?? null;
      if (cell === null) continue;
      if (held) values.set(printed(cell), row[TABLE_ID] as number);
      else values.delete(printed(cell));
    }
  };
  for (const row of stored.rows.values()) hold(row, true);
  return {
    stored,
    table: stored.table,
    holders,
    set(id, row) {
      const before = stored.rows.get(id);
      if (before !== undefined) hold(before, false);
      if (row === null) stored.rows.delete(id);
      else {
        stored.rows.set(id, row);
        hold(row, true);
      }
      undo.push(() => (before === undefined ? stored.rows.delete(id) : stored.rows.set(id, before)));
    },
  };
}

/** The ids of the rows written. */
function carriedOut(work: Work, command: RowCommand): Map<number, Row> {
  switch (command.op) {
    case "table.insert":
      return inserted(work, command);
    case "table.update":
      return updated(work, command);
    case "table.delete":
      return new Map(
        passing(work, command.filter).map((row) => {
          work.set(row[TABLE_ID] as number, null);
          return [row[TABLE_ID] as number, row];
        }),
      );
  }
}

function inserted(work: Work, { table, rows, conflict }: InsertRows): Map<number, Row> {
  const written = new Map<number, Row>();
  const order = conflict === undefined ? [...rows.keys()] : keyOrder(rows, conflict.column);
  const places = new Map<number, number>();
  for (const index of order) {
    const sent = rows[index]!;
    const id = work.stored.nextId;
    work.stored.nextId += 1;
    const row = completed(table, sent, id);
    checkColumns(work, row, index);
    const cell = conflict === undefined ? null : row[conflict.column]!;
    const holder = cell === null ? undefined : work.holders.get(conflict!.column)?.get(printed(cell));
    if (holder === undefined) {
      put(work, { id, row, index });
      written.set(id, row);
      places.set(id, index);
    } else if (conflict!.resolution === "merge") {
      const merged = { ...work.stored.rows.get(holder)!, ...copyOf(sent) };
      checkColumns(work, merged, index);
      put(work, { id: holder, row: merged, index });
      written.set(holder, merged);
      places.set(holder, index);
    }
  }
  return new Map([...written].sort(([left], [right]) => places.get(left)! - places.get(right)!));
}

function completed(table: Table, sent: Row, id: number): Row {
  const cells = table.columns.map(({ name, default: otherwise }): [string, Cell] => [
    name,
    Object.hasOwn(sent, name) ? sent[name]! : otherwise,
  ]);
  return copyOf({ [TABLE_ID]: id, ...Object.fromEntries(cells) });
}

function updated(work: Work, { filter, set }: UpdateRows): Map<number, Row> {
  const written = new Map<number, Row>();
  for (const before of passing(work, filter)) {
    const id = before[TABLE_ID] as number;
    const row = { ...before, ...copyOf(set) };
    checkColumns(work, row, undefined);
    put(work, { id, row, index: undefined });
    written.set(id, row);
  }
  return written;
}

function passing({ stored, table }: Work, filter: UpdateRows["filter"]): Row[] {
  const rows = [...stored.rows.values()].filter((row) => matches(table, row, filter));
  return rows.sort((left, right) => (left[TABLE_ID] as number) - (right[TABLE_ID] as number));
}

function put(work: Work, { id, row, index }: { id: number; row: Row; index: number | undefined }): void {
  for (const [name, values] of work.holders) {
    const cell = row[name]!;
    const holder = cell === null ? undefined : values.get(printed(cell));
    if (holder !== undefined && holder !== id) throw violates("unique", { column: name, cell, index });
  }
  work.set(id, row);
}

function checkColumns({ table }: Work, row: Row, index: number | undefined): void {
  for (const column of table.columns) {
    const cell = row[column.name]!;
    if (cell === null && !column.nullable) throw violates("not_null", { column: column.name, cell, index });
    if (cell !== null && column.enum !== null && !column.enum.includes(cell as string))
      throw violates("enum", { column: column.name, cell, index });
  }
}

function violates(
  constraint: Violation["constraint"],
  { column, cell, index, table }: { column: string; cell: Cell; index?: number | undefined; table?: string },
): Refused {
  return new Refused({
    status: "violates",
    constraint,
    column,
    ...(cell === null ? {} : { value: typeof cell === "string" ? cell : printed(cell) }),
    ...(index === undefined ? {} : { index }),
    ...(table === undefined ? {} : { table }),
  });
}

/** That all who refer to something find it: rows of this table, and those that refer to this table. */
function checkReferences(store: TableStore, { table }: Work): void {
  for (const { table: referring, rows } of store.all(table.realm)) {
    for (const column of referring.columns) {
      const { references } = column;
      if (references === null || (referring.name !== table.name && references.table !== table.name)) continue;
      const there = valuesOf(store.byName(table.realm, references.table), references.column);
      const lost = [...rows.values()].find((row) => row[column.name] !== null && !there.has(keyOf(row[column.name]!)));
      if (lost === undefined) continue;
      throw lacking({ table, referring, column, cell: lost[column.name]! });
    }
  }
}

function valuesOf(stored: StoredTable | null, column: string): Set<string> {
  return new Set([...(stored?.rows.values() ?? [])].map((row) => row[column] ?? null).map(keyOf));
}

/** As a column of type bigint has it, although \`id\` is a number. */
function keyOf(cell: Cell): string {
  return typeof cell === "number" ? printed(String(cell)) : printed(cell);
}

function lacking({
  table,
  referring,
  column,
  cell,
}: {
  table: Table;
  referring: Table;
  column: Column;
  cell: Cell;
}): Refused {
  const { references } = column;
  // Told from the side that was written: the row that lacks what it refers to, or the value that others still refer to.
  if (referring.name === table.name && references!.table !== table.name)
    return violates("reference", { column: column.name, cell, table: references!.table });
  if (referring.name === table.name) return violates("reference", { column: column.name, cell, table: table.name });
  return violates("reference", { column: references!.column, cell, table: referring.name });
}

function outcomeOf(stored: StoredTable, command: RowCommand, written: Map<number, Row>): RowOutcome {
  const count = written.size;
  const ids = [...written.keys()].sort((left, right) => left - right).slice(0, ROW_IDS_MAX);
  if (!command.returning) return { status: "written", count, ids };
  const most = ROWS_READ_MAX;
  if (command.op !== "table.insert" && count > most) return { status: "beyond", count, most };
  const rows = [...written].map(([id, row]) => copyOf(stored.rows.get(id) ?? row));
  return { status: "written", count, ids, rows };
}
