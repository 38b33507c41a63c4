/**
 * Filters in PostgREST's grammar: `age=gte.18`, `name=not.like.A*`, `id=in.(1,2)`, `or=(a.eq.1,and(b.gt.2,c.is.null))`. The operators are a closed list,
 * columns are the table's, and values become cells: nothing of the text goes on as it came.
 */
import { quote } from "../../kernel/fields.ts";
import type { Table } from "../../ports/table.ts";
import type { Filter } from "../../ports/table_rows.ts";
import { takeCondition } from "./condition.ts";
import { type Found, takePlace } from "./place.ts";
import { misread, need, needEnd, type Reader, reader, takeList, takeMatch } from "./query_text.ts";

const DEPTH_MOST = 8;
const CONDITIONS_MOST = 100;

const LOGIC = /(?:not\.)?(?:and|or)(?=\()/y;

/** Where a filter is being read. */
interface Reading {
  from: Reader;
  table: Table;
  budget: { conditions: number };
  depth: number;
  /** Inside parentheses, where a comma or a parenthesis ends a value. */
  nested: boolean;
}

/** All the pairs `name=value` as one filter, each of which must hold; throws `invalid_input`. */
export function parseFilter(table: Table, pairs: readonly string[]): Filter {
  const budget = { conditions: CONDITIONS_MOST };
  const all = pairs.map((pair) => {
    const equals = pair.indexOf("=");
    if (equals < 0) throw misread("filter", `is ${quote(pair)}; send column=operator.value, such as age=gte.18`);
    return parsePair({ name: pair.slice(0, equals), value: pair.slice(equals + 1) }, { table, budget });
  });
  return all.length === 1 ? all[0]! : { is: "and", of: all };
}

function parsePair(
  { name, value }: { name: string; value: string },
  { table, budget }: Pick<Reading, "table" | "budget">,
): Filter {
  const field = name.slice(0, 60);
  const logic = /^(not\.)?(and|or)$/.exec(name);
  const from = reader(field, value);
  if (logic !== null) {
    const of = group(logic[2] as "and" | "or", { from, table, budget, depth: 1, nested: true });
    needEnd(from);
    return logic[1] === undefined ? of : { is: "not", of };
  }
  const left = reader(field, name);
  const found = takePlace(left, table);
  needEnd(left);
  const filter = condition(found, { from, table, budget, depth: 0, nested: false });
  needEnd(from);
  return filter;
}

function group(is: "and" | "or", reading: Reading): Filter {
  const { from, depth } = reading;
  if (depth > DEPTH_MOST) throw misread(from.field, `is nested deeper than ${DEPTH_MOST} levels; send a flatter one`);
  const of = takeList(from, () => element({ ...reading, depth: depth + 1 }));
  if (of.length === 0)
    throw misread(from.field, `has ${is}() with nothing in it; send conditions such as (a.eq.1,b.gt.2)`);
  return { is, of };
}

function element(reading: Reading): Filter {
  const { from, table } = reading;
  const logic = takeMatch(from, LOGIC);
  if (logic !== null) {
    const of = group(logic.endsWith("and") ? "and" : "or", reading);
    return logic.startsWith("not.") ? { is: "not", of } : of;
  }
  const found = takePlace(from, table);
  need(from, ".");
  return condition(found, reading);
}

function condition(found: Found, reading: Reading): Filter {
  const { from, budget } = reading;
  budget.conditions -= 1;
  if (budget.conditions < 0) throw misread(from.field, `makes more than ${CONDITIONS_MOST} conditions; send fewer`);
  return takeCondition(found, reading);
}
