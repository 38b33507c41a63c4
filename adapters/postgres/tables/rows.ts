/** Rows of users' tables in PostgreSQL: reads, each in a transaction of its own that cannot write, and the row commands of a unit. */
import { Fault } from "../../../core/ports/fault.ts";
import type { Cell, Row } from "../../../core/ports/table.ts";
import {
  type InsertRows,
  ROWS_AGGREGATED_MAX,
  type RowCommand,
  type RowOutcome,
  type RowPage,
  type TableRows,
} from "../../../core/ports/table_rows.ts";
import type { Pool } from "../pool.ts";
import type { TextRow } from "../text_rows.ts";
import { inTable, leaveTables, reading } from "./enter.ts";
import { cellOfPrinted, cellText, typeOf } from "./place_sql.ts";
import { aggregateSql, countSql, estimateSql, type Query, readSql } from "./read_sql.ts";
import { tableFault, tableRefusal } from "./refusals.ts";
import { sizeOf } from "./registry.ts";
import { writeRows } from "./written.ts";

/** The reads of rows over a pool. */
export function postgresTableRows(pool: Pool): TableRows {
  async function figures({ table }: Parameters<TableRows["count"]>[0], asked: Query): Promise<Cell> {
    const [row] = await reading(pool, table, (query) => query<TextRow>(asked.statement, asked.values));
    return cellOfPrinted(row![0]!, asked.types[0]!);
  }

  return {
    async read(asked) {
      const made = readSql(asked);
      const rows = await reading(pool, asked.table, (query) => query<TextRow>(made.statement, made.values));
      const names = asked.select.map(({ as }) => as);
      const offered = Number(rows[0]?.at(-1) ?? 0);
      const kept = rows.slice(0, asked.limit);
      return pageOf(kept, { made, names, more: kept.length < offered });
    },
    async aggregate(asked) {
      const made = aggregateSql(asked);
      const rows = await reading(pool, asked.table, (query) => query<TextRow>(made.statement, made.values));
      if (Number(rows[0]?.at(-1) ?? 0) > ROWS_AGGREGATED_MAX) throw tooMany();
      const names = [...asked.by, ...asked.of].map(({ as }) => as);
      const kept = rows.slice(0, asked.limit);
      return pageOf(kept, { made, names, more: kept.length < rows.length });
    },
    async count(asked) {
      if (asked.how === "exact") return (await figures(asked, countSql(asked))) as number;
      // Of a table as a whole more is known than the planner says of a filter that is always true.
      if (asked.filter.is === "and" && asked.filter.of.length === 0) return sizeOf(pool.query, asked.table);
      const [plan] = (await figures(asked, estimateSql(asked))) as [{ Plan: { "Plan Rows": number } }];
      return plan.Plan["Plan Rows"];
    },
  };
}

function pageOf(
  rows: readonly TextRow[],
  { made, names, more }: { made: Query; names: readonly string[]; more: boolean },
): RowPage {
  const { types, keys } = made;
  const last = rows.at(-1);
  const next =
    more && last !== undefined ? keys.map((type, index) => cellOfPrinted(last[types.length + index]!, type)) : null;
  return {
    rows: rows.map(
      (row): Row => Object.fromEntries(names.map((name, index) => [name, cellOfPrinted(row[index]!, types[index]!)])),
    ),
    next,
  };
}

function tooMany(): Fault {
  return new Fault(
    "invalid_input",
    `Cannot aggregate: more than ${ROWS_AGGREGATED_MAX} rows pass the filter; narrow it`,
    { details: { limit: ROWS_AGGREGATED_MAX } },
  );
}

/** Carries out one row command in a unit's transaction; a refusal leaves the transaction to be rolled back. */
export async function applyRows(query: Pool["query"], command: RowCommand): Promise<RowOutcome> {
  if (!(await inTable(query, command.table, "write"))) return { status: "changed" };
  const outcome = await refusing(command, () => writeRows(query, command));
  if (outcome.status === "written") await leaveTables(query);
  return outcome;
}

async function refusing(command: RowCommand, work: () => Promise<RowOutcome>): Promise<RowOutcome> {
  try {
    return await work();
  } catch (error) {
    const refusal = tableRefusal(error, command.table);
    if (refusal?.status === "violates" && command.op === "table.insert") return located(command, refusal);
    if (refusal !== null) return refusal;
    throw tableFault(error);
  }
}

/** Says which of the rows it was, where the server has named the value: the last, since the ones before it were taken. */
function located({ table, rows }: InsertRows, refusal: Extract<RowOutcome, { status: "violates" }>): RowOutcome {
  const column = table.columns.find(({ name }) => name === refusal.column);
  if (column === undefined || refusal.value === undefined) return refusal;
  const type = typeOf(column);
  const value = type === "timestamptz" ? (cellOfPrinted(refusal.value, type) as string) : refusal.value;
  const index = rows.findLastIndex(
    (row) => Object.hasOwn(row, column.name) && cellText(row[column.name]!, type)?.startsWith(value),
  );
  return index < 0 ? { ...refusal, value } : { ...refusal, value, index };
}
