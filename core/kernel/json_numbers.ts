/**
 * Numbers in JSON text that a double would not give back as they came. Integers beyond 2^53 and what overflows can be told from the parsed value (see
 * `refuseUnsafe`); digits that fall away from a fraction, and what becomes zero, only from the text.
 */

/** All literals that may be rounded: those with more than 15 digits, and those with an exponent. */
const LONG = /\d[\d.]{15,}(?:[eE][+-]?\d+)?|\d[\d.]*[eE][+-]?\d+/g;

/** The first number of a valid JSON text whose value would be another, but for those that `refuseUnsafe` finds; null when there is none. */
export function roundedIn(text: string): string | null {
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const end = quote === -1 ? text.length : quote;
    const rounded = roundedBetween(text, at, end);
    if (rounded !== null) return rounded;
    if (quote === -1) return null;
    at = afterString(text, quote);
  }
  return null;
}

/** Where the text goes on after the string that begins at the quote. */
function afterString(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
  }
  return text.length;
}

function roundedBetween(text: string, from: number, to: number): string | null {
  // Most stretches are a comma or a colon.
  if (to - from < 4) return null;
  for (const [literal] of text.slice(from, to).matchAll(LONG)) {
    const value = Number(literal);
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) continue;
    if (plain(literal) !== plain(String(value))) return literal.length <= 40 ? literal : `${literal.slice(0, 37)}...`;
  }
  return null;
}

/** A decimal as its digits without zeros around them, and the power of ten of the last one; equal for equal values. */
function plain(literal: string): string {
  const [mantissa, exponent = "0"] = literal.toLowerCase().split("e") as [string, string?];
  const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const kept = digits.replace(/0+$/, "");
  if (kept === "") return "0";
  return `${kept}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - kept.length)}`;
}
