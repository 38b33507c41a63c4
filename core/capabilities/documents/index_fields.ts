/** Declared fields: how the values that stand there become index entries, as text whose byte order is the order of the values. */
import * as v from "valibot";
import { quote } from "../../kernel/fields.ts";
import type { IndexEntry } from "../../ports/documents.ts";
import type { Json } from "../../ports/json.ts";

/** The most indexed fields of a namespace. */
export const INDEXES_MOST = 16;
/** Of a text this many bytes of UTF-8 are indexed; a filter's text is shorter, so that it finds as if it were all. */
const TEXT_BYTES = 1_000;
export const FILTER_MAX_BYTES = 990;

export const field = v.pipe(
  v.string(),
  v.maxLength(200),
  v.regex(
    /^[^.\p{Cc}]+(\.[^.\p{Cc}]+)*$/u,
    (issue) => `is ${quote(issue.input)}; send the names of members with dots between, for example owner.name`,
  ),
  v.description("A member of the payload, or of an object in it: names with dots between"),
);

const encoder = new TextEncoder();

/** The entries of a payload: one for each field where a text, a number, true, false or null stands. */
export function entriesOf(payload: Json, fields: readonly string[]): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (const name of fields) {
    const value = valueAt(payload, name);
    if (value === undefined || (typeof value === "object" && value !== null)) continue;
    entries.push({ field: name, value: encode(value) });
  }
  return entries;
}

function valueAt(payload: Json, name: string): Json | undefined {
  let value: Json | undefined = payload;
  for (const member of name.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, member))
      return undefined;
    value = value[member];
  }
  return value;
}

/** Null, then false and true, then numbers, then texts. */
export function encode(value: string | number | boolean | null): string {
  if (value === null) return "0";
  if (typeof value === "boolean") return value ? "1t" : "1f";
  return typeof value === "number" ? `2${orderedHex(value)}` : `3${beginning(value)}`;
}

/** The bits of a double, turned so that they sort as numbers do. */
function orderedHex(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  // Zero has two signs, and one place.
  view.setFloat64(0, value === 0 ? 0 : value);
  const bits = view.getBigUint64(0);
  const sign = 1n << 63n;
  const ordered = bits & sign ? ~bits & 0xffff_ffff_ffff_ffffn : bits | sign;
  return ordered.toString(16).padStart(16, "0");
}

/** A long text's beginning, marked as such: it sorts after the text that is just the beginning, and before all others that begin so. */
function beginning(text: string): string {
  if (text.length * 3 <= TEXT_BYTES) return text;
  const { read, written } = encoder.encodeInto(text, new Uint8Array(TEXT_BYTES));
  if (read === text.length && written <= TEXT_BYTES) return text;
  return `${text.slice(0, read)}\u0001`;
}
