/** Reads of rows in memory: the reference model of `core/ports/table_rows.ts`. Writes: see `written.ts`. */
import { Fault } from "../../fault.ts";
import type { Cell, Row, Table } from "../../table.ts";
import {
  type Aggregated,
  type AggregateRows,
  AVERAGE_DECIMALS,
  type Direction,
  ROWS_AGGREGATED_MAX,
  type RowPage,
  type TableRows,
} from "../../table_rows.ts";
import { cellAt, cellOrder, directedOrder, printed, type Sort, scaled, scaleOf, sortAt } from "./cells.ts";
import { matches } from "./match.ts";
import type { StoredTable, TableStore } from "./store.ts";

/** The reads of rows over a store. */
export function memoryTableRows(store: TableStore): TableRows {
  function found(table: Table): StoredTable {
    const stored = store.find(table);
    if (stored !== null) return stored;
    throw new Fault("conflict", `The table ${table.name} has just been changed; try again`, {
      details: { table: table.name },
    });
  }

  function passing(table: Table, filter: AggregateRows["filter"]): Row[] {
    return [...found(table).rows.values()].filter((row) => matches(table, row, filter));
  }

  return {
    async read({ table, select, filter, order, after, limit }) {
      const terms = order.map((term) => ({ ...term, sort: sortAt(table, term.at) }));
      const keyed = passing(table, filter).map((row) => ({
        row: Object.fromEntries(select.map(({ as, at }) => [as, cellAt(row, at)])),
        keys: terms.map(({ at }) => cellAt(row, at)),
      }));
      return paged(keyed, { terms, after, limit });
    },
    async aggregate(asked) {
      const { order, after, limit } = asked;
      const rows = passing(asked.table, asked.filter);
      if (rows.length > ROWS_AGGREGATED_MAX) throw tooMany();
      const terms = order.map((term) => ({ ...term, sort: sortIn(asked, term.as) }));
      const keyed = groupsOf(asked, rows).map((row) => ({ row, keys: terms.map(({ as }) => row[as]!) }));
      return paged(keyed, { terms, after, limit });
    },
    async count({ table, filter }) {
      return passing(table, filter).length;
    },
  };
}

function tooMany(): Fault {
  return new Fault(
    "invalid_input",
    `Cannot aggregate: more than ${ROWS_AGGREGATED_MAX} rows pass the filter; narrow it`,
    { details: { limit: ROWS_AGGREGATED_MAX } },
  );
}

interface Keyed {
  row: Row;
  keys: Cell[];
}

/** The rows after a place, in order, as far as the limit. */
function paged(
  rows: Keyed[],
  {
    terms,
    after,
    limit,
  }: { terms: readonly (Direction & { sort: Sort })[]; after: readonly Cell[] | null; limit: number },
): RowPage {
  const order = (left: readonly Cell[], right: readonly Cell[]) =>
    terms.reduce((found, term, index) => found || directedOrder(left[index]!, right[index]!, term), 0);
  const rest = rows
    .filter(({ keys }) => after === null || order(keys, after) > 0)
    .sort((left, right) => order(left.keys, right.keys));
  const kept = rest.slice(0, limit);
  return { rows: kept.map(({ row }) => copyOf(row)), next: rest.length > limit ? [...kept.at(-1)!.keys] : null };
}

/** What a reader does with its rows cannot reach the store. */
export function copyOf(row: Row): Row {
  return JSON.parse(JSON.stringify(row)) as Row;
}

function groupsOf({ table, by, of }: AggregateRows, rows: readonly Row[]): Row[] {
  const groups = new Map<string, { row: Row; members: Row[] }>();
  if (by.length === 0) groups.set("", { row: {}, members: [] });
  for (const row of rows) {
    const common = Object.fromEntries(by.map(({ as, at }) => [as, cellAt(row, at)]));
    const key = by.length === 0 ? "" : printed(by.map(({ as }) => common[as]!));
    const group = groups.get(key) ?? { row: common, members: [] };
    group.members.push(row);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ row, members }) => {
    const numbers = of.map((one) => [one.as, aggregated(table, one, members)] as const);
    return { ...row, ...Object.fromEntries(numbers) };
  });
}

function aggregated(table: Table, { fn, at }: Aggregated, rows: readonly Row[]): Cell {
  if (at === null) return rows.length;
  const sort = sortAt(table, at);
  const cells = rows.map((row) => cellAt(row, at)).filter((cell) => cell !== null);
  if (fn === "count") return cells.length;
  if (cells.length === 0) return null;
  if (fn === "min" || fn === "max") {
    const sign = fn === "min" ? 1 : -1;
    return cells.reduce((best, cell) => (sign * cellOrder(cell, best, sort) < 0 ? cell : best));
  }
  const scale = Math.max(...cells.map((cell) => scaleOf(String(cell))));
  const sum = cells.reduce((total: bigint, cell) => total + scaled(String(cell), scale), 0n);
  return fn === "sum" ? decimalOf(sum, scale) : averageOf(sum, scale, cells.length);
}

/** Half is rounded away from zero. */
function averageOf(sum: bigint, scale: number, count: number): string {
  const whole = 2n * sum * 10n ** BigInt(AVERAGE_DECIMALS);
  const rounded = (whole + (sum < 0n ? -BigInt(count) : BigInt(count))) / (2n * BigInt(count));
  const text = decimalOf(rounded, scale + AVERAGE_DECIMALS);
  const spare = Math.min(/0*$/.exec(text)![0].length, AVERAGE_DECIMALS);
  return text.slice(0, text.length - spare).replace(/\.$/, "");
}

/** The number divided by 10^scale, as text. */
function decimalOf(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return `${value < 0n ? "-" : ""}${digits.slice(0, point)}${scale === 0 ? "" : `.${digits.slice(point)}`}`;
}

/** The sort of a value of the answer. */
function sortIn({ table, by, of }: AggregateRows, as: string): Sort {
  const group = by.find((one) => one.as === as);
  if (group !== undefined) return sortAt(table, group.at);
  const number = of.find((one) => one.as === as);
  if (number === undefined) throw new Error(`nothing in the answer is called ${as}`);
  if (number.fn === "count") return "id";
  return number.fn === "sum" || number.fn === "avg" ? "numeric" : sortAt(table, number.at!);
}
