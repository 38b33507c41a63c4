/**
 * Filters in PostgREST's grammar: `age=gte.18`, `name=not.like.A*`, `id=in.(1,2)`, `or=(a.eq.1,and(b.gt.2,c.is.null))`. The operators are a closed list,
 * columns are the table's, and values become cells: nothing of the text goes on as it came.
 */
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import type { Cell, Table } from "../../ports/table.ts";
import type { Comparison, Filter } from "../../ports/table_rows.ts";
import { cellOfText, type Typed } from "./cell.ts";
import { type Found, ID, type Kind, takePlace } from "./place.ts";
import { misread, need, needEnd, type Reader, reader, take, takeList, takeMatch, takeValue } from "./query_text.ts";

const DEPTH_MOST = 8;
const CONDITIONS_MOST = 100;
const VALUES_MOST = 1_000;

const COMPARISONS: readonly string[] = ["eq", "neq", "gt", "gte", "lt", "lte"];
const OPERATORS = [...COMPARISONS, "like", "ilike", "in", "is"] as const;
const WORD = /[A-Za-z_]+/y;
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
  const negated = take(from, "not.");
  const operator = takeMatch(from, WORD) ?? "";
  if (!(OPERATORS as readonly string[]).includes(operator)) throw unknownOperator(from, operator);
  need(from, ".");
  const filter = operation(operator, found, reading);
  return negated ? { is: "not", of: filter } : filter;
}

function unknownOperator(from: Reader, operator: string): Error {
  const guess = operator === "" ? null : nearest(operator, OPERATORS);
  const advice = guess === null ? `send one of ${OPERATORS.join(", ")}` : `did you mean ${guess}?`;
  const what =
    operator === ""
      ? `is ${quote(from.text)}, without an operator`
      : `has the operator ${quote(operator)}, which is unknown`;
  return misread(from.field, `${what}; ${advice}`, guess === null ? {} : { did_you_mean: guess });
}

function operation(operator: string, found: Found, reading: Reading): Filter {
  const { from } = reading;
  const at = found.place;
  switch (operator) {
    case "is":
      return truth(found, { from, word: valueIn(reading) });
    case "in": {
      const values = takeList(from, () => valueAt(found, { from, text: takeValue(from) }));
      if (values.length > VALUES_MOST)
        throw misread(from.field, `lists ${values.length} values, the most is ${VALUES_MOST}`);
      return { is: "in", at, values };
    }
    case "like":
    case "ilike":
      return { is: operator, at, pattern: patternOf(found, { from, text: valueIn(reading) }) };
    default:
      return compared(operator as Comparison, found, { from, text: valueIn(reading) });
  }
}

function valueIn({ from, nested }: Reading): string {
  if (nested) return takeValue(from);
  const rest = from.text.slice(from.at);
  from.at = from.text.length;
  return rest;
}

interface Given {
  from: Reader;
  text: string;
}

function compared(is: Comparison, found: Found, given: Given): Filter {
  const value = valueAt(found, given);
  if (found.kind === "json" && is !== "eq" && is !== "neq" && typeof value !== "number")
    throw misread(
      given.from.field,
      `compares JSON by ${is} with ${quote(given.text)}; send a number, or use ->> to compare text`,
    );
  return { is, at: found.place, value };
}

/** Jsonb and what stands inside it as JSON. */
const JSON_TYPE: Typed = { type: "jsonb" };
const TEXT_TYPE: Typed = { type: "text" };

function valueAt({ kind, column }: Found, { from, text }: Given): Cell {
  const taken = cellOfText(filtered(kind, column), text);
  if ("wrong" in taken) throw misread(from.field, taken.wrong);
  if (kind !== "id") return taken.cell;
  const id = Number(taken.cell);
  if (Number.isSafeInteger(id)) return id;
  throw misread(from.field, `is ${quote(text)}; send an id`);
}

/** A filter may ask for what a column could not hold: any text beside an enum, any decimals beside a numeric. */
function filtered(kind: Kind, column: Found["column"]): Typed {
  if (kind === "json") return JSON_TYPE;
  if (kind === "id") return ID;
  return kind === "text" || column === null ? TEXT_TYPE : { type: column.type };
}

function patternOf({ kind }: Found, { from, text }: Given): string {
  if (kind !== "text") throw misread(from.field, `matches a pattern, but is not text; use eq, gt, lt or in`);
  const taken = cellOfText(TEXT_TYPE, text);
  if ("wrong" in taken) throw misread(from.field, taken.wrong);
  const pattern = text.replaceAll("*", "%");
  if (/(?:^|[^\\])(?:\\\\)*\\$/.test(pattern))
    throw misread(from.field, `is ${quote(text)}: a pattern may not end with one backslash`);
  return pattern;
}

function truth({ kind, place: at }: Found, { from, word }: { from: Reader; word: string }): Filter {
  switch (word.toLowerCase()) {
    case "null":
    case "unknown":
      return { is: "null", at };
    case "not_null":
      return { is: "not", of: { is: "null", at } };
    case "true":
    case "false":
      if (kind !== "boolean" && kind !== "json") throw misread(from.field, `is no boolean; use is.null, or eq.${word}`);
      return { is: word.toLowerCase() as "true" | "false", at };
    default:
      throw misread(from.field, `asks is.${word.slice(0, 40)}; send is.null, is.not_null, is.true or is.false`);
  }
}
