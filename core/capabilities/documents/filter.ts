/** Filters on declared fields in the manner of PostgREST: `status=eq.open`, `age=gte.18`, `owner.name=like.an*`, `kind=in.(a,b)`. */
import { quote } from "../../kernel/fields.ts";
import { ascending, beginning, both, next } from "../../kernel/value_range.ts";
import type { Condition, ValueRange } from "../../ports/documents.ts";
import { Fault } from "../../ports/fault.ts";
import { encode, FILTER_MAX_BYTES } from "./index_fields.ts";

const OPERATORS = ["eq", "gt", "gte", "lt", "lte", "in", "like"] as const;
type Operator = (typeof OPERATORS)[number];

/** The most filters of one request, and the most values of `in`. */
const FILTERS_MOST = 10;
const VALUES_MOST = 100;

/** The conditions, those of one field as one, and the most telling first. */
export function conditionsOf(filters: readonly string[]): Condition[] {
  if (filters.length > FILTERS_MOST) throw wrong(`has ${filters.length} filters, the most is ${FILTERS_MOST}`);
  const byField = new Map<string, ValueRange[]>();
  for (const filter of filters) {
    const { field, operator, value } = parse(filter);
    const ranges = ascending(rangesOf(operator, value));
    const before = byField.get(field);
    byField.set(field, before === undefined ? ranges : both(before, ranges));
  }
  const conditions = Array.from(byField, ([field, ranges]) => ({ field, ranges }));
  return conditions.sort((left, right) => width(left) - width(right));
}

function parse(filter: string): { field: string; operator: Operator; value: string } {
  // As the pair of a query it may still have the parameter's name before it.
  const text = filter.replace(/^where=(?=[^=]+=[a-z]+\.)/, "");
  const match = /^([^=]+)=([a-z]+)\.(.*)$/s.exec(text);
  const operator = OPERATORS.find((name) => name === match?.[2]);
  if (match === null || operator === undefined)
    throw wrong(
      `has ${quote(text)}; send field=operator.value with one of ${OPERATORS.join(", ")}, for example status=eq.open`,
    );
  return { field: match[1]!, operator, value: match[3]! };
}

/** A value begins where its kind does, and a text's range ends with texts. */
const KIND_ENDS = { "0": "1", "1": "2", "2": "3", "3": "4" } as const;

function rangesOf(operator: Operator, value: string): ValueRange[] {
  switch (operator) {
    case "eq":
      return exactly(value);
    case "in": {
      const values = listed(value);
      if (values.length > VALUES_MOST) throw wrong(`has in with ${values.length} values, the most is ${VALUES_MOST}`);
      return values.flatMap(exactly);
    }
    case "like": {
      if (!/^[^*]+\*$/.test(value))
        throw wrong(`has like.${quote(value)}; send the beginning of a text and one * at its end`);
      const from = checked(encode(value.slice(0, -1)));
      return [beginning(from)];
    }
    default:
      return [compared(operator, checked(encode(meant(value)[0]!)))];
  }
}

function compared(operator: "gt" | "gte" | "lt" | "lte", value: string): ValueRange {
  const kind = value[0] as keyof typeof KIND_ENDS;
  if (operator === "gte") return { from: value, to: KIND_ENDS[kind] };
  if (operator === "gt") return { from: next(value), to: KIND_ENDS[kind] };
  return { from: kind, to: operator === "lt" ? value : next(value) };
}

function exactly(value: string): ValueRange[] {
  return meant(value).map((one) => {
    const from = checked(encode(one));
    return { from, to: next(from) };
  });
}

/** What a value stands for: in quotes a text; a number, true, false or null as such, or as text; anything else as text. */
function meant(value: string): (string | number | boolean | null)[] {
  if (/^"([^"\\]|\\.)*"$/s.test(value)) return [value.slice(1, -1).replace(/\\(.)/gs, "$1")];
  if (value === "null") return [null, value];
  if (value === "true" || value === "false") return [value === "true", value];
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value) && Number.isFinite(Number(value));
  return isNumber ? [Number(value), value] : [value];
}

/** The values of `(a,"b,c",3)`. */
function listed(value: string): string[] {
  const inside = /^\((.*)\)$/s.exec(value)?.[1];
  const items = inside === undefined ? null : inside.match(/(?:^|,)("(?:[^"\\]|\\.)*"|[^",]*)/gs);
  if (inside === undefined || items === null || items.join("") !== inside)
    throw wrong(`has in.${quote(value)}; send a list in parentheses, for example in.(open,"on hold")`);
  return items.map((item, index) => (index === 0 && !inside.startsWith(",") ? item : item.slice(1)));
}

function checked(value: string): string {
  if (value.includes("\u0000") || !value.isWellFormed()) throw wrong("has a value that is not valid text");
  const size = new TextEncoder().encode(value).length;
  if (size > FILTER_MAX_BYTES) throw wrong(`has a value of ${size} bytes, the most is ${FILTER_MAX_BYTES}`);
  return value;
}

/** How little a condition tells: single values tell most. */
function width({ ranges }: Condition): number {
  return ranges.reduce((sum, { from, to }) => sum + (to === next(from) ? 1 : 1_000), 0);
}

function wrong(words: string): Fault {
  return new Fault("invalid_input", `Cannot list documents: where ${words}`, { details: { field: "where" } });
}
