/**
 * Reading the text of a query part by part: the words, quoted values and lists that filters, selections and orders are made of. A mistake is told with
 * the field it stands in and what to send instead.
 */
import { quote } from "../../kernel/fields.ts";
import { Fault } from "../../ports/fault.ts";

/** A text and how far it has been read. */
export interface Reader {
  readonly text: string;
  /** The query field that the text came in, for messages. */
  readonly field: string;
  at: number;
}

export function reader(field: string, text: string): Reader {
  return { field, text, at: 0 };
}

/** The fault for a text that cannot be read; `words` go on after the field's name. */
export function misread(field: string, words: string, more: { did_you_mean?: string } = {}): Fault {
  return new Fault("invalid_input", `${field} ${words}`, { details: { field, ...more } });
}

export function atEnd({ text, at }: Reader): boolean {
  return at >= text.length;
}

/** Takes `token` if it comes next. */
export function take(from: Reader, token: string): boolean {
  if (!from.text.startsWith(token, from.at)) return false;
  from.at += token.length;
  return true;
}

/** Takes `token`, or throws. */
export function need(from: Reader, token: string): void {
  if (take(from, token)) return;
  const rest = from.text.slice(from.at);
  const found = rest === "" ? "ends" : `has ${quote(rest.slice(0, 40))}`;
  throw misread(from.field, `${found} where ${quote(token)} should come, at character ${from.at}`);
}

/** Takes what the sticky pattern matches next; null when nothing does. */
export function takeMatch(from: Reader, pattern: RegExp): string | null {
  pattern.lastIndex = from.at;
  const match = pattern.exec(from.text);
  if (match === null || match.index !== from.at) return null;
  from.at += match[0].length;
  return match[0];
}

/** Takes a value in double quotes, in which `\` makes the next character plain. */
export function takeQuoted(from: Reader): string | null {
  if (!take(from, '"')) return null;
  let value = "";
  while (from.at < from.text.length) {
    const character = from.text[from.at]!;
    from.at += 1;
    if (character === '"') return value;
    if (character !== "\\") value += character;
    else if (from.at < from.text.length) value += from.text[from.at++];
  }
  throw misread(from.field, `is ${quote(from.text)}: a quoted value has no end; close it with "`);
}

/** Takes a value up to a comma or a closing parenthesis, or a quoted one. */
export function takeValue(from: Reader): string {
  const quoted = takeQuoted(from);
  if (quoted !== null) return quoted;
  const start = from.at;
  while (from.at < from.text.length && from.text[from.at] !== "," && from.text[from.at] !== ")") from.at += 1;
  return from.text.slice(start, from.at);
}

/** Takes `(a,b,…)` by `one` for each part; `()` is empty. */
export function takeList<T>(from: Reader, one: () => T): T[] {
  need(from, "(");
  if (take(from, ")")) return [];
  const parts = [one()];
  while (take(from, ",")) parts.push(one());
  need(from, ")");
  return parts;
}

/** Takes what stands in braces, with them, where a comma inside them would end a value; null when there is none. */
export function takeBraced(from: Reader): string | null {
  return takeMatch(from, BRACED);
}

const BRACED = /\{[^{}]*\}(?=[,)])/y;
const SPACE = /\s*/y;
/** What an element of an array may be without quotes: no space around it, and `\` makes the next character plain. */
const ELEMENT = /(?:[^\\{}",\s]|\\[\s\S]|\s+(?![\s,}]))*/y;

/** Takes `{a,"b c"}`: texts in an array as PostgreSQL writes it. */
export function takeArray(from: Reader): string[] {
  need(from, "{");
  takeMatch(from, SPACE);
  if (take(from, "}")) return [];
  const elements = [takeElement(from)];
  while (take(from, ",")) elements.push(takeElement(from));
  need(from, "}");
  return elements;
}

function takeElement(from: Reader): string {
  takeMatch(from, SPACE);
  const element = takeQuoted(from) ?? plainElement(from);
  takeMatch(from, SPACE);
  return element;
}

function plainElement(from: Reader): string {
  const text = takeMatch(from, ELEMENT) ?? "";
  if (text === "") throw misread(from.field, `has no value at character ${from.at}; send {a,b}, empty text as ""`);
  if (text.toLowerCase() === "null")
    throw misread(from.field, `lists ${text}; ask for no value by is.null, and put text that is "null" into quotes`);
  return text.replace(/\\([\s\S])/g, "$1");
}

/** Throws when something is left. */
export function needEnd(from: Reader): void {
  if (atEnd(from)) return;
  throw misread(
    from.field,
    `has ${quote(from.text.slice(from.at, from.at + 40))} after its end, at character ${from.at}`,
  );
}
