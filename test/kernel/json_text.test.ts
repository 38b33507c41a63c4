import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseJson, refuseUnsafe } from "../../core/kernel/json_text.ts";
import { Fault } from "../../core/ports/fault.ts";

const test = suite("kernel/json_text");

const bytes = (text: string) => new TextEncoder().encode(text);
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

function refusal(work: () => unknown, code: string, words: string | RegExp): Fault {
  let value: unknown;
  try {
    value = work();
  } catch (error) {
    assert.instance(error, Fault);
    assert.is((error as Fault).code, code);
    assert.match((error as Fault).message, words);
    return error as Fault;
  }
  throw new Error(`it was taken: ${JSON.stringify(value)?.slice(0, 100)}`);
}

test("parseJson() reads every JSON value, with or without a byte order mark", () => {
  for (const value of [null, true, 0, -1.5e-7, "ü 😀", [], {}, { a: [1, { b: null }] }]) {
    assert.equal(parseJson(bytes(JSON.stringify(value))), value);
  }
  assert.equal(parseJson(bytes('\ufeff{"a":1}')), { a: 1 });
});

test("parseJson() says what is wrong and what to send instead", () => {
  refusal(() => parseJson(bytes("")), "invalid_json", "The body is empty; send a JSON object");
  refusal(() => parseJson(bytes(" \n\t")), "invalid_json", "empty");
  for (const text of ["{", "{'a':1}", '{"a":1,}', "undefined", "NaN", "{} {}", '"\n"', "\ufeff"]) {
    const { message } = refusal(() => parseJson(bytes(text)), "invalid_json", /JSON/);
    assert.not.match(message, /SyntaxError|Unexpected/);
  }
});

test("parseJson() never repeats what was sent", () => {
  const { message } = refusal(() => parseJson(bytes('{"token": pub_secret}')), "invalid_json", "not valid JSON");
  assert.not.match(message, "secret");
});

test("parseJson() refuses bytes that are not UTF-8", () => {
  for (const wrong of [
    [0x22, 0xff, 0x22],
    [0x22, 0xc3, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0xff, 0xfe, 0x31, 0x00],
  ]) {
    refusal(() => parseJson(Uint8Array.from(wrong)), "invalid_json", "not valid UTF-8");
  }
});

test("nesting of 64 levels passes, 65 is refused", () => {
  refuseUnsafe(JSON.parse(nested(64)));
  refusal(() => refuseUnsafe(JSON.parse(nested(65))), "invalid_input", "deeper than 64 levels");
  const objects = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
  refuseUnsafe(objects(64));
  refusal(() => refuseUnsafe(objects(65)), "invalid_input", "deeper than 64 levels");
});

test("100,000 levels are refused and nothing crashes", () => {
  for (const text of [nested(100_000), "[".repeat(100_000), '{"a":'.repeat(100_000)]) {
    const error = fault(() => refuseUnsafe(parseJson(bytes(text))));
    assert.ok(["invalid_json", "invalid_input"].includes(error.code));
  }
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  refusal(() => refuseUnsafe(deep), "invalid_input", "deeper");
});

test("10,000 keys and elements pass, 10,001 are refused, however they are spread", () => {
  const list = (length: number) => Array.from({ length }, () => 0);
  refuseUnsafe(list(10_000));
  refusal(() => refuseUnsafe(list(10_001)), "invalid_input", "more than 10000 keys and elements");
  const object = (length: number) => Object.fromEntries(list(length).map((_, index) => [`k${index}`, 1]));
  refuseUnsafe(object(10_000));
  refusal(() => refuseUnsafe(object(10_001)), "invalid_input", "more than 10000");
  refuseUnsafe({ a: list(4_999), b: list(4_999) });
  refusal(() => refuseUnsafe({ a: list(5_000), b: list(4_999) }), "invalid_input", "more than 10000");
});

test("U+0000 is refused in values and keys, at any depth, with the place", () => {
  refusal(() => refuseUnsafe("a\u0000b"), "invalid_input", "The value contains the character U+0000");
  refusal(() => refuseUnsafe({ a: { b: ["x", "\u0000"] } }), "invalid_input", "a.b.1 contains the character U+0000");
  refusal(() => refuseUnsafe({ "a\u0000": 1 }), "invalid_input", "a key contains the character U+0000");
});

test("half a surrogate pair is refused, whole pairs pass", () => {
  refuseUnsafe({ "😀": "😀 \u{10ffff}" });
  for (const text of ["\ud83d", "\ude00", "\ude00\ud83d", "a\ud800b"]) {
    refusal(() => refuseUnsafe({ a: text }), "invalid_input", "a contains half of a surrogate pair");
    refusal(() => refuseUnsafe({ [text]: 1 }), "invalid_input", "half of a surrogate pair");
  }
});

test("__proto__ is kept out at any depth, and nothing is polluted on the way", () => {
  const { details } = refusal(
    () => refuseUnsafe(parseJson(bytes('{"__proto__":{"admin":true}}'))),
    "invalid_input",
    "__proto__ is not allowed",
  );
  assert.equal(details, { field: "__proto__" });
  refusal(() => refuseUnsafe(parseJson(bytes('{"a":[{"__proto__":1}]}'))), "invalid_input", "a.0.__proto__");
  assert.is(({} as { admin?: boolean }).admin, undefined);
  refuseUnsafe(parseJson(bytes('{"constructor":{"prototype":1},"toString":1}')));
});

test("numbers that would be rounded or lost are refused, all others pass", () => {
  for (const text of ["9007199254740992", "-9007199254740993", "1e400", "-1e999", "123456789012345678901234567890"]) {
    refusal(
      () => refuseUnsafe({ n: JSON.parse(text) }),
      "invalid_input",
      "n is beyond 2^53 and would be rounded; send it as a string",
    );
  }
  refusal(() => refuseUnsafe(2 ** 53), "invalid_input", "The number is beyond 2^53");
  refuseUnsafe([9007199254740991, -9007199254740991, 0.1, 1e-300, 123.456, -0]);
});

test("bytes pass as they are", () => {
  refuseUnsafe({ payload: new Uint8Array(100_000) });
});

test("a long path is cut in the message", () => {
  const deep = JSON.parse(`${`{"${"k".repeat(50)}":`.repeat(10)}"\\u0000"${"}".repeat(10)}`);
  assert.ok(refusal(() => refuseUnsafe(deep), "invalid_input", "...").message.length < 250);
});

test("what passes is carried faithfully by JSON", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      if (fault(() => refuseUnsafe(value), true) !== null) return;
      const back = parseJson(bytes(JSON.stringify(value)));
      assert.is(JSON.stringify(back), JSON.stringify(value));
    }),
    { numRuns: 500 },
  );
});

function fault(work: () => unknown): Fault;
function fault(work: () => unknown, mayPass: true): Fault | null;
function fault(work: () => unknown, mayPass?: true): Fault | null {
  try {
    work();
  } catch (error) {
    assert.instance(error, Fault);
    return error as Fault;
  }
  if (mayPass) return null;
  throw new Error("it was taken");
}

test.run();
