import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { instant, line, listOf, quote, text, uuid, whole } from "../../core/kernel/fields.ts";
import { fromText, parseField, parseInput } from "../../core/kernel/input.ts";
import type { InputSchema } from "../../core/kernel/operation.ts";
import { Fault } from "../../core/ports/fault.ts";

const test = suite("kernel/input");

const ID = "0190163d-8694-739b-aea5-966c26f8ad91";

const schema = v.strictObject({
  channel_id: uuid("the channel's id"),
  name: v.optional(line(20, "A name")),
  about: v.optional(text(30, "A text")),
  visibility: v.optional(v.picklist(["public", "private"])),
  ttl_seconds: v.optional(whole(1, 172_800, "Seconds", "48 h")),
  limit: v.optional(whole(1, 10, "The most"), 5),
  until: v.optional(instant("The end")),
  loud: v.optional(v.boolean()),
  metadata: v.optional(v.record(v.string(), v.unknown())),
}) as InputSchema;

const parse = (raw: unknown) => parseInput(schema, raw, "publish");

function refusal(raw: unknown, words: string): Fault {
  let taken: unknown;
  try {
    taken = parse(raw);
  } catch (error) {
    assert.instance(error, Fault);
    const fault = error as Fault;
    assert.is(fault.code, "invalid_input");
    assert.ok(fault.message.startsWith("Cannot publish: "), fault.message);
    assert.is(fault.message.slice("Cannot publish: ".length), words);
    return fault;
  }
  throw new Error(`it was taken: ${JSON.stringify(taken)}`);
}

test("parseInput() gives the input with its defaults", () => {
  assert.equal(parse({ channel_id: ID }), { channel_id: ID, limit: 5 });
  assert.equal(parse({ channel_id: ID, limit: 10, loud: false }), { channel_id: ID, limit: 10, loud: false });
});

test("parseInput() names an unknown field and the one that was meant", () => {
  const fault = refusal(
    { channel_id: ID, ttl_second: 1 },
    'the field "ttl_second" is unknown; did you mean ttl_seconds?',
  );
  assert.equal(fault.details, { field: "ttl_second", did_you_mean: "ttl_seconds" });
});

test("parseInput() lists the fields when none is near", () => {
  const fields = "channel_id, name, about, visibility, ttl_seconds, limit, until, loud, metadata";
  const fault = refusal({ channel_id: ID, colour: "red" }, `the field "colour" is unknown; send ${fields}`);
  assert.equal(fault.details, { field: "colour" });
  refusal({ channel_id: ID, toString: 1 }, `the field "toString" is unknown; send ${fields}`);
});

test("parseInput() cuts an endless unknown name", () => {
  const fault = ((): Fault => {
    try {
      parse({ ["x".repeat(50_000)]: 1 });
    } catch (error) {
      return error as Fault;
    }
    throw new Error("it was taken");
  })();
  assert.ok(fault.message.length < 300);
  assert.is(String(fault.details?.field).length, 100);
});

test("parseInput() says what to send for a missing field", () => {
  assert.equal(refusal({}, "channel_id is missing; send a string").details, { field: "channel_id" });
  const strict = v.strictObject({
    n: v.number(),
    b: v.boolean(),
    o: v.record(v.string(), v.unknown()),
    c: v.picklist(["a", "b"]),
  }) as InputSchema;
  const whole = { n: 1, b: true, o: {}, c: "a" };
  const wants = { n: "a number", b: "true or false", o: "an object", c: '"a" or "b"' };
  for (const [field, want] of Object.entries(wants)) {
    const { [field as "n"]: _, ...rest } = whole;
    assert.throws(
      () => parseInput(strict, rest, "try"),
      (error: Fault) => error.message === `Cannot try: ${field} is missing; send ${want}`,
    );
  }
});

test("parseInput() says value and wanted type for a wrong type", () => {
  refusal({ channel_id: 7 }, "channel_id is 7; send a string");
  refusal({ channel_id: null }, "channel_id is null; send a string");
  refusal({ channel_id: ID, ttl_seconds: "60" }, 'ttl_seconds is "60"; send a number');
  refusal({ channel_id: ID, loud: 1 }, "loud is 1; send true or false");
  refusal({ channel_id: ID, metadata: [] }, "metadata is []; send an object");
  refusal({ channel_id: ID, visibility: "secret" }, 'visibility is "secret"; send "public" or "private"');
});

test("parseInput() says value and limit for what is out of range", () => {
  assert.equal(
    refusal({ channel_id: ID, ttl_seconds: 200_000 }, "ttl_seconds is 200000, the most is 172800 (48 h)").details,
    {
      field: "ttl_seconds",
      limit: 172_800,
    },
  );
  assert.equal(refusal({ channel_id: ID, ttl_seconds: 0 }, "ttl_seconds is 0, the least is 1").details, {
    field: "ttl_seconds",
    limit: 1,
  });
  refusal({ channel_id: ID, limit: 11 }, "limit is 11, the most is 10");
  refusal({ channel_id: ID, ttl_seconds: 1.5 }, "ttl_seconds is 1.5; send a whole number");
  assert.equal(refusal({ channel_id: ID, name: "x".repeat(21) }, "name has 21 characters, the most is 20").details, {
    field: "name",
    limit: 20,
  });
  refusal({ channel_id: ID, about: "x".repeat(31) }, "about has 31 characters, the most is 30");
});

test("parseInput() takes ids in one spelling only", () => {
  refusal(
    { channel_id: "nonsense" },
    'channel_id is "nonsense", which is not an id; send the channel\'s id as a lower-case UUID',
  );
  for (const id of [ID.toUpperCase(), `{${ID}}`, ID.replaceAll("-", ""), `${ID}\n`, ""]) {
    assert.throws(() => parse({ channel_id: id }), /which is not an id/);
  }
});

test("parseInput() takes one visible line for a name", () => {
  refusal({ channel_id: ID, name: " " }, "name is empty; send at least one visible character");
  for (const wrong of ["a\nb", "a\tb", "a\u007fb", "a\u0085b"]) {
    refusal({ channel_id: ID, name: wrong }, "name contains control characters; send one line of text");
  }
  assert.is(parse({ channel_id: ID, name: "Grüße 😀" }).name, "Grüße 😀");
});

test("parseInput() takes times of RFC 3339 that exist", () => {
  const good = [
    "2030-01-31T12:00:00Z",
    "2030-01-31t12:00:00.123456z",
    "2030-01-31T12:00:00+02:00",
    "2028-02-29T00:00:00-00:00",
  ];
  for (const until of good) assert.is(parse({ channel_id: ID, until }).until, until);
  const wrong = [
    "2030-01-31",
    "2030-01-31 12:00:00Z",
    "2030-01-31T12:00:00",
    "2030-02-30T00:00:00Z",
    "2030-13-01T00:00:00Z",
    "2030-01-31T25:00:00Z",
    "tomorrow",
    "1900000000",
  ];
  for (const until of wrong)
    refusal(
      { channel_id: ID, until },
      `until is "${until}"; send a time of RFC 3339, for example 2030-01-31T12:00:00Z`,
    );
});

test("parseInput() cuts long values in messages", () => {
  const long = "x".repeat(100_000);
  assert.throws(
    () => parse({ channel_id: long }),
    (error: Fault) => error.message.length < 200,
  );
  assert.ok(quote(long).length <= 61);
  assert.is(quote(undefined), "undefined");
});

test("parseInput() wants an object", () => {
  const fields = "channel_id, name, about, visibility, ttl_seconds, limit, until, loud, metadata";
  refusal(null, `the body is null; send a JSON object with ${fields}`);
  refusal([], `the body is an array; send a JSON object with ${fields}`);
  refusal("text", `the body is a string; send a JSON object with ${fields}`);
  refusal(7, `the body is a number; send a JSON object with ${fields}`);
});

test("parseInput() refuses what a store would not carry, anywhere in the input", () => {
  assert.throws(
    () => parse({ channel_id: ID, metadata: { a: "\u0000" } }),
    /metadata\.a contains the character U\+0000/,
  );
  assert.throws(
    () => parse(JSON.parse(`{"channel_id":"${ID}","metadata":{"__proto__":1}}`)),
    /__proto__ is not allowed/,
  );
  assert.throws(() => parse({ channel_id: ID, ttl_seconds: 2 ** 53 }), /beyond 2\^53/);
});

const listed = v.strictObject({
  box: v.string(),
  items: v.optional(
    listOf(v.strictObject({ size: whole(1, 9, "How large"), note: v.optional(v.string()) }), 3, "Items"),
  ),
}) as InputSchema;

/** The refusal of these items, without the action. */
function refusedItems(items: unknown): [words: string, details: unknown] {
  try {
    parseInput(listed, { box: "b", items }, "fill");
  } catch (error) {
    const { message, details } = error as Fault;
    return [message.replace("Cannot fill: ", ""), details];
  }
  throw new Error(`taken: ${JSON.stringify(items)}`);
}

test("parseInput() takes a list of objects, and names what is wrong in it by its place", () => {
  const items = [{ size: 1 }, { size: 9, note: "n" }];
  assert.equal(parseInput(listed, { box: "b", items }, "fill"), { box: "b", items });
  const wrong: [item: unknown, words: string, details?: unknown][] = [
    [{ size: 10 }, "items[1].size is 10, the most is 9", { field: "items[1].size", limit: 9 }],
    [{ size: "1" }, 'items[1].size is "1"; send a number', { field: "items[1].size" }],
    [{ note: "n" }, "items[1].size is missing; send a number", { field: "items[1].size" }],
    [
      { siez: 1 },
      'items[1]: the field "siez" is unknown; did you mean size?',
      { field: "items[1].siez", did_you_mean: "size" },
    ],
    [{ size: 1, colour: 1 }, 'items[1]: the field "colour" is unknown; send size, note', { field: "items[1].colour" }],
    [7, "items[1] is 7; send an object", { field: "items[1]" }],
    [null, "items[1] is null; send an object", { field: "items[1]" }],
    [[{ size: 1 }], 'items[1] is [{"size":1}]; send an object', { field: "items[1]" }],
    [
      { size: 1, note: "\u0000" },
      "items[1]: note contains the character U+0000, which cannot be stored; remove it or send base64",
      undefined,
    ],
  ];
  for (const [item, words, details] of wrong)
    assert.equal(refusedItems([{ size: 1 }, item, { size: 0 }]), [words, details]);
});

test("parseInput() bounds a list before it looks into it", () => {
  const details = { field: "items", limit: 3 };
  assert.equal(refusedItems([{ size: 1 }, 2, 3, 4]), ["items has 4 items, the most is 3", details]);
  assert.equal(refusedItems(Array(500_000).fill(0)), ["items has 500000 items, the most is 3", details]);
  assert.is(refusedItems([])[0], "items is empty; send 1 to 3 items");
  assert.is(refusedItems({ size: 1 })[0], 'items is {"size":1}; send an array');
});

test("parseField() validates one field alone, with the same words", () => {
  assert.is(parseField(schema, "channel_id", ID, "publish"), ID);
  assert.throws(() => parseField(schema, "channel_id", undefined, "publish"), /channel_id is missing; send a string/);
  assert.throws(() => parseField(schema, "channel_id", "x", "publish"), /is not an id/);
});

test("fromText() makes numbers and booleans where the schema wants them", () => {
  assert.is(fromText(schema, "limit", "7"), 7);
  assert.is(fromText(schema, "ttl_seconds", "-1"), -1);
  assert.is(fromText(schema, "ttl_seconds", "1.5"), 1.5);
  assert.is(fromText(schema, "ttl_seconds", "1.00000000000000000001"), "1.00000000000000000001", "not rounded");
  assert.is(fromText(schema, "loud", "true"), true);
  assert.is(fromText(schema, "loud", "false"), false);
  assert.is(fromText(schema, "name", "7"), "7");
  assert.is(fromText(schema, "unknown", "7"), "7");
});

test("fromText() leaves what does not fit as text, so that the message shows it", () => {
  for (const given of ["", "abc", "1e3", "0x10", "+5", " 5", "007", "NaN", "Infinity", "1,5"]) {
    assert.is(fromText(schema, "limit", given), given);
    refusal(
      { channel_id: ID, limit: fromText(schema, "limit", given) },
      `limit is ${JSON.stringify(given)}; send a number`,
    );
  }
  assert.is(fromText(schema, "loud", "1"), "1");
  assert.is(fromText(schema, "loud", "TRUE"), "TRUE");
});

test.run();
