/** JSON from outside: parsing with words for people, and the refusal of values that a store or another reader would not carry faithfully. */
import { Fault } from "../ports/fault.ts";
import type { Json } from "../ports/json.ts";
import { roundedIn } from "./json_numbers.ts";

export const JSON_MAX_DEPTH = 64;
export const JSON_MAX_KEYS = 10_000;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Parses UTF-8 bytes as JSON; throws `invalid_json`, and `invalid_input` for a number that would be rounded. `what` are the bytes, in words. */
export function parseJson(bytes: Uint8Array, what = "The body"): Json {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Fault("invalid_json", `${what} is not valid UTF-8; send JSON encoded as UTF-8`);
  }
  return parseJsonText(text, what);
}

/** The same for text that has been decoded already. */
export function parseJsonText(text: string, what: string): Json {
  const value = parsed(text, what);
  const rounded = roundedIn(text);
  if (rounded === null) return value;
  throw new Fault("invalid_input", `${what} has the number ${rounded}, which would be rounded; send it as a string`);
}

function parsed(text: string, what: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (text.trim() === "") throw new Fault("invalid_json", `${what} is empty; send a JSON object`);
    const where = /position (\d+)/.exec(String(error))?.[1];
    throw new Fault(
      "invalid_json",
      `${what} is not valid JSON${where === undefined ? "" : ` (at character ${where})`}; send a JSON object`,
    );
  }
}

/**
 * Throws `invalid_input` for what could not be kept as sent: nesting beyond 64, over 10,000 keys, U+0000, lone surrogates, `__proto__` keys,
 * and integers beyond 2^53 (they would be rounded silently). Bytes pass.
 */
export function refuseUnsafe(root: unknown): void {
  const budget = { keys: JSON_MAX_KEYS };
  // Nearly everything is safe; only what is not is walked again for the words.
  if (!isSafe(root, 0, budget)) explain(root);
}

function isSafe(value: unknown, depth: number, budget: { keys: number }): boolean {
  if (typeof value === "string") return isSafeText(value);
  if (typeof value === "number") return isSafeNumber(value);
  if (typeof value !== "object" || value === null || isBytes(value)) return true;
  if (depth >= JSON_MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    budget.keys -= value.length;
    return budget.keys >= 0 && value.every((inner) => isSafe(inner, depth + 1, budget));
  }
  for (const key in value) {
    budget.keys -= 1;
    if (budget.keys < 0 || key === "__proto__" || !isSafeText(key)) return false;
    if (!isSafe((value as Record<string, unknown>)[key], depth + 1, budget)) return false;
  }
  return true;
}

function isBytes(value: object): boolean {
  return value instanceof Uint8Array || value instanceof ReadableStream;
}

function isSafeText(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}

function isSafeNumber(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

function explain(root: unknown): void {
  const open: { value: unknown; depth: number; path: string }[] = [{ value: root, depth: 0, path: "" }];
  let keys = 0;
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const { value, depth, path } = item;
    if (typeof value === "string") refuseText(value, path);
    else if (typeof value === "number") refuseNumber(value, path);
    else if (typeof value === "object" && value !== null && !isBytes(value)) {
      if (depth >= JSON_MAX_DEPTH) {
        throw new Fault(
          "invalid_input",
          `The value is nested deeper than ${JSON_MAX_DEPTH} levels; send a flatter one`,
        );
      }
      for (const [key, inner] of Object.entries(value)) {
        keys += 1;
        if (keys > JSON_MAX_KEYS) {
          throw new Fault(
            "invalid_input",
            `The value has more than ${JSON_MAX_KEYS} keys and elements; send it as text or in parts`,
          );
        }
        const at = path === "" ? key : `${path}.${key}`;
        if (!Array.isArray(value)) refuseKey(key, at);
        open.push({ value: inner, depth: depth + 1, path: at });
      }
    }
  }
}

function refuseKey(key: string, path: string): void {
  if (key === "__proto__")
    throw new Fault("invalid_input", `${shorten(path)}: the key __proto__ is not allowed; choose another name`, {
      details: { field: key },
    });
  refuseText(key, "a key");
}

function refuseText(text: string, path: string): void {
  const where = path === "" ? "The value" : shorten(path);
  if (text.includes("\u0000")) {
    throw new Fault(
      "invalid_input",
      `${where} contains the character U+0000, which cannot be stored; remove it or send base64`,
    );
  }
  if (!text.isWellFormed()) {
    throw new Fault(
      "invalid_input",
      `${where} contains half of a surrogate pair, which is not valid Unicode; remove it or send base64`,
    );
  }
}

function refuseNumber(value: number, path: string): void {
  if (isSafeNumber(value)) return;
  throw new Fault(
    "invalid_input",
    `${path === "" ? "The number" : shorten(path)} is beyond 2^53 and would be rounded; send it as a string`,
  );
}

function shorten(path: string): string {
  return path.length <= 80 ? path : `${path.slice(0, 77)}...`;
}
