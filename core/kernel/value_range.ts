/** Ranges of texts in byte order, as index entries are looked up by. No text in them holds U+0000. */

import { byteOrder } from "../ports/byte_order.ts";
import { prefixEnd, type ValueRange } from "../ports/documents.ts";

/** The next text in byte order. */
export function next(value: string): string {
  return `${value}\u0001`;
}

/** All texts that begin so. */
export function beginning(prefix: string): ValueRange {
  return { from: prefix, to: prefixEnd(prefix) };
}

/** In order, and where two overlap they are one. */
export function ascending(ranges: readonly ValueRange[]): ValueRange[] {
  const sorted = [...ranges].sort((left, right) => byteOrder(left.from, right.from));
  const merged: ValueRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || byteOrder(range.from, last.to) > 0) merged.push({ ...range });
    else if (byteOrder(range.to, last.to) > 0) last.to = range.to;
  }
  return merged;
}

/** Where both hold. */
export function both(left: readonly ValueRange[], right: readonly ValueRange[]): ValueRange[] {
  return left.flatMap((one) =>
    right.flatMap((other) => {
      const from = byteOrder(one.from, other.from) > 0 ? one.from : other.from;
      const to = byteOrder(one.to, other.to) < 0 ? one.to : other.to;
      return byteOrder(from, to) < 0 ? [{ from, to }] : [];
    }),
  );
}
