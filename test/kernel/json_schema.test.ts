import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { instant, line, text, uuid, whole } from "../../core/kernel/fields.ts";
import { jsonSchema } from "../../core/kernel/json_schema.ts";
import type { AnySchema } from "../../core/kernel/operation.ts";

const test = suite("kernel/json_schema");

const input = (schema: AnySchema) => jsonSchema(schema, "input");
const property = (entry: AnySchema, side: "input" | "output" = "input") =>
  (jsonSchema(v.object({ field: entry }), side).properties as { field: unknown }).field;

test("jsonSchema() of a strict object allows no other fields", () => {
  assert.equal(input(v.strictObject({ name: v.string(), note: v.optional(v.string()) })), {
    type: "object",
    properties: { name: { type: "string" }, note: { type: "string" } },
    required: ["name"],
    additionalProperties: false,
  });
  assert.is(input(v.object({})).additionalProperties, undefined);
});

test("jsonSchema() tells an id by its pattern", () => {
  assert.equal(input(uuid("the channel's id")), {
    type: "string",
    pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    description: "the channel's id, a lower-case UUID",
  });
});

test("jsonSchema() leaves out patterns with flags and checks in code, and keeps what stands around them", () => {
  assert.equal(input(line(200, "A name")), { type: "string", maxLength: 200, description: "A name" });
  assert.equal(input(text(10, "A text")), { type: "string", maxLength: 10, description: "A text" });
});

test("jsonSchema() keeps a first pattern beside one with flags", () => {
  assert.equal(input(v.pipe(v.string(), v.regex(/^a/), v.regex(/b/u), v.regex(/c$/))), {
    type: "string",
    pattern: "^a",
    allOf: [{ pattern: "c$" }],
  });
});

test("jsonSchema() gives the limits of whole numbers", () => {
  assert.equal(input(whole(1, 172_800, "Seconds")), {
    type: "integer",
    minimum: 1,
    maximum: 172_800,
    description: "Seconds",
  });
});

test("jsonSchema() carries metadata, such as the format of an instant", () => {
  assert.equal(input(instant("When it ends")), { type: "string", format: "date-time", description: "When it ends" });
});

test("jsonSchema() shows what a transforming field takes, with the words that follow the transformation", () => {
  const trimmed = v.pipe(
    v.string(),
    v.maxLength(5),
    v.transform((given) => given.length),
    v.maxValue(3),
    v.metadata({ format: "x-short" }),
    v.description("Short"),
  );
  const wanted = { type: "string", maxLength: 5, format: "x-short", description: "Short" };
  assert.equal(property(trimmed), wanted);
  assert.equal(property(v.optional(trimmed)), wanted);
});

test("jsonSchema() states defaults where callers send and not where they receive", () => {
  const limit = v.optional(whole(1, 10, "The most"), 5);
  assert.equal(property(limit), { type: "integer", minimum: 1, maximum: 10, description: "The most", default: 5 });
  assert.equal(property(limit, "output"), { type: "integer", minimum: 1, maximum: 10, description: "The most" });
  assert.equal(jsonSchema(v.object({ limit }), "input").required, []);
});

test("jsonSchema() describes a value that may be null as a whole", () => {
  const wanted = { anyOf: [{ type: "string" }, { type: "null" }], description: "A note" };
  assert.equal(property(v.nullable(v.pipe(v.string(), v.description("A note")))), wanted);
  assert.equal(property(v.pipe(v.nullable(v.string()), v.description("A note"))), wanted);
});

test("jsonSchema() types literals and choices", () => {
  assert.equal(input(v.literal("ok")), { type: "string", const: "ok" });
  assert.equal(input(v.picklist(["public", "private"])), { type: "string", enum: ["public", "private"] });
});

test("jsonSchema() of any value sets no limits", () => {
  assert.equal(
    input(
      v.pipe(
        v.custom<string>(() => true),
        v.description("Any JSON"),
      ),
    ),
    { description: "Any JSON" },
  );
  assert.equal(input(v.unknown()), {});
  assert.equal(input(v.record(v.string(), v.unknown())), { type: "object", additionalProperties: {} });
});

test("jsonSchema() reaches into lists", () => {
  assert.equal(input(v.array(v.object({ id: uuid("an id") }))).items, {
    type: "object",
    properties: { id: input(uuid("an id")) },
    required: ["id"],
  });
});

test("jsonSchema() is made once per schema and side", () => {
  const schema = v.object({ limit: v.optional(v.number(), 1) });
  assert.is(jsonSchema(schema, "input"), jsonSchema(schema, "input"));
  assert.is.not(jsonSchema(schema, "input"), jsonSchema(schema, "output"));
});

test.run();
