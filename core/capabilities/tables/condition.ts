/** One condition of a filter: `gte.18`, `not.like.A*`, `eq(any).{1,2}`. Its operator is one of a closed list, and its values become cells. */
import { quote } from "../../kernel/fields.ts";
import type { Cell } from "../../ports/table.ts";
import type { Comparison, Filter } from "../../ports/table_rows.ts";
import { cellOfText, type Typed } from "./cell.ts";
import { type Operator, type Single, takeOperator } from "./operators.ts";
import { type Found, ID, type Kind } from "./place.ts";
import { misread, need, type Reader, take, takeArray, takeBraced, takeList, takeValue } from "./query_text.ts";

const VALUES_MOST = 1_000;

/** Where a condition stands: inside parentheses a comma or a parenthesis ends a value. */
export interface Standing {
  from: Reader;
  nested: boolean;
}

/** Takes what follows a place and its point; throws `invalid_input`. */
export function takeCondition(found: Found, standing: Standing): Filter {
  const { from } = standing;
  const negated = take(from, "not.");
  const operator = takeOperator(from);
  need(from, ".");
  const filter = operation(operator, found, standing);
  return negated ? { is: "not", of: filter } : filter;
}

function operation({ name, quantifier }: Operator, found: Found, standing: Standing): Filter {
  const { from } = standing;
  const at = found.place;
  if (quantifier !== null) return quantified({ name: name as Single, quantifier }, found, from);
  switch (name) {
    case "is":
      return truth(found, { from, word: valueIn(standing) });
    case "in":
      return {
        is: "in",
        at,
        values: few(
          from,
          takeList(from, () => valueAt(found, { from, text: takeValue(from) })),
        ),
      };
    case "isdistinct":
      return { is: "distinct", at, value: valueAt(found, { from, text: valueIn(standing) }) };
    case "cs":
    case "cd":
      return { is: name === "cs" ? "contains" : "within", at, value: document(found, name, standing) };
    default:
      return one(name, found, { from, text: valueIn(standing) });
  }
}

/** `eq(any).{1,2}`: the operator holds for any of the values, or for all of them. */
function quantified(
  { name, quantifier }: { name: Single; quantifier: "any" | "all" },
  found: Found,
  from: Reader,
): Filter {
  const each = few(from, takeArray(from)).map((text) => one(name, found, { from, text }));
  const values = each.map((filter) => ("pattern" in filter ? filter.pattern : filter.value));
  if (name === "eq" && quantifier === "any") return { is: "in", at: found.place, values };
  return { is: quantifier, by: name, at: found.place, values };
}

function few<T>(from: Reader, values: readonly T[]): readonly T[] {
  if (values.length <= VALUES_MOST) return values;
  throw misread(from.field, `lists ${values.length} values, the most is ${VALUES_MOST}`);
}

function valueIn({ from, nested }: Standing): string {
  if (nested) return takeBraced(from) ?? takeValue(from);
  const rest = from.text.slice(from.at);
  from.at = from.text.length;
  return rest;
}

interface Given {
  from: Reader;
  text: string;
}

type One = Extract<Filter, { is: Single }>;

function one(name: Single, found: Found, given: Given): One {
  if (name === "like" || name === "ilike") return { is: name, at: found.place, pattern: patternOf(found, given) };
  return compared(name, found, given);
}

function compared(is: Comparison, found: Found, given: Given): One {
  const value = valueAt(found, given);
  if (found.kind === "json" && is !== "eq" && is !== "neq" && typeof value !== "number")
    throw misread(
      given.from.field,
      `compares JSON by ${is} with ${quote(given.text)}; send a number, or use ->> to compare text`,
    );
  return { is, at: found.place, value };
}

/** What `cs` and `cd` compare with: JSON, and the column is it, too. */
function document(found: Found, name: "cs" | "cd", standing: Standing): Cell {
  const { from } = standing;
  if (found.kind !== "json")
    throw misread(from.field, `asks ${name}, which is for jsonb; use eq, in, like, gt or lt for other columns`);
  const value = valueAt(found, { from, text: valueIn(standing) });
  if (value !== null) return value;
  throw misread(from.field, `asks ${name}.null; send JSON that is not null, or is.null for what has no value`);
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
