import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createCache } from "../../core/kernel/cache.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";

const test = suite("kernel/cache");

function counted(options = { maxAgeMs: 1_000, most: 3 }) {
  const clock = memoryClock();
  const cache = createCache<string>(clock, options);
  const loads: string[] = [];
  const get = (key: string) =>
    cache.get(key, async () => {
      loads.push(key);
      return `${key} ${loads.length}`;
    });
  return { clock, cache, loads, get };
}

test("get() loads once and remembers for maxAgeMs", async () => {
  const { clock, loads, get } = counted();
  assert.is(await get("a"), "a 1");
  await clock.advance(999);
  assert.is(await get("a"), "a 1");
  await clock.advance(1);
  assert.is(await get("a"), "a 2");
  assert.equal(loads, ["a", "a"]);
});

test("get() counts age from the look-up, not from the last use", async () => {
  const { clock, loads, get } = counted();
  for (let step = 0; step < 6; step += 1) {
    await get("a");
    await clock.advance(400);
  }
  assert.is(loads.length, 2);
});

test("get() shares one load between simultaneous callers", async () => {
  const { loads, get } = counted();
  assert.equal(await Promise.all([get("a"), get("a"), get("a")]), ["a 1", "a 1", "a 1"]);
  assert.is(loads.length, 1);
});

test("get() does not remember a failure", async () => {
  const { cache, get } = counted();
  const failing = cache.get("a", async () => Promise.reject(new Error("away")));
  await failing.then(assert.unreachable, (error: Error) => assert.is(error.message, "away"));
  assert.is(await get("a"), "a 1");
});

test("a late failure does not drop what was loaded since", async () => {
  const { cache, loads, get } = counted();
  let fail = (_: Error) => {};
  const failing = new Promise<string>((_, reject) => {
    fail = reject;
  });
  const slow = cache.get("a", () => failing);
  cache.drop("a");
  await get("a");
  fail(new Error("late"));
  await slow.catch(() => undefined);
  await get("a");
  assert.is(loads.length, 1);
});

test("the cache holds at most `most` keys, and the oldest go first", async () => {
  const { loads, get } = counted();
  for (const key of ["a", "b", "c", "d"]) await get(key);
  for (const key of ["b", "c", "d"]) await get(key);
  assert.equal(loads, ["a", "b", "c", "d"]);
  await get("a");
  assert.equal(loads, ["a", "b", "c", "d", "a"]);
});

test("drop() forgets one key and clear() all", async () => {
  const { cache, loads, get } = counted();
  await get("a");
  await get("b");
  cache.drop("a");
  await get("a");
  await get("b");
  assert.equal(loads, ["a", "b", "a"]);
  cache.clear();
  await get("a");
  await get("b");
  assert.equal(loads, ["a", "b", "a", "a", "b"]);
});

test.run();
