/** From raw values to an operation's input: unknown fields are named, text from paths and queries becomes numbers where the schema says so. */
import * as v from "valibot";
import { Fault } from "../ports/fault.ts";
import type { JsonObject } from "../ports/json.ts";
import { quote } from "./fields.ts";
import { refuseUnsafe } from "./json_text.ts";
import { nearest } from "./nearest.ts";
import type { AnySchema, InputSchema } from "./operation.ts";

/** Validates `raw` as `action`'s input; throws `invalid_input` naming field, value and limit. */
export function parseInput<S extends InputSchema>(schema: S, raw: unknown, action: string): v.InferOutput<S> {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new Fault(
      "invalid_input",
      `Cannot ${action}: the body is ${nameOf(raw)}; send a JSON object with ${listFields(schema)}`,
    );
  }
  refuseUnsafe(raw);
  for (const key of Object.keys(raw)) {
    if (Object.hasOwn(schema.entries, key)) continue;
    const guess = nearest(key, Object.keys(schema.entries));
    const advice = guess === null ? `send ${listFields(schema)}` : `did you mean ${guess}?`;
    throw new Fault("invalid_input", `Cannot ${action}: the field ${quote(key)} is unknown; ${advice}`, {
      details: { field: key.slice(0, 100), ...(guess === null ? {} : { did_you_mean: guess }) },
    });
  }
  for (const [field, entry] of Object.entries(schema.entries)) {
    const value = (raw as Record<string, unknown>)[field];
    // To valibot a list is a record, too: it would be kept as {"0": …}.
    if (!Array.isArray(value) || baseType(entry) !== "record") continue;
    throw new Fault("invalid_input", `Cannot ${action}: ${field} is ${quote(value)}; send an object`, {
      details: { field },
    });
  }
  const parsed = v.safeParse(schema, raw, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw new Fault("invalid_input", `Cannot ${action}: ${describe(issue, schema)}`, { details: details(issue, schema) });
}

/** Validates one field alone, as the corridor does before it reads a body. */
export function parseField(schema: InputSchema, field: string, raw: unknown, action: string): unknown {
  const entry = schema.entries[field];
  if (entry === undefined) throw new Error(`the operation declares no field ${field}`);
  return parseInput(v.strictObject({ [field]: entry }) as InputSchema, { [field]: raw }, action)[field];
}

/** Text from a path, query or header as the schema's type wants it; what does not fit stays text and fails validation with its value. */
export function fromText(schema: InputSchema, field: string, text: string): unknown {
  const entry = schema.entries[field];
  const type = entry === undefined ? "" : baseType(entry);
  if (type === "number" && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return Number(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

function baseType(schema: { type: string }): string {
  const inner = (schema as { wrapped?: { type: string } }).wrapped;
  return inner === undefined ? schema.type : baseType(inner);
}

function describe(issue: v.BaseIssue<unknown>, schema: InputSchema): string {
  const field = v.getDotPath(issue) ?? "the value";
  if (issue.kind !== "schema") return `${field} ${issue.message}`;
  if (issue.input === undefined)
    return `${field} is missing; send ${wanted(schema.entries[field]?.expects ?? issue.expected)}`;
  if (!issue.message.startsWith("Invalid ")) return `${field} ${issue.message}`;
  return `${field} is ${quote(issue.input)}; send ${wanted(issue.expected)}`;
}

/** An expectation of valibot, for example `(string | undefined)`, in words. */
function wanted(expected: string | null): string {
  const words: Record<string, string> = {
    string: "a string",
    number: "a number",
    boolean: "true or false",
    Object: "an object",
    Array: "an array",
    unknown: "a value",
  };
  const parts = (expected ?? "another value").replace(/^\((.*)\)$/, "$1").split(" | ");
  const named = parts.filter((part) => part !== "undefined").map((part) => words[part] ?? part);
  return named.join(" or ");
}

function details(issue: v.BaseIssue<unknown>, schema: InputSchema): JsonObject {
  const field = v.getDotPath(issue);
  const limit = limitOf(issue, schema.entries[field ?? ""]);
  return { ...(field === null ? {} : { field }), ...(limit === null ? {} : { limit }) };
}

/** The number that was overstepped: the rule's own, or the length that the field's schema states for a text. */
function limitOf(issue: v.BaseIssue<unknown>, entry: unknown): number | null {
  if (issue.kind === "validation" && typeof issue.requirement === "number") return issue.requirement;
  if (issue.type !== "check" || typeof issue.input !== "string" || entry === undefined) return null;
  const inner = (entry as { wrapped?: AnySchema }).wrapped ?? (entry as AnySchema);
  const { maxLength } = v.getMetadata(inner) as { maxLength?: number };
  return maxLength !== undefined && issue.input.length > maxLength ? maxLength : null;
}

function listFields(schema: InputSchema): string {
  const names = Object.keys(schema.entries);
  return names.length === 0 ? "no fields" : names.join(", ");
}

function nameOf(raw: unknown): string {
  if (raw === null) return "null";
  return Array.isArray(raw) ? "an array" : `a ${typeof raw}`;
}
