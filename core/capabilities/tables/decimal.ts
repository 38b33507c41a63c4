/** Decimal numbers as text, exact to the last digit: for bigint and numeric, which JavaScript's numbers would round. */

/** More digits than any column holds; what is longer is refused before it costs anything. */
const DIGITS_MOST = 1_200;
const EXPONENT_MOST = 400;

/** A decimal without zeros that say nothing: `digits` × 10^-`scale`. */
export interface Decimal {
  negative: boolean;
  /** Without zeros in front; "0" for zero. */
  digits: string;
  /** How many of the digits stand after the point; none of them a zero at the end. */
  scale: number;
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;

/** Reads `-12`, `.5`, `1.50`, `1e3`; null for anything else. */
export function readDecimal(text: string): Decimal | null {
  if (text.length > DIGITS_MOST) return null;
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const [, sign, whole = "", fraction = "", power = "0"] = match;
  if (whole === "" && fraction === "") return null;
  const exponent = Number(power);
  if (Math.abs(exponent) > EXPONENT_MOST) return null;
  let digits = whole + fraction;
  let scale = fraction.length - exponent;
  if (scale < 0) {
    digits += "0".repeat(-scale);
    scale = 0;
  }
  const zeros = Math.min(/0*$/.exec(digits)![0].length, scale);
  digits = digits.slice(0, digits.length - zeros).replace(/^0+/, "");
  scale -= zeros;
  if (digits === "") return { negative: false, digits: "0", scale: 0 };
  return { negative: sign === "-", digits, scale };
}

/** Its text with `scale` decimals, which must be at least as many as it has. */
export function writeDecimal({ negative, digits, scale: own }: Decimal, scale = own): string {
  const all = (digits + "0".repeat(scale - own)).padStart(scale + 1, "0");
  const whole = all.slice(0, all.length - scale).replace(/^0+(?=\d)/, "");
  const fraction = scale === 0 ? "" : `.${all.slice(all.length - scale)}`;
  return `${negative ? "-" : ""}${whole}${fraction}`;
}

/** How many digits stand before its point, not counting a lone zero. */
export function wholeDigits({ digits, scale }: Decimal): number {
  return digits === "0" ? 0 : Math.max(0, digits.length - scale);
}
