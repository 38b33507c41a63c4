/** Filters and places in an order as SQL conditions. Every operator is one of a closed list, every value a parameter. */
import type { Cell, Table } from "../../../core/ports/table.ts";
import type { Comparison, Direction, Filter } from "../../../core/ports/table_rows.ts";
import { cellParameter, cellsParameter, type Expression, expressionOf, type Parameters } from "./place_sql.ts";

const OPERATORS: { readonly [comparison in Comparison]: string } = {
  eq: "=",
  neq: "<>",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

const PATTERNS = { like: "LIKE", ilike: "ILIKE" } as const;

/** The filter as a condition. */
export function filterSql(table: Table, filter: Filter, to: Parameters): string {
  switch (filter.is) {
    case "and":
    case "or": {
      if (filter.of.length === 0) return filter.is === "and" ? "TRUE" : "FALSE";
      return `(${filter.of.map((one) => filterSql(table, one, to)).join(filter.is === "and" ? " AND " : " OR ")})`;
    }
    case "not":
      return `(NOT ${filterSql(table, filter.of, to)})`;
    default:
      return conditionSql(expressionOf(table, filter.at, to), filter, to);
  }
}

type Condition = Exclude<Filter, { is: "and" | "or" | "not" }>;

function conditionSql(at: Expression, filter: Condition, to: Parameters): string {
  switch (filter.is) {
    case "null":
      return `(${at.sql} IS NULL)`;
    case "true":
    case "false": {
      const truth = filter.is === "true";
      if (at.type === "json") return `((${at.sql} = '${truth}'::jsonb) IS TRUE)`;
      return `(${at.sql} IS ${truth ? "TRUE" : "FALSE"})`;
    }
    case "in":
      return `(${at.sql} = ANY (${cellsParameter(filter.values, at.type, to)}))`;
    case "any":
    case "all":
      return quantifiedSql(at, filter, to);
    case "like":
    case "ilike":
      return `(${at.sql} ${PATTERNS[filter.is]} ${to.add(filter.pattern, "text")})`;
    case "contains":
    case "within":
      return `(${at.sql} ${filter.is === "contains" ? "@>" : "<@"} ${cellParameter(filter.value, at.type, to)})`;
    case "distinct":
      return `(${at.sql} IS DISTINCT FROM ${cellParameter(filter.value, at.type, to)})`;
    default:
      return comparisonSql(at, filter, to);
  }
}

function comparisonSql(at: Expression, { is, value }: { is: Comparison; value: Cell }, to: Parameters): string {
  const { sql, type } = comparedBy(at, is);
  return `(${sql} ${OPERATORS[is]} ${cellParameter(value, type, to)})`;
}

function quantifiedSql(
  at: Expression,
  { is, by, values }: Extract<Filter, { is: "any" | "all" }>,
  to: Parameters,
): string {
  const how = is === "any" ? "ANY" : "ALL";
  if (by === "like" || by === "ilike")
    return `(${at.sql} ${PATTERNS[by]} ${how} (${cellsParameter(values, "text", to)}))`;
  const { sql, type } = comparedBy(at, by);
  return `(${sql} ${OPERATORS[by]} ${how} (${cellsParameter(values, type, to)}))`;
}

/** What of a place is compared: of JSON by its order only numbers. */
function comparedBy(at: Expression, is: Comparison): Pick<Expression, "sql" | "type"> {
  if (at.type !== "json" || is === "eq" || is === "neq") return at;
  return { sql: `(CASE WHEN jsonb_typeof(${at.sql}) = 'number' THEN (${at.sql})::numeric END)`, type: "numeric" };
}

/** An expression by which rows are ordered. */
export interface Term extends Direction {
  at: Expression;
}

/** The order as it follows ORDER BY. */
export function orderSql(terms: readonly Term[]): string {
  return terms
    .map(
      ({ at, descending, nullsFirst }) =>
        `${at.sql} ${descending ? "DESC" : "ASC"} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
    )
    .join(", ");
}

/** The condition that a row comes after the place with these cells, one for each term. */
export function afterSql(terms: readonly Term[], cells: readonly Cell[], to: Parameters): string {
  const values = terms.map(({ at }, index) => {
    const cell = cells[index] ?? null;
    return cell === null ? null : cellParameter(cell, at.type, to);
  });
  const ways = terms.map((term, index) => {
    const equal = terms.slice(0, index).map(({ at }, before) => equalSql(at, values[before]!));
    return `(${[...equal, beyondSql(term, values[index]!)].join(" AND ")})`;
  });
  const all = `(${ways.join(" OR ")})`;
  const [first] = terms;
  // Said once more for the first term alone, so that an index on it is entered at the place.
  if (terms.length === 1 || first === undefined || first.at.nullable || values[0] === null) return all;
  return `(${first.at.sql} ${first.descending ? "<=" : ">="} ${values[0]} AND ${all})`;
}

function equalSql(at: Expression, value: string | null): string {
  return value === null ? `${at.sql} IS NULL` : `${at.sql} = ${value}`;
}

function beyondSql({ at, descending, nullsFirst }: Term, value: string | null): string {
  if (value === null) return nullsFirst ? `${at.sql} IS NOT NULL` : "FALSE";
  const beyond = `${at.sql} ${descending ? "<" : ">"} ${value}`;
  return at.nullable && !nullsFirst ? `(${beyond} OR ${at.sql} IS NULL)` : beyond;
}
