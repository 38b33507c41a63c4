/**
 * Arrays as the server takes them with least work on both sides: text in PostgreSQL's binary form, which needs no quoting, and numbers and booleans
 * as literals.
 */
import { Buffer } from "node:buffer";

const TEXT_OID = 25;
const HEADER_BYTES = 20;

/** A `text[]`. U+0000 is left to the server to refuse. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let bytes = HEADER_BYTES;
  for (const value of values) bytes += 4 + (value === null ? 0 : Buffer.byteLength(value));
  const buffer = Buffer.allocUnsafe(bytes);
  // Dimensions, whether there are nulls, the elements' type, how many they are, and the subscript of the first.
  let at = buffer.writeInt32BE(1, 0);
  at = buffer.writeInt32BE(values.includes(null) ? 1 : 0, at);
  at = buffer.writeInt32BE(TEXT_OID, at);
  at = buffer.writeInt32BE(values.length, at);
  at = buffer.writeInt32BE(1, at);
  for (const value of values) {
    if (value === null) {
      at = buffer.writeInt32BE(-1, at);
      continue;
    }
    const length = buffer.write(value, at + 4);
    at = buffer.writeInt32BE(length, at) + length;
  }
  return buffer;
}

/** An array of any type whose values need no quotes. */
export function plainArray(values: readonly (number | boolean | null)[]): string {
  return `{${values.map((value) => value ?? "NULL").join(",")}}`;
}
