/** Numbers in JSON text: found where a double would not give them back. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { roundedIn } from "../../core/kernel/json_numbers.ts";

const test = suite("json_numbers");

test("whatever JSON.stringify writes is kept", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.double({ noNaN: true, noDefaultInfinity: true }), (value, number) => {
      assert.is(roundedIn(JSON.stringify({ value, number }, null, 1)), null);
    }),
    { numRuns: 5_000 },
  );
});

test("a fraction with digits that fall away is found, wherever it stands, and never in a text", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(999_999), fc.constantFrom("", "-"), (text, digits, sign) => {
      const literal = `${sign}0.1234567890123456789${digits}1`;
      assert.is(roundedIn(JSON.stringify([text, 0.5, literal])), null);
      assert.is(roundedIn(`{${JSON.stringify(text)}: [1, {"a":${literal}}]}`), literal.replace("-", ""));
    }),
    { numRuns: 2_000 },
  );
});

test("what is written another way, and is the same, is kept", () => {
  for (const number of [
    "1.0",
    "1.50",
    "1e3",
    "100E-2",
    "0.000",
    "-0.0",
    "0e999999999999",
    "1.7976931348623157e308",
    "123456789012345e-20",
    "5e-324",
  ])
    assert.is(roundedIn(`[${number}]`), null, number);
  for (const number of ["1e-400", "0.1e-323", "4.9e-324", "9007199254740990.9", "0.10000000000000001"])
    assert.is(roundedIn(number), number);
  // These can be told from their values: `refuseUnsafe` does.
  for (const number of ["1e400", "9007199254740993", "1e22"]) assert.is(roundedIn(number), null);
});

test("a mebibyte of digits is looked through in less than a second", () => {
  const began = performance.now();
  roundedIn(`["${"1.5e7".repeat(100_000)}",${Array.from({ length: 50_000 }, (_, n) => `0.${n}1234567`).join(",")}]`);
  roundedIn(`0.${"1".repeat(1_000_000)}`);
  assert.ok(performance.now() - began < 1_000, `${performance.now() - began} ms`);
});

test.run();
