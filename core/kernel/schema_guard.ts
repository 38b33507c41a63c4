/**
 * Which JSON Schemas of users are taken: those whose every keyword is known and well-formed, of bounded size, without recursion (of which a few lines can
 * ask for more work than there is time), and with patterns that no text can make slow. The words of a refusal name the place.
 */
import { Fault } from "../ports/fault.ts";
import type { Json, JsonObject } from "../ports/json.ts";
import { quote } from "./fields.ts";
import { nearest } from "./nearest.ts";
import { slowPattern } from "./schema_pattern.ts";

/** The most bytes of a schema as JSON. */
export const SCHEMA_MAX_BYTES = 65_536;
/** The most subschemas, each $ref counted with all that it stands for. */
const WEIGHT_MOST = 1_000;
const DEPTH_MOST = 32;

const FORMATS: readonly string[] = [
  ...["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"],
  ...["uri", "uri-reference", "uri-template", "json-pointer", "relative-json-pointer"],
];
const TYPES: readonly string[] = ["null", "boolean", "object", "array", "number", "string", "integer"];
const REFERENCE = /^#\/\$defs\/([A-Za-z0-9_.-]{1,100})$/;
const DRAFT = "https://json-schema.org/draft/2020-12/schema";

type Kind =
  | "schema"
  | "schemas"
  | "map"
  | "count"
  | "number"
  | "positive"
  | "flag"
  | "names"
  | "nameMap"
  | "type"
  | "list"
  | "any"
  | "pattern"
  | "format"
  | "ref"
  | "draft";

const KEYWORDS: { readonly [keyword: string]: Kind } = {
  ...kinds("schema", "not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames"),
  ...kinds("schema", "unevaluatedItems", "unevaluatedProperties"),
  ...kinds("schemas", "allOf", "anyOf", "oneOf", "prefixItems"),
  ...kinds("map", "properties", "dependentSchemas", "$defs"),
  ...kinds("count", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
  ...kinds("count", "minContains", "maxContains"),
  ...kinds("number", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
  multipleOf: "positive",
  ...kinds("flag", "uniqueItems"),
  ...kinds("any", "const", "default", "examples", "title", "description", "$comment", "readOnly", "writeOnly"),
  ...kinds("any", "deprecated", "contentMediaType", "contentEncoding", "$id"),
  required: "names",
  dependentRequired: "nameMap",
  type: "type",
  enum: "list",
  pattern: "pattern",
  format: "format",
  $ref: "ref",
  $schema: "draft",
};

function kinds(kind: Kind, ...keywords: string[]): { [keyword: string]: Kind } {
  return Object.fromEntries(keywords.map((keyword) => [keyword, kind]));
}

/** Throws `invalid_input` unless the schema is taken; says what it makes use of. */
export function guardSchema(schema: Json): { uniqueItems: boolean } {
  if (!isObject(schema)) throw refusal("", `is ${quote(schema)}; send a JSON Schema, an object`);
  const size = new TextEncoder().encode(JSON.stringify(schema)).length;
  if (size > SCHEMA_MAX_BYTES) throw refusal("", `has ${size} bytes, the most is ${SCHEMA_MAX_BYTES}`);
  const seen = { uniqueItems: false };
  check(schema, { at: "", depth: 0, seen });
  weigh(schema, { root: schema, under: [], known: new Map() });
  return seen;
}

interface Place {
  at: string;
  depth: number;
  seen: { uniqueItems: boolean };
}

function check(schema: Json, place: Place): void {
  const { at, depth, seen } = place;
  if (typeof schema === "boolean") return;
  if (!isObject(schema)) throw refusal(at, `is ${quote(schema)}; send a schema, an object or true or false`);
  if (depth > DEPTH_MOST) throw refusal(at, `is nested deeper than ${DEPTH_MOST} schemas`);
  for (const [keyword, value] of Object.entries(schema)) {
    const kind = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword]! : keyword.startsWith("x-") ? "any" : null;
    if (kind === null) throw refusal(at, unknownKeyword(keyword));
    if (keyword === "uniqueItems" && value === true) seen.uniqueItems = true;
    if (keyword === "$id" && depth > 0) throw refusal(at, "has an $id; only the schema itself may");
    checkKeyword(kind, value, { ...place, at: `${at}/${keyword}` });
  }
}

function unknownKeyword(keyword: string): string {
  if (/^(\$dynamicRef|\$recursiveRef|\$anchor|\$dynamicAnchor|patternProperties)$/.test(keyword))
    return `has ${keyword}, which is not taken here`;
  const guess = nearest(keyword, Object.keys(KEYWORDS));
  return `has ${quote(keyword)}, which is no keyword of draft 2020-12${guess === null ? "" : `; did you mean ${guess}?`}`;
}

/** What the value of a keyword must be that holds no schema, and in words. */
const RULES: { readonly [kind in Kind]?: readonly [holds: (value: Json) => boolean, words: string] } = {
  count: [(value) => Number.isSafeInteger(value) && (value as number) >= 0, "a whole number, 0 or more"],
  number: [(value) => typeof value === "number", "a number"],
  positive: [(value) => typeof value === "number" && value > 0, "a number above 0"],
  flag: [(value) => typeof value === "boolean", "true or false"],
  names: [isNames, "a list of names"],
  nameMap: [(value) => isObject(value) && Object.values(value).every(isNames), "an object of lists of names"],
  type: [
    (value) => [value].flat().length > 0 && [value].flat().every((type) => TYPES.includes(type as string)),
    `one of ${TYPES.join(", ")}`,
  ],
  list: [(value) => Array.isArray(value), "a list of values"],
  pattern: [(value) => typeof value === "string", "a regular expression as text"],
  format: [(value) => FORMATS.includes(value as string), `one of ${FORMATS.join(", ")}`],
  ref: [
    (value) => typeof value === "string" && REFERENCE.test(value),
    "a reference to one of its $defs, for example #/$defs/name",
  ],
  draft: [(value) => value === DRAFT || value === `${DRAFT}#`, `${DRAFT}, or leave it out`],
  schemas: [(value) => Array.isArray(value) && value.length > 0, "a list of schemas"],
  map: [(value) => isObject(value), "an object of schemas"],
};

function checkKeyword(kind: Kind, value: Json, place: Place): void {
  const { at, depth } = place;
  const [holds, words] = RULES[kind] ?? [];
  if (holds?.(value) === false) throw refusal(at, `is ${quote(value)}; send ${words}`);
  if (kind === "schema") check(value, { ...place, depth: depth + 1 });
  if (kind === "schemas" || kind === "map")
    for (const [name, schema] of Object.entries(value as JsonObject))
      check(schema, { ...place, at: `${at}/${name}`, depth: depth + 1 });
  const slow = kind === "pattern" ? slowPattern(value as string) : null;
  if (slow !== null) throw refusal(at, `is ${quote(value)}; send ${slow}`);
}

interface Weighing {
  root: JsonObject;
  /** The references that are being followed. */
  under: readonly string[];
  known: Map<string, number>;
}

/** How many subschemas there are when each reference counts as what it refers to. */
function weigh(schema: Json, weighing: Weighing): number {
  if (!isObject(schema)) return 1;
  let weight = 1;
  for (const [keyword, value] of Object.entries(schema)) {
    const kind = KEYWORDS[keyword];
    if (kind === "schema") weight += weigh(value, weighing);
    // What stands under $defs counts where it is referred to; unused, it may still not be recursive.
    else if (kind === "map" && keyword !== "$defs")
      for (const inner of Object.values(value as JsonObject)) weight += weigh(inner, weighing);
    else if (kind === "map") for (const inner of Object.values(value as JsonObject)) weigh(inner, weighing);
    else if (kind === "schemas") for (const inner of value as Json[]) weight += weigh(inner, weighing);
    else if (kind === "ref") weight += weighReference(value as string, weighing);
    if (weight > WEIGHT_MOST)
      throw refusal("", `has more than ${WEIGHT_MOST} subschemas, its references counted as what they stand for`);
  }
  return weight;
}

function weighReference(reference: string, { root, under, known }: Weighing): number {
  const found = known.get(reference);
  if (found !== undefined) return found;
  if (under.includes(reference))
    throw refusal("", `refers to itself by ${quote(reference)}; recursive schemas are not taken`);
  const name = REFERENCE.exec(reference)![1]!;
  const defs = root.$defs as JsonObject | undefined;
  if (defs === undefined || !Object.hasOwn(defs, name))
    throw refusal("", `refers to ${quote(reference)}, which is not there`);
  const target = defs[name]!;
  const weight = weigh(target, { root, under: [...under, reference], known });
  known.set(reference, weight);
  return weight;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNames(value: Json): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function refusal(at: string, words: string): Fault {
  const where = at === "" ? "schema" : `schema ${quote(at).slice(1, -1)}`;
  return new Fault("invalid_input", `Cannot take the schema: ${where} ${words}`, {
    details: { field: "schema", at: at.slice(0, 200) },
  });
}
