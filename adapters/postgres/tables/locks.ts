/**
 * What a table command needs to have to itself until its unit has ended, so that two units do not each wait for rows of the other: the rows that it
 * names, where it names few, and else the table.
 */
import { TABLE_ID, type Table } from "../../../core/ports/table.ts";
import type { Filter, RowCommand } from "../../../core/ports/table_rows.ts";
import type { TableCommand } from "../../../core/ports/tables.ts";
import type { Lock } from "../mixed_unit.ts";

/** More rows than this are locked as their table: locks have a place each in the server's memory. */
const ROWS_MOST = 16;

/** The command's locks; none where it waits for nobody, as a rule. */
export function tableLocks(command: TableCommand): Lock[] {
  if (!("table" in command)) return [{ name: command.name, shared: false }];
  const { relation } = command.table;
  // Rows that are only added: should two units want the same unique values crosswise, one is run again.
  if (command.op === "table.insert" && command.conflict === undefined) return [];
  const rows = namedRows(command);
  if (rows === null || rows.length > ROWS_MOST) return [{ name: relation, shared: false }];
  return [{ name: relation, shared: true }, ...rows.map((row) => ({ name: `${relation}/${row}`, shared: false }))];
}

/** The rows as texts that no other row has; null when they are not named one by one. */
function namedRows(command: RowCommand): string[] | null {
  if (command.op !== "table.insert") return rowsIn(command.filter, command.table);
  const { column } = command.conflict!;
  return command.rows.flatMap((row) => (row[column] === undefined ? [] : [rowAt(column, row[column])]));
}

/** The rows to which the filter holds a unique column; further conditions only make them fewer. */
function rowsIn(filter: Filter, table: Table): string[] | null {
  if (filter.is === "and") {
    for (const part of filter.of) {
      const rows = rowsIn(part, table);
      if (rows !== null) return rows;
    }
    return null;
  }
  const values = filter.is === "eq" ? [filter.value] : filter.is === "in" ? filter.values : null;
  if (values === null || !("at" in filter)) return null;
  const { column, path } = filter.at;
  const isUnique = column === TABLE_ID || table.columns.some(({ name, unique }) => name === column && unique);
  if (!isUnique || path.length > 0) return null;
  return values.map((value) => rowAt(column, value));
}

function rowAt(column: string, value: unknown): string {
  return `${column}=${JSON.stringify(value)}`;
}
