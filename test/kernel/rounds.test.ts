/** Rounds come at their interval while they are needed, one at a time, whatever becomes of the one before. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { roundsOf } from "../../core/kernel/rounds.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";

const test = suite("rounds");

function scene(round: (count: number) => Promise<void> | void) {
  const clock = memoryClock();
  const end = new AbortController();
  const failures: string[] = [];
  const at: number[] = [];
  const state = { needed: true };
  const begin = roundsOf(
    () => {
      at.push(clock.elapsed());
      return round(at.length);
    },
    {
      clock,
      everyMs: 1_000,
      needed: () => state.needed,
      signal: end.signal,
      failed: (error) => failures.push(String(error)),
    },
  );
  return { clock, end, failures, at, state, begin };
}

test("the first comes after the interval, and so does each other, however often they are begun", async () => {
  const { clock, at, begin } = scene(() => undefined);
  void begin();
  void begin();
  await clock.advance(2_500);
  void begin();
  await clock.advance(1_000);
  assert.equal(at, [1_000, 2_000, 3_000]);
});

test("a round that fails is told, and the next one comes", async () => {
  const { clock, at, failures, begin } = scene((count) => {
    if (count === 1) throw new Error("one");
    return count === 2 ? Promise.reject(new Error("two")) : undefined;
  });
  void begin();
  await clock.advance(3_000);
  assert.equal([at.length, failures], [3, ["Error: one", "Error: two"]]);
});

test("a round that takes long has none beside it", async () => {
  const here = scene(() => here.clock.sleep(5_000));
  void here.begin();
  await here.clock.advance(6_500);
  assert.equal(here.at, [1_000]);
  await here.clock.advance(1_000);
  assert.equal(here.at, [1_000, 7_000]);
});

test("they end when nobody needs them, can be begun anew, and end for good with the signal", async () => {
  const { clock, end, at, state, begin } = scene(() => undefined);
  void begin();
  await clock.advance(1_000);
  state.needed = false;
  await clock.advance(5_000);
  assert.is(at.length, 2);
  state.needed = true;
  void begin();
  await clock.advance(1_000);
  assert.is(at.length, 3);
  end.abort();
  await clock.advance(5_000);
  const ended = at.length;
  void begin();
  await clock.advance(5_000);
  assert.ok(ended <= 4 && at.length === ended);
});

test.run();
