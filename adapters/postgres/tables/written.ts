/** The statements that write rows, and what they give back: how many, the ids of the first, and the rows when asked for. */
import { type Column, type Row, TABLE_ID, type Table } from "../../../core/ports/table.ts";
import {
  type DeleteRows,
  type InsertRows,
  keyOrder,
  ROW_IDS_MAX,
  ROWS_READ_MAX,
  type RowCommand,
  type RowOutcome,
  type UpdateRows,
} from "../../../core/ports/table_rows.ts";
import { textArray } from "../array.ts";
import { type Pool, quoted } from "../pool.ts";
import type { TextRow, TextValue } from "../text_rows.ts";
import { filterSql } from "./filter_sql.ts";
import { cellOfPrinted, cellParameter, cellText, columnAt, type Expression, parameters, typeOf } from "./place_sql.ts";
import { PAGE_BYTES, unnamed, weightSql } from "./read_sql.ts";

/** Runs the command's statement in the open transaction; throws what the server says. */
export async function writeRows(query: Pool["query"], command: RowCommand): Promise<RowOutcome> {
  const { text, values } = statementOf(command);
  const columns = allColumns(command.table);
  const counted = await query<TextRow>(unnamed(around(text, command, columns)), values);
  const [count, ids] = counted[0]!;
  const written = { status: "written" as const, count: Number(count), ids: idsOf(ids!) };
  if (!command.returning) return written;
  const rows = inSentOrder(
    command,
    counted.filter((row) => row[2] !== null).map((row) => rowOf(row.slice(2), columns)),
  );
  if (rows.length === written.count) return { ...written, rows };
  return { status: "beyond", count: written.count, most: ROWS_READ_MAX };
}

/** The written rows counted, and themselves beside it when they are wanted and not too many. */
function around(statement: string, { op, returning }: RowCommand, columns: readonly (Column | null)[]): string {
  const outputs = columns.map((column) => quoted(column?.name ?? TABLE_ID));
  const whole = `(array_agg(w.id ORDER BY w.id))[1:${ROW_IDS_MAX}]`;
  if (!returning) return `WITH w AS (${statement} RETURNING id) SELECT count(*), ${whole} FROM w`;
  const expressions = columns.map(
    (column): Expression => ({ sql: quoted(column?.name ?? TABLE_ID), type: typeOf(column), nullable: true }),
  );
  // An insert gives back what it was sent, so that its size is known; its rows stay in their order.
  const [bounds, order] =
    op === "table.insert"
      ? ["TRUE", ""]
      : [`s.count <= ${ROWS_READ_MAX} AND s.weight <= ${PAGE_BYTES}`, "ORDER BY r.id"];
  return `WITH w AS (${statement} RETURNING ${outputs.join(", ")}),
    s AS (SELECT count(*) AS count, ${whole} AS ids, sum(${weightSql(expressions)}) AS weight FROM w)
    SELECT s.count, s.ids, ${outputs.map((name) => `r.${name}`).join(", ")}
    FROM s LEFT JOIN w r ON ${bounds} ${order}`;
}

/** Rows with a conflict were taken in the order of their keys. */
function inSentOrder(command: RowCommand, written: Row[]): Row[] {
  if (command.op !== "table.insert" || command.conflict === undefined) return written;
  const { column } = command.conflict;
  const places = new Map<string, number>();
  const without: number[] = [];
  for (const [index, row] of command.rows.entries()) {
    const cell = cellIn(row, columnAt(command.table, column)!) ?? null;
    if (cell === null) without.push(index);
    else places.set(JSON.stringify(cell), index);
  }
  let next = 0;
  const placed = written.map((row) => {
    const cell = row[column]!;
    return { row, place: cell === null ? without[next++]! : places.get(JSON.stringify(cell))! };
  });
  return placed.sort((left, right) => left.place - right.place).map(({ row }) => row);
}

interface Written {
  text: string;
  values: TextValue[];
}

function statementOf(command: RowCommand): Written {
  switch (command.op) {
    case "table.insert":
      return insertSql(command);
    case "table.update":
      return updateSql(command);
    case "table.delete":
      return deleteSql(command);
  }
}

/** One array for each column, all rows at once; a cell that is left out is the column's default. */
function insertSql({ table, rows: sent, conflict }: InsertRows): Written {
  const rows = conflict === undefined ? sent : keyOrder(sent, conflict.column).map((place) => sent[place]!);
  const columns = table.columns.filter(({ name }) => rows.some((row) => Object.hasOwn(row, name)));
  const named = columns.length === 0 ? table.columns.slice(0, 1) : columns;
  const relation = quoted(table.relation);
  if (table.columns.length === 0) {
    const text = `INSERT INTO ${relation} (id) OVERRIDING USER VALUE SELECT g FROM generate_series(1, $1::integer) AS g`;
    return { text, values: [String(rows.length)] };
  }
  const values = named.map((column) => textArray(rows.map((row) => cellText(cellIn(row, column), typeOf(column)))));
  const names = named.map(({ name }) => quoted(name)).join(", ");
  const cells = named.map((column, index) => `u.c${index}${cast(column)}`).join(", ");
  const arrays = named.map((_, index) => `$${index + 1}::text[]`).join(", ");
  const from = `unnest(${arrays}) AS u (${named.map((_, index) => `c${index}`).join(", ")})`;
  return {
    text: `INSERT INTO ${relation} (${names}) SELECT ${cells} FROM ${from}${conflictSql(conflict, named)}`,
    values,
  };
}

function cellIn(row: Row, column: Column): Row[string] {
  return Object.hasOwn(row, column.name) ? row[column.name]! : column.default;
}

function cast({ type, precision, scale }: Column): string {
  if (type === "text") return "";
  return type === "numeric" ? `::numeric(${Number(precision)}, ${Number(scale)})` : `::${type}`;
}

function conflictSql(conflict: InsertRows["conflict"], brought: readonly Column[]): string {
  if (conflict === undefined) return "";
  const target = ` ON CONFLICT (${quoted(conflict.column)})`;
  if (conflict.resolution === "ignore") return `${target} DO NOTHING`;
  const others = brought.filter(({ name }) => name !== conflict.column).map(({ name }) => quoted(name));
  const set = (others.length === 0 ? [quoted(conflict.column)] : others).map((name) => `${name} = EXCLUDED.${name}`);
  return `${target} DO UPDATE SET ${set.join(", ")}`;
}

function updateSql({ table, filter, set }: UpdateRows): Written {
  const to = parameters();
  const changes = Object.entries(set).map(([name, cell]) => {
    const column = columnAt(table, name);
    if (column === null) throw new Error("an update sets id");
    return `${quoted(column.name)} = ${cellParameter(cell, typeOf(column), to)}`;
  });
  const text = `UPDATE ${quoted(table.relation)} SET ${changes.join(", ")} WHERE ${filterSql(table, filter, to)}`;
  return { text, values: to.values };
}

function deleteSql({ table, filter }: DeleteRows): Written {
  const to = parameters();
  const text = `DELETE FROM ${quoted(table.relation)} WHERE ${filterSql(table, filter, to)}`;
  return { text, values: to.values };
}

/** `id`, as null, and the table's columns. */
function allColumns(table: Table): (Column | null)[] {
  return [null, ...table.columns];
}

function rowOf(cells: TextRow, columns: readonly (Column | null)[]): Row {
  return Object.fromEntries(
    columns.map((column, index) => [column?.name ?? TABLE_ID, cellOfPrinted(cells[index]!, typeOf(column))]),
  );
}

/** From `{1,2,3}`. */
function idsOf(printed: string | null): number[] {
  return printed === null || printed === "{}" ? [] : printed.slice(1, -1).split(",").map(Number);
}
