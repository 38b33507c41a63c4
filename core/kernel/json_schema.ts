/**
 * JSON Schema (2020-12) of the declared schemas: the one door to the converter. Made once per schema and side. What a schema checks in
 * code (`check`, patterns with flags) has no portable form and is left to the words of the description.
 */
import { type ConversionConfig, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import type { JsonObject } from "../ports/json.ts";
import type { AnySchema } from "./operation.ts";

type Side = "input" | "output";
type OverrideAction = NonNullable<ConversionConfig["overrideAction"]>;
type OverrideSchema = NonNullable<ConversionConfig["overrideSchema"]>;
type Converted = ReturnType<typeof toJsonSchema>;

const converted: Readonly<WeakMap<AnySchema, { input?: JsonObject; output?: JsonObject }>> = new WeakMap();

/**
 * The schema as callers must send it (`input`) or will get it (`output`). Answers are sent as handlers return them, before any
 * transformation, so both sides show what a schema takes; defaults are filled in for what callers send only.
 */
export function jsonSchema(schema: AnySchema, side: Side): JsonObject {
  const known = converted.get(schema) ?? {};
  converted.set(schema, known);
  known[side] ??= convert(schema, side);
  return known[side];
}

function convert(schema: AnySchema, side: Side): JsonObject {
  const result = toJsonSchema(schema as Parameters<typeof toJsonSchema>[0], {
    typeMode: "input",
    target: "draft-2020-12",
    errorMode: "ignore",
    ignoreActions: ["check"],
    overrideAction,
    overrideSchema: (found) => overrideSchema(found, side),
  });
  const { $schema: _, forms, ...rest } = result as JsonObject;
  return forms === undefined
    ? rest
    : { ...rest, oneOf: Object.keys(forms as JsonObject).map((lead) => ({ required: [lead] })) };
}

/** Patterns with flags, such as `\p{…}` with `u`, are refused by many a validator; a second pattern stands beside the first. */
function overrideAction({
  valibotAction,
  jsonSchema: made,
}: Parameters<OverrideAction>[0]): ReturnType<OverrideAction> {
  if (valibotAction.type !== "regex") return undefined;
  const { source, flags } = (valibotAction as v.RegexAction<string, undefined>).requirement;
  if (flags !== "") {
    if (made.pattern !== source) return made;
    const { pattern: _, ...rest } = made;
    return rest;
  }
  if (made.pattern === undefined || made.pattern === source) return { ...made, pattern: source };
  return { ...made, allOf: [...(made.allOf ?? []), { pattern: source }] };
}

function overrideSchema({ valibotSchema, jsonSchema: made }: Parameters<OverrideSchema>[0], side: Side): Converted {
  const schema = valibotSchema as unknown as AnySchema & { entries?: v.ObjectEntries; item?: AnySchema };
  const result = { ...made };
  if (side === "output") delete result.default;
  if (schema.type === "literal" && result.const !== null) result.type = typeof result.const as "string";
  if (schema.type === "record" && JSON.stringify(result.propertyNames) === '{"type":"string"}')
    delete result.propertyNames;
  if (schema.type === "nullable" || schema.type === "nullish") hoistDescription(result);
  if (schema.type === "array" && schema.item !== undefined && typeof result.items === "object")
    result.items = { ...aboutAll(schema.item), ...(result.items as JsonObject) };
  for (const [name, entry] of Object.entries(schema.entries ?? {})) {
    const property = result.properties?.[name];
    if (typeof property === "object") Object.assign(property, { ...aboutAll(entry), ...property });
  }
  return result;
}

/** What a value is for belongs to the value, not to its alternative to null. */
function hoistDescription(made: Converted): void {
  const [inner] = made.anyOf ?? [];
  if (typeof inner !== "object" || inner.description === undefined) return;
  made.description ??= inner.description;
  delete inner.description;
}

/** Description and metadata wherever they stand in a pipe: the converter stops at the first transformation. */
function aboutAll(entry: v.GenericSchema | v.ObjectEntries[string]): JsonObject {
  const { wrapped } = entry as { wrapped?: v.GenericSchema };
  if (wrapped !== undefined) return aboutAll(wrapped);
  const description = v.getDescription(entry as v.GenericSchema);
  return {
    ...(v.getMetadata(entry as v.GenericSchema) as JsonObject),
    ...(description === undefined ? {} : { description }),
  };
}
