import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { listOf } from "../../core/kernel/fields.ts";
import { formsOf, inForms, strayFields } from "../../core/kernel/forms.ts";
import { parseField, parseInput } from "../../core/kernel/input.ts";
import { jsonSchema } from "../../core/kernel/json_schema.ts";
import type { Fault } from "../../core/ports/fault.ts";

const test = suite("kernel/forms");

const schema = inForms(
  {
    box: v.string(),
    thing: v.optional(v.nullable(v.number())),
    size: v.optional(v.number()),
    colour: v.optional(v.string()),
    things: v.optional(listOf(v.strictObject({ thing: v.number(), size: v.optional(v.number()) }), 3, "Things")),
    key: v.optional(v.string()),
  },
  {
    thing: { is: "a number", beside: ["size", "colour"] },
    things: { is: "a list of up to 3", beside: ["colour"] },
  },
);

function refused(raw: object, words: string, field: string): void {
  let fault: Fault | null = null;
  try {
    parseInput(schema, { box: "b", ...raw }, "put");
  } catch (error) {
    fault = error as Fault;
  }
  assert.equal([fault?.code, fault?.message, fault?.details], ["invalid_input", `Cannot put: ${words}`, { field }]);
}

test("an input in one of its forms is taken, with what may stand beside it", () => {
  const inputs = [
    { box: "b", thing: 1 },
    { box: "b", thing: null, key: "k" },
    { box: "b", thing: 0, size: 2, colour: "red" },
    { box: "b", things: [{ thing: 1, size: 2 }], colour: "red", key: "k" },
  ];
  for (const input of inputs) assert.equal(parseInput(schema, input, "put"), input);
});

test("an input of no form is told what there is", () => {
  const words = "thing is missing; send thing (a number) or things (a list of up to 3)";
  refused({}, words, "thing");
  refused({ size: 1, key: "k" }, words, "thing");
});

test("an input of two forms is refused, as is a field of another form", () => {
  refused({ thing: 1, things: [{ thing: 1 }] }, "things stands beside thing; send one of the two", "things");
  refused({ things: [{ thing: 1 }], size: 1 }, "size stands beside things; put size into each item", "size");
});

test("what is wrong inside a form is said before what is wrong between them", () => {
  refused({ thing: "1", things: [] }, 'thing is "1"; send a number', "thing");
});

test("one field of it is validated alone", () => {
  assert.is(parseField(schema, "box", "b", "put"), "b");
});

test("its forms can be read, and which fields are strangers to one", () => {
  const forms = formsOf(schema)!;
  assert.equal(Object.keys(forms), ["thing", "things"]);
  assert.equal(strayFields(forms, "thing"), ["things"]);
  assert.equal(strayFields(forms, "things"), ["thing", "size"]);
  assert.is(formsOf(v.strictObject({ box: v.string() })), null);
});

test("its JSON Schema asks for exactly one of the forms", () => {
  const { oneOf, forms, required, properties } = jsonSchema(schema, "input");
  assert.equal(oneOf, [{ required: ["thing"] }, { required: ["things"] }]);
  assert.equal([forms, required], [undefined, ["box"]]);
  const { things } = properties as { things: object };
  assert.equal(things, {
    type: "array",
    items: {
      type: "object",
      properties: { thing: { type: "number" }, size: { type: "number" } },
      required: ["thing"],
      additionalProperties: false,
    },
    minItems: 1,
    maxItems: 3,
    description: "Things",
  });
});

test.run();
