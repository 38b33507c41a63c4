/** JSON Schema in words, as far as declarations use it: the type of a value, its limits, and the leaves of an object. */
import { UUID_PATTERN } from "../../kernel/fields.ts";
import type { JsonObject } from "../../ports/json.ts";

const PATTERN_MOST = 60;

/** The type, for example `integer`, `"public" or "private"`, `list of objects`. */
export function typeOf(schema: JsonObject): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  const choices = (schema.anyOf ?? schema.oneOf) as JsonObject[] | undefined;
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(" or ");
  if (schema.type === "array") return `list of ${plural(typeOf((schema.items ?? {}) as JsonObject))}`;
  if (schema.pattern === UUID_PATTERN.source) return "UUID";
  if (schema.format === "date-time") return "time (RFC 3339)";
  return typeof schema.type === "string" ? schema.type : "any JSON value";
}

/** What the value must keep to, beyond its type; empty when there is nothing. */
export function limitsOf(schema: JsonObject): string {
  const found = [
    between(schema.minimum, schema.maximum, ""),
    between(schema.minLength, schema.maxLength, " characters"),
    between(schema.minItems, schema.maxItems, " items"),
    matching(schema.pattern),
    schema.default === undefined ? "" : `default ${JSON.stringify(schema.default)}`,
  ];
  return found.filter((words) => words !== "").join("; ");
}

/** A pattern, unless the type says it already, or it is too long to be read: then the description says it in words. */
function matching(pattern: unknown): string {
  if (typeof pattern !== "string" || pattern === UUID_PATTERN.source || pattern.length > PATTERN_MOST) return "";
  return `matches \`${pattern}\``;
}

/** A value inside an answer, by its path: `messages[].id`. */
export interface Leaf {
  path: string;
  /** False where the value may be left out. */
  always: boolean;
  schema: JsonObject;
}

/** All values of an object schema, what is inside objects and lists after what holds them. */
export function leavesOf(schema: JsonObject, prefix = ""): Leaf[] {
  // What only some of the alternatives have is not always there.
  if (Array.isArray(schema.anyOf))
    return (schema.anyOf as JsonObject[]).flatMap((one) =>
      leavesOf(one, prefix).map((leaf) => ({ ...leaf, always: false })),
    );
  const properties = (schema.properties ?? {}) as { [name: string]: JsonObject };
  const required = (schema.required ?? []) as string[];
  return Object.entries(properties).flatMap(([name, inner]) => {
    const path = `${prefix}${name}`;
    const items = inner.type === "array" ? ((inner.items ?? {}) as JsonObject) : null;
    return [
      { path, always: required.includes(name), schema: inner },
      ...(items === null ? leavesOf(inner, `${path}.`) : leavesOf(items, `${path}[].`)),
    ];
  });
}

function between(least: unknown, most: unknown, unit: string): string {
  if (least !== undefined && most !== undefined) return `${least} to ${most}${unit}`;
  if (most !== undefined) return `at most ${most}${unit}`;
  return least === undefined ? "" : `at least ${least}${unit}`;
}

function plural(type: string): string {
  return /^[a-z]+$/.test(type) ? `${type}s` : type;
}
