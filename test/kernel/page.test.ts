/** Pages: cursors come back as they went out, and foreign ones are refused. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { pageOf, readCursor, writeCursor } from "../../core/kernel/page.ts";
import { Fault } from "../../core/ports/fault.ts";

const test = suite("kernel/page");
const place = v.strictTuple([v.string(), v.nullable(v.number())]);

test("a cursor carries its place, whatever text it holds, and stands in a URL as it is", () => {
  fc.assert(
    fc.property(fc.tuple(fc.string({ unit: "grapheme" }), fc.option(fc.integer())), ([text, number]) => {
      const cursor = writeCursor([text, number]);
      assert.match(cursor, /^[A-Za-z0-9_-]+$/);
      assert.equal(readCursor(cursor, place), [text, number]);
    }),
  );
  assert.is(readCursor(undefined, place), undefined);
});

test("a cursor that we did not write is invalid input", () => {
  const foreign = [
    "",
    "x",
    "%%%",
    writeCursor(["a"]),
    writeCursor({ a: 1 }),
    writeCursor(["a", "b"]),
    "ä",
    "_".repeat(50),
  ];
  for (const cursor of foreign) {
    try {
      readCursor(cursor, place);
      assert.unreachable(`${cursor} was taken`);
    } catch (error) {
      assert.instance(error, Fault);
      assert.is((error as Fault).code, "invalid_input");
      assert.match((error as Fault).message, "send next_cursor as the page before gave it");
    }
  }
});

test("a page says where the next begins, and null when there is none", () => {
  assert.equal(
    pageOf([1, 2], 2, (last) => last),
    { rows: [1, 2], next: null },
  );
  const { rows, next } = pageOf([1, 2, 3], 2, (last) => last);
  assert.equal([rows, readCursor(next!, v.number())], [[1, 2], 2]);
});

test.run();
