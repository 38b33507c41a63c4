/**
 * UUID version 7, made and counted up.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { memoryIds } from "../../core/ports/memory/ids.ts";
import { later, next, pattern, uuid7 } from "../../core/ports/uuid7.ts";

const tests = suite("uuid7");
const zeros = new Uint8Array(10);
const ones = new Uint8Array(10).fill(0xff);

tests("uuid7() makes the example of RFC 9562, appendix A.6", () => {
  const bits = (0xcc3n << 62n) | 0x18c4dc0c0c07398fn;
  const bytes = Uint8Array.from({ length: 10 }, (_, index) => Number((bits >> BigInt(8 * (9 - index))) & 0xffn));
  assert.is(uuid7(0x017f22e279b0, bytes), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

tests("uuid7() is valid, and holds its time in the first 48 bits", () => {
  const ids = memoryIds();
  for (const ms of [0, 1, 1_767_225_600_000, 2 ** 48 - 1]) {
    for (const random of [zeros, ones, ids.bytes(10), ids.bytes(16)]) {
      const id = uuid7(ms, random);
      assert.match(id, pattern);
      assert.is(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16), ms);
    }
  }
});

tests("uuid7() of a time that no UUID holds is of the nearest that one does", () => {
  assert.is(uuid7(-5, zeros), "00000000-0000-7000-8000-000000000000");
  assert.is(uuid7(2 ** 60, ones), "ffffffff-ffff-7fff-bfff-ffffffffffff");
  assert.is(uuid7(1.9, zeros), uuid7(1, zeros));
});

tests("uuid7() needs ten random bytes", () => {
  assert.throws(() => uuid7(0, new Uint8Array(9)), /10 random bytes, not 9/);
});

tests("next() adds one to the lowest bits", () => {
  assert.is(next("019b76da-a800-7000-8000-000000000000"), "019b76da-a800-7000-8000-000000000001");
  assert.is(next("019b76da-a800-7abc-8000-0000ffffffff"), "019b76da-a800-7abc-8000-000100000000");
});

tests("next() carries over the variant bits into rand_a", () => {
  assert.is(next("019b76da-a800-7000-bfff-ffffffffffff"), "019b76da-a800-7001-8000-000000000000");
  assert.is(next("019b76da-a800-7abf-bfff-ffffffffffff"), "019b76da-a800-7ac0-8000-000000000000");
});

tests("next() carries over the version bits into the time", () => {
  assert.is(next("019b76da-a800-7fff-bfff-ffffffffffff"), "019b76da-a801-7000-8000-000000000000");
  assert.is(next("019b76da-ffff-7fff-bfff-ffffffffffff"), "019b76db-0000-7000-8000-000000000000");
});

tests("next() of the nil UUID is valid and early, and there is nothing after the last", () => {
  assert.is(next("00000000-0000-0000-0000-000000000000"), "00000000-0000-7000-8000-000000000001");
  assert.throws(() => next("ffffffff-ffff-7fff-bfff-ffffffffffff"), /no UUID after/);
});

tests("ids strictly increase and stay valid, however wild the clock", () => {
  const ids = memoryIds(7);
  const wild = new DataView(ids.bytes(8_000).buffer);
  let last = "00000000-0000-0000-0000-000000000000";
  for (let round = 0; round < 2_000; round += 1) {
    const ms = 1_767_225_600_000 + wild.getInt32((round * 4) % 7_996);
    const id = later(uuid7(ms, round % 3 ? ids.bytes(10) : ones), next(last));
    assert.match(id, pattern);
    assert.ok(id > last, `${last} before ${id}`);
    last = id;
  }
});

tests.run();
