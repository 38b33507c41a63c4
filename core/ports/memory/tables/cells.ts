/** Cells in memory: the order of values, what stands at a place, and JSON as PostgreSQL keeps and prints it. */

import { byteOrder } from "../../byte_order.ts";
import type { Json } from "../../json.ts";
import { type Cell, type ColumnType, type Row, TABLE_ID, type Table } from "../../table.ts";
import type { Direction, Place } from "../../table_rows.ts";

/** What decides how cells are compared. */
export type Sort = ColumnType | "id" | "double";

/** The sort of the values at a place. */
export function sortAt(table: Table, { column: name, path, asText }: Place): Sort {
  if (name === TABLE_ID) return "id";
  const column = table.columns.find((one) => one.name === name);
  if (column === undefined) throw new Error(`${table.name} has no column ${name}`);
  return path.length > 0 && asText ? "text" : column.type;
}

/** The cell at a place of the row. */
export function cellAt(row: Row, { column, path, asText }: Place): Cell {
  const cell = row[column] ?? null;
  if (path.length === 0) return cell;
  const inside = path.reduce<Json | undefined>(stepInto, cell) ?? null;
  return asText && inside !== null && typeof inside !== "string" ? printed(inside) : inside;
}

function stepInto(value: Json | undefined, step: string): Json | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value)) return Object.hasOwn(value, step) ? value[step] : undefined;
  return /^[ \t\n\v\f\r]*[+-]?\d{1,9}$/.test(step) ? value.at(Number(step)) : undefined;
}

/** The order of two cells of one sort, neither of them null; JSON is equal or not. */
export function cellOrder(left: Cell, right: Cell, sort: Sort): number {
  switch (sort) {
    case "bigint":
    case "numeric":
      return decimalOrder(left as string, right as string);
    case "text":
      return byteOrder(left as string, right as string);
    case "timestamptz":
      return byteOrder((left as string).slice(0, -1), (right as string).slice(0, -1));
    case "jsonb":
      return equalJson(left, right) ? 0 : 1;
    default:
      return left === right ? 0 : left! < right! ? -1 : 1;
  }
}

/** Compares for a sort of rows, nulls where the direction puts them. */
export function directedOrder(
  left: Cell,
  right: Cell,
  { sort, descending, nullsFirst }: Direction & { sort: Sort },
): number {
  if (left === null || right === null) {
    if (left === right) return 0;
    return (left === null) === nullsFirst ? -1 : 1;
  }
  const order = cellOrder(left, right, sort);
  return descending ? -order : order;
}

/** Decimals as text, of any scale. */
export function decimalOrder(left: string, right: string): number {
  const scale = Math.max(scaleOf(left), scaleOf(right));
  const difference = scaled(left, scale) - scaled(right, scale);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

export function scaleOf(decimal: string): number {
  const point = decimal.indexOf(".");
  return point < 0 ? 0 : decimal.length - point - 1;
}

/** The decimal times 10^scale. */
export function scaled(decimal: string, scale: number): bigint {
  return BigInt(decimal.replace(".", "") + "0".repeat(scale - scaleOf(decimal)));
}

export function equalJson(left: Json, right: Json): boolean {
  if (typeof left !== "object" || left === null || typeof right !== "object" || right === null) return left === right;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  const [one, other] = [left as Record<string, Json>, right as Record<string, Json>];
  return keys.every((key) => Object.hasOwn(other, key) && equalJson(one[key]!, other[key]!));
}

/** JSON as PostgreSQL prints it: keys by length, then by bytes, and a space after commas and colons. */
export function printed(value: Json): string {
  if (typeof value === "number") return plain(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(printed).join(", ")}]`;
  const keys = Object.keys(value).sort((left, right) => bytesOf(left) - bytesOf(right) || byteOrder(left, right));
  return `{${keys.map((key) => `${JSON.stringify(key)}: ${printed(value[key]!)}`).join(", ")}}`;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** A number without an exponent. */
function plain(value: number): string {
  const text = String(Object.is(value, -0) ? 0 : value);
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign, whole = "", fraction = "", power] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(power);
  if (point >= digits.length) return `${sign}${digits}${"0".repeat(point - digits.length)}`;
  if (point > 0) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  return `${sign}0.${"0".repeat(-point)}${digits}`;
}
