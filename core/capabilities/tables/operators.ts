/** The operators of filters: a closed list, and words for whoever sends another one, those of PostgREST that are not offered here among them. */
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import type { Comparison } from "../../ports/table_rows.ts";
import { misread, type Reader, take, takeMatch } from "./query_text.ts";

const COMPARISONS: readonly string[] = ["eq", "neq", "gt", "gte", "lt", "lte"];
const PATTERNS: readonly string[] = ["like", "ilike"];
const OTHERS = ["in", "is", "isdistinct", "cs", "cd"] as const;
const OPERATORS: readonly string[] = [...COMPARISONS, ...PATTERNS, ...OTHERS];

const WORD = /[A-Za-z_]+/y;
const QUANTIFIER = /\((?:any|all)\)/y;

const FOR_RANGES = "it is for ranges and arrays, which no column holds; use gt, gte, lt and lte";
const FOR_SEARCH = "there is no full-text search; use ilike.*word*";

/** Operators of PostgREST that are not offered, with what to use instead. */
const ABSENT: { readonly [operator: string]: string } = {
  match: "there are no regular expressions; use like, with * for any text",
  imatch: "there are no regular expressions; use ilike, with * for any text",
  fts: FOR_SEARCH,
  plfts: FOR_SEARCH,
  phfts: FOR_SEARCH,
  wfts: FOR_SEARCH,
  ov: "it is for ranges and arrays, which no column holds; use or=(…), with cs for JSON",
  sl: FOR_RANGES,
  sr: FOR_RANGES,
  nxl: FOR_RANGES,
  nxr: FOR_RANGES,
  adj: FOR_RANGES,
};

/** What compares one value with another, or text with a pattern, and may be asked of several at once. */
export type Single = Comparison | "like" | "ilike";

/** An operator as it was taken. */
export type Operator =
  | { name: Single; quantifier: "any" | "all" | null }
  | { name: (typeof OTHERS)[number]; quantifier: null };

/** Takes an operator, with the `(any)` or `(all)` behind it; throws `invalid_input`. */
export function takeOperator(from: Reader): Operator {
  const word = takeMatch(from, WORD) ?? "";
  if (!OPERATORS.includes(word)) throw unknownOperator(from, word);
  const other = OTHERS.find((one) => one === word);
  const quantifier = takeMatch(from, QUANTIFIER);
  if (other !== undefined && quantifier === null) return { name: other, quantifier };
  if (other !== undefined)
    throw misread(
      from.field,
      `has ${word}${quantifier}; (any) and (all) stand after eq, neq, gt, gte, lt, lte, like, ilike`,
    );
  if (quantifier === null && take(from, "("))
    throw misread(from.field, `has ${quote(from.text)}; after ${word} may stand (any) or (all), then .{value,value}`);
  const how = quantifier === null ? null : quantifier === "(any)" ? "any" : "all";
  return { name: word as Single, quantifier: how };
}

function unknownOperator(from: Reader, operator: string): Error {
  if (Object.hasOwn(ABSENT, operator))
    return misread(from.field, `has the operator ${operator}, which is not offered: ${ABSENT[operator]}`);
  const guess = operator === "" ? null : nearest(operator, OPERATORS);
  const advice = guess === null ? `send one of ${OPERATORS.join(", ")}` : `did you mean ${guess}?`;
  const what =
    operator === ""
      ? `is ${quote(from.text)}, without an operator`
      : `has the operator ${quote(operator)}, which is unknown`;
  return misread(from.field, `${what}; ${advice}`, guess === null ? {} : { did_you_mean: guess });
}

/** Whether a text reads like a condition of a filter. */
export function isCondition(text: string): boolean {
  const match = /^(?:not\.)?([a-z]+)(?:\((?:any|all)\))?\./.exec(text);
  return match !== null && (OPERATORS.includes(match[1]!) || Object.hasOwn(ABSENT, match[1]!));
}
