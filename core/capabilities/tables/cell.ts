/**
 * From what callers send, as JSON or as text, to cells in their one form (see `core/ports/table.ts`), with words for what a column does not
 * hold. Nothing is rounded, cut or guessed.
 */
import { quote } from "../../kernel/fields.ts";
import { parseJsonText, refuseUnsafe } from "../../kernel/json_text.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import { type Cell, type Column, UNIQUE_TEXT_MAX_BYTES } from "../../ports/table.ts";
import { readDecimal, wholeDigits, writeDecimal } from "./decimal.ts";
import { canonicalDate, canonicalInstant } from "./instant.ts";

/** The cell; or what is wrong with the value, to stand after its name: `is "x"; send a whole number`. */
export type Taken = { cell: Cell } | { wrong: string };

/** What of a column decides about its cells. */
export type Typed = Pick<Column, "type"> &
  Partial<Pick<Column, "precision" | "scale" | "enum" | "unique" | "references">>;

const INTEGER_MOST = 2_147_483_647n;
const BIGINT_MOST = 9_223_372_036_854_775_807n;
/** Doubles keep this many digits of any decimal. */
const EXACT_DIGITS = 15;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The cell of a column for a value that came as JSON; null is left to whoever knows whether it may stay empty. */
export function cellOf(column: Typed, value: Json): Taken {
  if (value === null) return { cell: null };
  switch (column.type) {
    case "jsonb":
      return { cell: value };
    case "boolean":
      return typeof value === "boolean" ? { cell: value } : wrong(value, "true or false");
    case "integer":
    case "bigint":
    case "numeric":
      if (typeof value === "number") return numberOf(column, value);
      return typeof value === "string" ? cellOfText(column, value) : wrong(value, wanted(column));
    default:
      return typeof value === "string" ? cellOfText(column, value) : wrong(value, wanted(column));
  }
}

/** The cell of a column for a value that came as text: in a filter, a cursor or CSV. For jsonb the text is JSON. */
export function cellOfText(column: Typed, text: string): Taken {
  if (text.includes("\u0000") || !text.isWellFormed()) return { wrong: "holds U+0000 or half of a surrogate pair" };
  switch (column.type) {
    case "text":
      return textCell(column, text);
    case "integer":
      return integerCell(column, { text, most: INTEGER_MOST });
    case "bigint":
      return integerCell(column, { text, most: BIGINT_MOST });
    case "numeric":
      return numericCell(column, text);
    case "boolean":
      return text === "true" || text === "false" ? { cell: text === "true" } : wrong(text, wanted(column));
    case "timestamptz":
      return orWrong(column, text, canonicalInstant(text));
    case "date":
      return orWrong(column, text, canonicalDate(text));
    case "uuid":
      return orWrong(column, text, UUID.test(text.toLowerCase()) ? text.toLowerCase() : null);
    case "jsonb":
      return jsonCell(text);
  }
}

function textCell(column: Typed, text: string): Taken {
  const isIndexed = column.unique === true || (column.references ?? null) !== null;
  if (isIndexed && text.length * 3 > UNIQUE_TEXT_MAX_BYTES) {
    const bytes = new TextEncoder().encode(text).length;
    if (bytes > UNIQUE_TEXT_MAX_BYTES)
      return {
        wrong: `has ${bytes} bytes, the most in a column that is unique or refers to one is ${UNIQUE_TEXT_MAX_BYTES}`,
      };
  }
  if (column.enum === undefined || column.enum === null || column.enum.includes(text)) return { cell: text };
  return { wrong: `is ${quote(text)}; send one of ${column.enum.map((one) => JSON.stringify(one)).join(", ")}` };
}

function numberOf(column: Typed, value: number): Taken {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    return { wrong: "is beyond 2^53 and would be rounded; send it as a string" };
  const text = String(value);
  const decimal = readDecimal(text);
  if (column.type === "numeric" && decimal !== null && decimal.scale > 0 && decimal.digits.length > EXACT_DIGITS)
    return { wrong: `is ${text}, which has more digits than a JSON number keeps; send it as a string` };
  return cellOfText(column, text);
}

function integerCell(column: Typed, { text, most }: { text: string; most: bigint }): Taken {
  const decimal = readDecimal(text);
  if (decimal === null || decimal.scale > 0 || decimal.digits.length > 20) return wrong(text, wanted(column));
  const value = BigInt(writeDecimal(decimal));
  if (value > most || value < -most - 1n) return wrong(text, wanted(column));
  return { cell: column.type === "integer" ? Number(value) : String(value) };
}

function numericCell(column: Typed, text: string): Taken {
  const decimal = readDecimal(text);
  if (decimal === null) return wrong(text, wanted(column));
  const { precision, scale } = column;
  if (precision === undefined || precision === null) return { cell: writeDecimal(decimal) };
  const places = scale ?? 0;
  if (decimal.scale > places)
    return { wrong: `is ${quote(text)}, which has ${decimal.scale} decimals; the column holds ${places}` };
  if (wholeDigits(decimal) > precision - places)
    return { wrong: `is ${quote(text)}; the most before the point are ${precision - places} digits` };
  return { cell: writeDecimal(decimal, places) };
}

function jsonCell(text: string): Taken {
  try {
    const cell = parseJsonText(text, "it");
    refuseUnsafe(cell);
    return { cell };
  } catch (error) {
    if (error instanceof Fault && error.code === "invalid_input")
      return { wrong: `is not kept as it is: ${error.message}` };
    return { wrong: `is ${quote(text)}; send JSON, text in its quotes` };
  }
}

function orWrong(column: Typed, text: string, cell: string | null): Taken {
  return cell === null ? wrong(text, wanted(column)) : { cell };
}

function wrong(value: Json, send: string): Taken {
  return { wrong: `is ${quote(value)}; send ${send}` };
}

/** What a column of this type takes, in words. */
export function wanted({ type, precision, scale }: Typed): string {
  switch (type) {
    case "text":
      return "text";
    case "integer":
      return `a whole number from ${-INTEGER_MOST - 1n} to ${INTEGER_MOST}`;
    case "bigint":
      return `a whole number from ${-BIGINT_MOST - 1n} to ${BIGINT_MOST}, as a string beyond 2^53`;
    case "numeric":
      return precision === undefined || precision === null
        ? 'a decimal number such as "12.5"'
        : `a decimal number of at most ${precision} digits, ${scale ?? 0} of them after the point, such as "12.5"`;
    case "boolean":
      return "true or false";
    case "timestamptz":
      return "a time of RFC 3339 with at most 6 decimals, such as 2030-01-31T12:00:00Z";
    case "date":
      return "a date such as 2030-01-31";
    case "uuid":
      return "a UUID";
    case "jsonb":
      return "JSON";
  }
}
