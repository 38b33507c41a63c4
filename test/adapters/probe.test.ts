/** A shared probe: many ask, few are asked. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sharedProbe } from "../../adapters/probe.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";

const test = suite("sharedProbe()");

/** A probe whose questions a test answers. */
function openProbe() {
  const clock = memoryClock();
  const asked: { resolve(answer: string): void; reject(error: Error): void }[] = [];
  const probe = sharedProbe(() => new Promise<string>((resolve, reject) => asked.push({ resolve, reject })), clock);
  return { clock, asked, probe };
}

test("who asks while a question is under way gets its answer, however long it takes", async () => {
  const { clock, asked, probe } = openProbe();
  const first = Array.from({ length: 64 }, () => probe());
  await clock.advance(60_000);
  const later = probe();
  assert.is(asked.length, 1);
  asked[0]!.resolve("yes");
  assert.equal(new Set(await Promise.all([...first, later])), new Set(["yes"]));
});

test("an answer holds for a second from when it came", async () => {
  const { clock, asked, probe } = openProbe();
  const first = probe();
  await clock.advance(5_000);
  asked[0]!.resolve("yes");
  await first;
  await clock.advance(999);
  assert.is(await probe(), "yes");
  assert.is(asked.length, 1);
  await clock.advance(1);
  const second = probe();
  assert.is(asked.length, 2);
  asked[1]!.resolve("no");
  assert.is(await second, "no");
});

test("a failure holds as long as an answer", async () => {
  const { clock, asked, probe } = openProbe();
  const words = () => probe().catch((error: Error) => error.message);
  const first = words();
  asked[0]!.reject(new Error("away"));
  assert.is(await first, "away");
  assert.is(await words(), "away");
  await clock.advance(1_000);
  const second = words();
  asked[1]!.resolve("back");
  assert.is(await second, "back");
});

test.run();
