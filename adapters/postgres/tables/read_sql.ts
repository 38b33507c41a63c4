/**
 * Reads of rows as statements. Each gives its rows as text: the values asked for, then those that the order is by, then figures about the whole.
 */
import type { Table } from "../../../core/ports/table.ts";
import {
  type Aggregated,
  type AggregateRows,
  AVERAGE_DECIMALS,
  type CountRows,
  type ReadRows,
  ROWS_AGGREGATED_MAX,
} from "../../../core/ports/table_rows.ts";
import { quoted, type Statement } from "../pool.ts";
import type { TextValue } from "../text_rows.ts";
import { afterSql, filterSql, orderSql, type Term } from "./filter_sql.ts";
import { columnAt, type Expression, expressionOf, type Parameters, parameters, type SqlType } from "./place_sql.ts";

/** A page ends before the row that would make it larger than this. */
export const PAGE_BYTES = 8 * 1024 * 1024;

/** A statement with its parameters, and the types of what it gives. */
export interface Query {
  statement: Statement;
  values: TextValue[];
  /** Of the values asked for, in their order. */
  types: readonly SqlType[];
  /** Of those that the order is by, which follow them. */
  keys: readonly SqlType[];
}

/** Statements differ with every filter and table: they have no name, so that the server keeps none of them. */
export function unnamed(text: string): Statement {
  return { name: "", text, asText: true };
}

/** One page of rows. Its last column is how many rows there were to choose from: more than it gives when the page was cut. */
export function readSql({ table, select, filter, order, after, limit }: ReadRows): Query {
  const to = parameters();
  const values = select.map(({ at }) => expressionOf(table, at, to));
  const terms = order.map((term): Term => ({ ...term, at: expressionOf(table, term.at, to) }));
  const conditions = [filterSql(table, filter, to)];
  if (after !== null) conditions.push(afterSql(terms, after, to));
  const outputs = [...values, ...terms.map(({ at }) => at)];
  const names = outputs.map((_, index) => `o${index}`);
  const most = to.add(String(limit + 1), "integer");
  // The page is put into its order once more, which is the same, so that what is summed up is summed up in it.
  const again = orderSql(
    terms.map((term, index) => ({ ...term, at: { ...term.at, sql: names[values.length + index]! } })),
  );
  const text = `SELECT ${names.join(", ")}, q.offered FROM (
      SELECT p.*, sum(p.weight) OVER page AS so_far, row_number() OVER page AS place, count(*) OVER () AS offered FROM (
        SELECT ${outputs.map(({ sql }, index) => `${sql} AS o${index}`).join(", ")}, ${weightSql(values)} AS weight
        FROM ${quoted(table.relation)} WHERE ${conditions.join(" AND ")} ORDER BY ${orderSql(terms)} LIMIT ${most}
      ) p WINDOW page AS (ORDER BY ${again} ROWS UNBOUNDED PRECEDING)
    ) q WHERE q.so_far <= ${PAGE_BYTES} OR q.place = 1 ORDER BY q.place`;
  return {
    statement: unnamed(text),
    values: to.values,
    types: values.map(({ type }) => type),
    keys: terms.map(({ at }) => at.type),
  };
}

/** About how many bytes the values of a row have, without reading those that are stored apart. JSON is stored packed. */
export function weightSql(values: readonly Expression[]): string {
  const parts = values.flatMap(({ sql, type }) => {
    if (type === "text") return [`COALESCE(octet_length(${sql}), 0)`];
    return type === "json" ? [`COALESCE(4 * pg_column_size(${sql}), 0)`] : [];
  });
  return `(${[String(16 * values.length), ...parts].join(" + ")})`;
}

/** One page of groups. Its last column is how many rows were looked at. */
export function aggregateSql({ table, filter, by, of, order, after, limit }: AggregateRows): Query {
  const to = parameters();
  const groups = by.map(({ as, at }) => ({ as, ...expressionOf(table, at, to) }));
  const numbers = of.map((one) => ({ as: one.as, fn: one.fn, ...aggregated(table, one, to) }));
  const looked = [
    ...groups.map(({ sql }, index) => `${sql} AS g${index}`),
    ...numbers.map(({ sql }, index) => `${sql} AS a${index}`),
  ];
  const outputs = [
    ...groups.map(({ as, type, nullable }, index) => ({ as, sql: `s.g${index}`, type, nullable })),
    ...numbers.map(({ as, fn, type, scale }, index) => ({
      as,
      ...aggregateOf(fn, { sql: `s.a${index}`, type, scale }),
    })),
  ];
  const terms = order.map((term): Term => {
    const index = outputs.findIndex(({ as }) => as === term.as);
    return { ...term, at: { ...outputs[index]!, sql: `q.o${index}` } };
  });
  const inner = filterSql(table, filter, to);
  const conditions = after === null ? "TRUE" : afterSql(terms, after, to);
  const names = [...outputs.map((_, index) => `q.o${index}`), ...terms.map(({ at }) => at.sql)];
  const positions = groups.map((_, index) => `s.g${index}`).join(", ");
  const ordered = terms.length === 0 ? "" : `ORDER BY ${orderSql(terms)}`;
  const text = `SELECT ${names.join(", ")}, q.looked FROM (
      SELECT ${outputs.map(({ sql }, index) => `${sql} AS o${index}`).join(", ")}, sum(count(*)) OVER () AS looked
      FROM (
        SELECT ${looked.join(", ")} FROM ${quoted(table.relation)} WHERE ${inner} LIMIT ${ROWS_AGGREGATED_MAX + 1}
      ) s ${positions === "" ? "" : `GROUP BY ${positions}`}
    ) q WHERE ${conditions} ${ordered} LIMIT ${to.add(String(limit + 1), "integer")}`;
  return {
    statement: unnamed(text),
    values: to.values,
    types: outputs.map(({ type }) => type),
    keys: terms.map(({ at }) => at.type),
  };
}

/** What an aggregate is over. */
interface Over extends Pick<Expression, "sql" | "type"> {
  /** How many decimals its values have. */
  scale: number;
}

function aggregated(table: Table, { at }: Aggregated, to: Parameters): Over {
  if (at === null) return { sql: "1", type: "id", scale: 0 };
  return { ...expressionOf(table, at, to), scale: columnAt(table, at.column)?.scale ?? 0 };
}

function aggregateOf(fn: Aggregated["fn"], { sql, type, scale }: Over): Expression {
  switch (fn) {
    case "count":
      return { sql: `count(${sql})`, type: "id", nullable: false };
    case "sum":
      return { sql: `sum(${sql})::numeric`, type: "numeric", nullable: true };
    case "avg":
      return { sql: averageSql(sql, scale), type: "numeric", nullable: true };
    default:
      return { sql: `${fn}(${sql})`, type, nullable: true };
  }
}

/** Rounded once: by `div`, which cuts, since `/` chooses its decimals itself. */
function averageSql(sql: string, scale: number): string {
  const sum = `sum(${sql})::numeric`;
  const decimals = Number(scale) + AVERAGE_DECIMALS;
  const cut = `div(2 * abs(${sum}) * 1e${decimals} + count(${sql}), 2 * count(${sql}))`;
  const average = `(sign(${sum}) * ${cut} * 1e-${decimals})`;
  return `round(${average}, greatest(min_scale(${average}), ${Number(scale)}))`;
}

/** How many rows pass the filter. */
export function countSql({ table, filter }: CountRows): Query {
  const to = parameters();
  const text = `SELECT count(*) FROM ${quoted(table.relation)} WHERE ${filterSql(table, filter, to)}`;
  return { statement: unnamed(text), values: to.values, types: ["id"], keys: [] };
}

/** What the planner takes the number of rows for, as a plan in JSON. */
export function estimateSql({ table, filter }: CountRows): Query {
  const to = parameters();
  const text = `EXPLAIN (FORMAT JSON) SELECT 1 FROM ${quoted(table.relation)} WHERE ${filterSql(table, filter, to)}`;
  return { statement: unnamed(text), values: to.values, types: ["json"], keys: [] };
}
