/**
 * The order of strings by their UTF-8 bytes, which is the order of code points and what databases with the C collation sort by.
 */

/** Compares for `sort`. JavaScript's own order puts surrogate pairs below U+E000 to U+FFFF; their bytes come above. */
export function byteOrder(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at += 1) {
    const difference = rank(left.charCodeAt(at)) - rank(right.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
