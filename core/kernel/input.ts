/** From raw values to an operation's input: unknown fields are named, text from paths and queries becomes numbers where the schema says so. */
import * as v from "valibot";
import { Fault } from "../ports/fault.ts";
import type { JsonObject } from "../ports/json.ts";
import { listIn, mostItemsOf, quote } from "./fields.ts";
import { describeIssue, detailsOf } from "./issue.ts";
import { roundedIn } from "./json_numbers.ts";
import { refuseUnsafe } from "./json_text.ts";
import { nearest } from "./nearest.ts";
import type { InputSchema } from "./operation.ts";

/** Validates `raw` as `action`'s input; throws `invalid_input` naming field, value and limit. */
export function parseInput<S extends InputSchema>(schema: S, raw: unknown, action: string): v.InferOutput<S> {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new Fault(
      "invalid_input",
      `Cannot ${action}: the body is ${nameOf(raw)}; send a JSON object with ${listFields(schema.entries)}`,
    );
  }
  const lists = listsIn(schema, raw, action);
  refuseUnsafe(lists.length === 0 ? raw : without(raw, lists));
  refuseUnknown(schema.entries, raw, { action, at: "" });
  for (const list of lists) checkItems(list, action);
  refuseArrays(schema, raw, action);
  const parsed = v.safeParse(schema, raw, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw refusal(action, describeIssue(issue, schema), detailsOf(issue, schema));
}

interface List {
  field: string;
  /** The fields of each item, where items are closed objects; else null. */
  entries: v.ObjectEntries | null;
  items: readonly unknown[];
}

/** The lists with a bound among the fields, none of them too long. */
function listsIn(schema: InputSchema, raw: object, action: string): List[] {
  const lists: List[] = [];
  for (const field in raw) {
    const items = (raw as Record<string, unknown>)[field];
    if (!Array.isArray(items) || !Object.hasOwn(schema.entries, field)) continue;
    const entry = schema.entries[field]!;
    const most = mostItemsOf(entry);
    if (most === null) continue;
    if (items.length > most)
      throw refusal(action, `${field} has ${items.length} items, the most is ${most}`, { field, limit: most });
    lists.push({ field, entries: listIn(entry)?.item.entries ?? null, items });
  }
  return lists;
}

function without(raw: object, lists: readonly List[]): object {
  return Object.fromEntries(Object.entries(raw).filter(([field]) => !lists.some((list) => list.field === field)));
}

/** Each item is an input of its own: one of a thousand may be as deep and as wide as the only one. */
function checkItems({ field, entries, items }: List, action: string): void {
  for (const [index, item] of items.entries()) {
    const at = `${field}[${index}]`;
    try {
      refuseUnsafe(item);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { code, message, details } = error;
      throw new Fault(code, `${at}: ${message}`, details === undefined ? {} : { details });
    }
    if (entries === null) continue;
    // To valibot a list is an object, too.
    if (Array.isArray(item)) throw refusal(action, `${at} is ${quote(item)}; send an object`, { field: at });
    if (typeof item === "object" && item !== null) refuseUnknown(entries, item, { action, at });
  }
}

/** To valibot a list is a record, too: it would be kept as {"0": …}. */
function refuseArrays(schema: InputSchema, raw: object, action: string): void {
  for (const field of Object.keys(schema.entries)) {
    const value = (raw as Record<string, unknown>)[field];
    if (!Array.isArray(value) || baseType(schema.entries[field]!) !== "record") continue;
    throw refusal(action, `${field} is ${quote(value)}; send an object`, { field });
  }
}

/** `at`: the place of the object in the input; empty for the input itself. */
function refuseUnknown(entries: v.ObjectEntries, raw: object, { action, at }: { action: string; at: string }): void {
  for (const key in raw) {
    if (Object.hasOwn(entries, key)) continue;
    const guess = nearest(key, Object.keys(entries));
    const advice = guess === null ? `send ${listFields(entries)}` : `did you mean ${guess}?`;
    const where = at === "" ? "" : `${at}: `;
    throw refusal(action, `${where}the field ${quote(key)} is unknown; ${advice}`, {
      field: `${at === "" ? "" : `${at}.`}${key.slice(0, 100)}`,
      ...(guess === null ? {} : { did_you_mean: guess }),
    });
  }
}

function refusal(action: string, words: string, details: JsonObject): Fault {
  return new Fault("invalid_input", `Cannot ${action}: ${words}`, { details });
}

/** Validates one field alone, as the corridor does before it reads a body. */
export function parseField(schema: InputSchema, field: string, raw: unknown, action: string): unknown {
  const entry = schema.entries[field];
  if (entry === undefined) throw new Error(`the operation declares no field ${field}`);
  const parsed = v.safeParse(entry, raw, { abortEarly: true });
  if (parsed.success && typeof parsed.output === "string") return parsed.output;
  // What is wrong is said in the words of the whole.
  return parseInput(v.strictObject({ [field]: entry }) as InputSchema, { [field]: raw }, action)[field];
}

/** Text from a path, query or header as the schema's type wants it; what does not fit stays text and fails validation with its value. */
export function fromText(schema: InputSchema, field: string, text: string): unknown {
  const entry = schema.entries[field];
  const type = entry === undefined ? "" : baseType(entry);
  if (type === "number" && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) && roundedIn(text) === null) return Number(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

function baseType(schema: { type: string }): string {
  const inner = (schema as { wrapped?: { type: string } }).wrapped;
  return inner === undefined ? schema.type : baseType(inner);
}

function listFields(entries: v.ObjectEntries): string {
  const names = Object.keys(entries);
  return names.length === 0 ? "no fields" : names.join(", ");
}

function nameOf(raw: unknown): string {
  if (raw === null) return "null";
  return Array.isArray(raw) ? "an array" : `a ${typeof raw}`;
}
