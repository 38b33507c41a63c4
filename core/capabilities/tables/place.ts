/** Places as callers write them: `age`, `data->address->>city`, `data->tags->0`. Only columns of the table are found. */
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import { type Column, TABLE_ID, type Table } from "../../ports/table.ts";
import type { Place } from "../../ports/table_rows.ts";
import type { Typed } from "./cell.ts";
import { misread, type Reader, take, takeMatch, takeQuoted } from "./query_text.ts";

const STEPS_MOST = 16;
const WORD = /[A-Za-z0-9_]+/y;
/** What a key may be without quotes. */
const KEY = /(?:(?!->)[^.,():"\s])+/y;

/** What stands at a place: a column of the table, `id`, or something inside jsonb. */
export interface Found {
  place: Place;
  /** How it is compared: the column's type; `text` or `json` inside jsonb. */
  kind: Kind;
  /** What its cells are; null for `id` and places inside jsonb. */
  column: Column | null;
}

export type Kind = "id" | "text" | "number" | "boolean" | "moment" | "uuid" | "json";

const KINDS: { readonly [type in Column["type"]]: Kind } = {
  text: "text",
  integer: "number",
  bigint: "number",
  numeric: "number",
  boolean: "boolean",
  timestamptz: "moment",
  date: "moment",
  uuid: "uuid",
  jsonb: "json",
};

/** How the column's cells are read; `id` counts within 2^53. */
export const ID: Typed = { type: "bigint" };

/** The column of that name; throws `invalid_input` with the nearest name. */
export function columnOf(table: Table, name: string, field: string): Column | null {
  if (name === TABLE_ID) return null;
  const column = table.columns.find((one) => one.name === name);
  if (column !== undefined) return column;
  const names = [TABLE_ID, ...table.columns.map((one) => one.name)];
  const guess = nearest(name, names);
  const advice = guess === null ? `it has ${names.join(", ")}` : `did you mean ${guess}?`;
  // A column may bear the name of the field that it seems to be asked in.
  const other = (field === "select" || field === "order") && table.columns.some((one) => one.name === field);
  const beside = other ? `; for the column ${field} send and=(${field}.eq.value)` : "";
  throw misread(field, `names ${quote(name)}, which is no column of ${table.name}; ${advice}${beside}`, {
    ...(guess === null ? {} : { did_you_mean: guess }),
  });
}

/** Takes a place. */
export function takePlace(from: Reader, table: Table): Found {
  const name = takeQuoted(from) ?? takeMatch(from, WORD);
  if (name === null) {
    const rest = from.text.slice(from.at, from.at + 40);
    throw misread(from.field, `has ${quote(rest)} where a column should come, at character ${from.at}`);
  }
  const column = columnOf(table, name, from.field);
  const path: string[] = [];
  let asText = false;
  for (;;) {
    const arrow = take(from, "->>") ? "->>" : take(from, "->") ? "->" : null;
    if (arrow === null) break;
    if (asText) throw misread(from.field, `goes on after ->>, which gives text; use -> for all steps but the last`);
    path.push(takeKey(from));
    asText = arrow === "->>";
  }
  if (path.length === 0) return { place: { column: name, path, asText }, kind: kindOf(column), column };
  if (column?.type !== "jsonb")
    throw misread(from.field, `goes into ${name}, which is ${column?.type ?? "bigint"}; only jsonb has places inside`);
  if (path.length > STEPS_MOST) throw misread(from.field, `has ${path.length} steps, the most is ${STEPS_MOST}`);
  return { place: { column: name, path, asText }, kind: asText ? "text" : "json", column: null };
}

function takeKey(from: Reader): string {
  const key = takeQuoted(from) ?? takeMatch(from, KEY);
  if (key === null)
    throw misread(from.field, `ends in an arrow; send the key after it, in double quotes if it has . , : ( or )`);
  if (key.includes("\u0000") || !key.isWellFormed()) throw misread(from.field, "has a key that no text can hold");
  return key;
}

function kindOf(column: Column | null): Kind {
  return column === null ? "id" : KINDS[column.type];
}
