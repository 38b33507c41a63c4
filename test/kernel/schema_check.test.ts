/** JSON Schemas of users: what fits, in words, and which schemas are not taken since they could take for ever. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { schemaCheck } from "../../core/kernel/schema_check.ts";
import { slowPattern } from "../../core/kernel/schema_pattern.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Json } from "../../core/ports/json.ts";

const test = suite("schema_check");

const person: Json = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://example.org/person",
  title: "A person",
  type: "object",
  required: ["name"],
  properties: {
    name: { type: "string", minLength: 1, maxLength: 10 },
    age: { type: "integer", minimum: 0 },
    tags: { type: "array", items: { enum: ["a", "b"] }, uniqueItems: true, maxItems: 3 },
    address: { $ref: "#/$defs/address" },
    code: { pattern: "^[A-Z]{2}-\\d+$" },
    mail: { format: "email" },
    either: { oneOf: [{ type: "string" }, { type: "number" }] },
  },
  additionalProperties: false,
  $defs: { address: { type: "object", properties: { zip: { type: "string" } }, required: ["zip"] } },
};

test("a value that fits has no misfits", () => {
  const check = schemaCheck(person);
  for (const value of [
    { name: "Ann" },
    {
      name: "Ann",
      age: 3,
      tags: ["a", "b"],
      address: { zip: "8000" },
      code: "CH-12",
      mail: "a@example.org",
      either: 1,
    },
  ])
    assert.equal(check(value), []);
});

test("each misfit names the field's path and what is wanted there", () => {
  const check = schemaCheck(person);
  const cases: [Json, string, RegExp][] = [
    [{}, "", /required property "name"/],
    ["text", "", /Expected "object"/],
    [{ name: 5 }, "name", /Expected "string"/],
    [{ name: "" }, "name", /too short/],
    [{ name: "A", age: 1.5 }, "age", /Expected "integer"/],
    [{ name: "A", age: -1 }, "age", /less than 0/],
    [{ name: "A", tags: ["a", "x"] }, "tags.1", /does not match any of \["a","b"\]/],
    [{ name: "A", tags: ["a", "a"] }, "tags", /Duplicate/],
    [{ name: "A", address: { zip: 8000 } }, "address.zip", /Expected "string"/],
    [{ name: "A", code: "ch-1" }, "code", /pattern/],
    [{ name: "A", mail: "nobody" }, "mail", /format "email"/],
    [{ name: "A", other: 1 }, "other", /not allowed/],
    [{ name: "A", "a/b~c d": 1 }, "a/b~c d", /not allowed/],
  ];
  for (const [value, path, words] of cases) {
    const misfits = check(value);
    const found = misfits.find((misfit) => misfit.path === path);
    assert.ok(found, `${JSON.stringify(value)}: ${JSON.stringify(misfits)}`);
    assert.match(found.problem, words);
  }
  assert.is(check({ age: -1, name: 1 }).length, 2);
});

test("a check does not change the schema, and can be used again", () => {
  const before = JSON.stringify(person);
  const check = schemaCheck(person);
  check({});
  assert.is(JSON.stringify(person), before);
  assert.is(check({ name: "A" }).length, 0);
  assert.equal(schemaCheck(person)({ name: "A" }), []);
});

test("a schema that is malformed, unknown or without bound is refused with its place", () => {
  const wide = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`p${n}`, { $ref: "#/$defs/a" }]));
  const cases: [Json, RegExp][] = [
    [5, /send a JSON Schema/],
    [[], /send a JSON Schema/],
    [{ type: "text" }, /\/type .* one of null, boolean/],
    [{ properties: [] }, /\/properties .* object of schemas/],
    [{ properties: { a: 1 } }, /\/properties\/a/],
    [{ required: "name" }, /\/required .* list of names/],
    [{ requierd: ["a"] }, /did you mean required/],
    [{ minLength: -1 }, /\/minLength/],
    [{ multipleOf: 0 }, /\/multipleOf/],
    [{ anyOf: [] }, /\/anyOf .* list of schemas/],
    [{ format: "regex" }, /\/format/],
    [{ $schema: "http://json-schema.org/draft-07/schema#" }, /2020-12/],
    [{ $ref: "#" }, /\$defs/],
    [{ $ref: "https://example.org/other" }, /\$defs/],
    [{ $ref: "#/$defs/missing" }, /not there/],
    [{ $dynamicRef: "#x" }, /not taken/],
    [{ patternProperties: { "^(a+)+$": {} } }, /not taken/],
    [{ $ref: "#/$defs/a", $defs: { a: { properties: { b: { $ref: "#/$defs/a" } } } } }, /recursive/],
    [{ $defs: { a: { allOf: [{ $ref: "#/$defs/b" }] }, b: { not: { $ref: "#/$defs/a" } } } }, /recursive/],
    [{ $defs: { a: { properties: wide }, b: {} }, properties: wide }, /recursive/],
    [
      {
        $defs: {
          ...Object.fromEntries(
            Array.from({ length: 12 }, (_, n) => [
              `d${n}`,
              { allOf: [{ $ref: `#/$defs/d${n + 1}` }, { $ref: `#/$defs/d${n + 1}` }] },
            ]),
          ),
          d12: {},
        },
        $ref: "#/$defs/d0",
      },
      /more than 1000 subschemas/,
    ],
    [nested(40), /nested deeper than 32/],
    [{ description: "x".repeat(70_000) }, /bytes, the most is 65536/],
    [{ properties: { a: { pattern: "(a+)+$" } } }, /\/properties\/a\/pattern/],
  ];
  for (const [schema, words] of cases) {
    try {
      schemaCheck(schema);
      assert.unreachable(JSON.stringify(schema).slice(0, 200));
    } catch (error) {
      assert.instance(error, Fault);
      assert.is((error as Fault).code, "invalid_input");
      assert.match((error as Fault).message, words);
    }
  }
});

test("patterns are taken when no text can make them slow", () => {
  for (const pattern of [
    "^[a-z0-9-]+$",
    "^\\d{4}-\\d\\d-\\d\\d$",
    "abc",
    "^[A-Z]{2,3}-\\d{1,4}$",
    "^\\p{Lu}.*$",
    "^a\\+b*",
    "^[\\]x]+?$",
    "^$",
    "",
  ])
    assert.is(slowPattern(pattern), null, pattern);
  for (const pattern of [
    "(a+)+$",
    "^(a|a)*$",
    "a*",
    "^a*a*$",
    "^a*b+c{2,}$",
    "^(?=a)a",
    "^(a)\\1$",
    "^a{0,100}a{0,100}$",
    "^[a-z",
    "^a{1001}$",
    "x".repeat(501),
    "^a|b$",
    "\\bword",
  ])
    assert.ok(slowPattern(pattern) !== null, pattern);
});

test("a value of a mebibyte against the worst that is taken is checked in less than two seconds", () => {
  const hostile = schemaCheck({
    items: { pattern: "^[a-z]{0,7}[a-z]{0,7}[a-z]*!$", minLength: 1 },
    uniqueItems: true,
  });
  const began = performance.now();
  assert.is(hostile(["a".repeat(1_000_000)]).length, 1);
  assert.ok(hostile(Array.from({ length: 1_000 }, (_, n) => `a${n}`)).length > 0);
  assert.throws(
    () => hostile(Array.from({ length: 1_001 }, (_, n) => n)),
    (error: Fault) => error.code === "invalid_input",
  );
  const ms = performance.now() - began;
  assert.ok(ms < 2_000, `${ms} ms`);
});

function nested(depth: number): Json {
  return depth === 0 ? {} : { not: nested(depth - 1) };
}

test.run();
