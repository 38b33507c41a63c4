/** What the validator found wrong with an input, in words for people and as details for programs. */
import * as v from "valibot";
import type { JsonObject } from "../ports/json.ts";
import { type Entry, listIn, quote } from "./fields.ts";
import type { AnySchema, InputSchema } from "./operation.ts";

/** The issue as a sentence after "Cannot …: ". */
export function describeIssue(issue: v.BaseIssue<unknown>, schema: InputSchema): string {
  const field = placeOf(issue) ?? "the value";
  if (issue.kind !== "schema") return `${field} ${issue.message}`;
  if (issue.input === undefined)
    return `${field} is missing; send ${wanted(entryAt(schema, issue)?.expects ?? issue.expected)}`;
  if (!issue.message.startsWith("Invalid ")) return `${field} ${issue.message}`;
  return `${field} is ${quote(issue.input)}; send ${wanted(issue.expected)}`;
}

/** The issue for programs: the field, and the limit that was overstepped. */
export function detailsOf(issue: v.BaseIssue<unknown>, schema: InputSchema): JsonObject {
  const field = placeOf(issue);
  const limit = limitOf(issue, entryAt(schema, issue));
  return { ...(field === null ? {} : { field }), ...(limit === null ? {} : { limit }) };
}

/** Where the value stands in the input: `ttl_seconds`, `messages[17].ttl_seconds`. */
function placeOf({ path }: v.BaseIssue<unknown>): string | null {
  if (path === undefined) return null;
  const steps = path.map(({ key, type }) => (type === "array" ? `[${String(key)}]` : `.${String(key)}`));
  return steps.join("").replace(/^\./, "");
}

/** The declaration of that value, as far as it is a field of the input or of an item in it. */
function entryAt(schema: InputSchema, { path }: v.BaseIssue<unknown>): Entry | undefined {
  const [field, item, inner] = path ?? [];
  const entry = schema.entries[String(field?.key)];
  if (item === undefined || entry === undefined) return entry;
  return inner === undefined ? undefined : listIn(entry)?.item.entries[String(inner.key)];
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

/** The number that was overstepped: the rule's own, or the length that the field's schema states for a text. */
function limitOf(issue: v.BaseIssue<unknown>, entry: unknown): number | null {
  if (issue.kind === "validation" && typeof issue.requirement === "number") return issue.requirement;
  if (issue.type !== "check" || typeof issue.input !== "string" || entry === undefined) return null;
  const inner = (entry as { wrapped?: AnySchema }).wrapped ?? (entry as AnySchema);
  const { maxLength } = v.getMetadata(inner) as { maxLength?: number };
  return maxLength !== undefined && issue.input.length > maxLength ? maxLength : null;
}
