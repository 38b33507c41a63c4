/**
 * Selections in PostgREST's grammar: `select=name,born:birthday,data->>city`, and aggregates over groups, `select=kind,count(),total:amount.sum()`. The
 * answer keeps their order.
 */
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import { TABLE_ID, type Table } from "../../ports/table.ts";
import type { Aggregated, Place, Selected } from "../../ports/table_rows.ts";
import { type Found, type Kind, takePlace } from "./place.ts";
import { atEnd, misread, needEnd, type Reader, reader, take, takeMatch } from "./query_text.ts";

const PARTS_MOST = 100;
const ALIAS = /[A-Za-z_][A-Za-z0-9_]{0,62}(?=:(?!:))/y;
const FUNCTION = /\.?[A-Za-z_]+(?=\()/y;
const FUNCTIONS = ["count", "sum", "min", "max", "avg"] as const;

/** What is asked of each row; or, when `of` is there, of each group of rows. */
export interface Selection {
  /** Values of rows, or what the groups have in common. */
  by: readonly Selected[];
  /** Null: no aggregates, so no groups. */
  of: readonly Aggregated[] | null;
  /** The names of the answer in the order asked for. */
  names: readonly string[];
  /** What stands at each place, by name; of an aggregate, what it is over. */
  found: ReadonlyMap<string, Found>;
}

/** The selection of a text; of none, all columns. Throws `invalid_input`. */
export function parseSelect(table: Table, text: string | undefined): Selection {
  const all = [TABLE_ID, ...table.columns.map(({ name }) => name)];
  const parts = text === undefined ? all.map((name) => column(table, name)) : partsOf(table, text, all);
  const names = parts.map(({ as }) => as);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw misread("select", `has ${quote(twice)} twice; give one of them another name: other:${twice.slice(0, 40)}`);
  const of = parts.flatMap((part) => (part.is === "aggregate" ? [part.aggregate] : []));
  const rows = parts.flatMap((part) => (part.is === "value" ? [part] : []));
  return {
    by: rows.map(({ as, found }) => ({ as, at: found.place })),
    of: of.length === 0 ? null : of,
    names,
    found: new Map(parts.flatMap(({ as, found }) => (found === null ? [] : [[as, found] as const]))),
  };
}

type Part =
  | { is: "value"; as: string; found: Found }
  | { is: "aggregate"; as: string; found: Found | null; aggregate: Aggregated };

function column(table: Table, name: string): Part {
  return { is: "value", as: name, found: takePlace(reader("select", name), table) };
}

function partsOf(table: Table, text: string, all: readonly string[]): Part[] {
  const from = reader("select", text);
  const parts: Part[] = [];
  do {
    if (take(from, "*")) parts.push(...all.map((name) => column(table, name)));
    else parts.push(part(from, table));
    if (parts.length > PARTS_MOST) throw misread("select", `has more than ${PARTS_MOST} parts; send fewer`);
  } while (take(from, ","));
  needEnd(from);
  return parts;
}

function part(from: Reader, table: Table): Part {
  const alias = takeMatch(from, ALIAS);
  if (alias !== null) take(from, ":");
  if (alias === "__proto__") throw misread("select", "has the name __proto__, which is not allowed; choose another");
  const alone = takeMatch(from, FUNCTION);
  if (alone !== null) return aggregate(from, { alias, name: alone, found: null });
  const found = takePlace(from, table);
  const name = takeMatch(from, FUNCTION);
  if (name !== null) return aggregate(from, { alias, name: name.slice(1), found });
  if (take(from, "::"))
    throw misread("select", "has a cast; values come as their columns are declared, so leave out :: and what follows");
  if (!atEnd(from) && from.text[from.at] !== ",") needEnd(from);
  return { is: "value", as: alias ?? nameOf(found.place), found };
}

/** The last key of a path, as PostgREST names it: an index is none. */
function nameOf({ column: name, path }: Place): string {
  const last = path.findLast((step) => !/^-?\d+$/.test(step)) ?? name;
  if (last === "__proto__")
    throw misread("select", "has the name __proto__, which is not allowed; give it another: name:place");
  return last;
}

function aggregate(
  from: Reader,
  { alias, name, found }: { alias: string | null; name: string; found: Found | null },
): Part {
  const fn = FUNCTIONS.find((one) => one === name);
  if (fn === undefined) {
    const guess = nearest(name, FUNCTIONS);
    const advice = guess === null ? `the aggregates are ${FUNCTIONS.join(", ")}` : `did you mean ${guess}?`;
    throw misread(
      "select",
      `has ${quote(`${name}()`)}, which is no aggregate; ${advice}`,
      guess === null ? {} : { did_you_mean: guess },
    );
  }
  if (!take(from, "()"))
    throw misread("select", `has something between the parentheses of ${fn}; write column.${fn}()`);
  if (found === null && fn !== "count") throw misread("select", `has ${fn}() without a column; write column.${fn}()`);
  if (found !== null && !takes(fn, found.kind))
    throw misread(
      "select",
      `has ${fn}() of ${nameOf(found.place)}, which is ${found.kind === "json" ? "JSON" : `a ${found.kind}`}; ${ADVICE[fn]}`,
    );
  const as = alias ?? fn;
  return { is: "aggregate", as, found, aggregate: { as, fn, at: found?.place ?? null } };
}

const ADVICE = {
  count: "",
  sum: "sum takes integer, bigint and numeric",
  avg: "avg takes integer, bigint and numeric",
  min: "min takes numbers, text, dates and times",
  max: "max takes numbers, text, dates and times",
} as const;

function takes(fn: Aggregated["fn"], kind: Kind): boolean {
  if (fn === "count") return true;
  if (fn === "sum" || fn === "avg") return kind === "number";
  return kind === "number" || kind === "text" || kind === "moment" || kind === "id";
}
