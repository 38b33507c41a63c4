import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUCKETS_MAX, createLimiter, type Limiter } from "../../core/kernel/limit.ts";
import { defaultRateLimits, type RateClass, type RateLimits } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";

const test = suite("kernel/limit");

function open(limits: RateLimits | null = defaultRateLimits, most?: number) {
  const clock = memoryClock();
  return { clock, limiter: createLimiter(limits, clock, most) };
}

function refused(limiter: Limiter, rateClass: RateClass, key: string): Fault {
  try {
    limiter.take(rateClass, key);
  } catch (error) {
    assert.instance(error, Fault);
    return error as Fault;
  }
  throw new Error("it was let through");
}

/** How many of `tries` requests at one instant are let through. */
function passed(limiter: Limiter, tries: number, rateClass: RateClass, key: string): number {
  let count = 0;
  for (let attempt = 0; attempt < tries; attempt += 1) {
    try {
      limiter.take(rateClass, key);
      count += 1;
    } catch {
      // Refused: not counted.
    }
  }
  return count;
}

test("take() lets exactly `count` requests of each class through at once", () => {
  const { limiter } = open();
  assert.is(passed(limiter, 1_000, "create", "a"), 20);
  assert.is(passed(limiter, 1_000, "publish", "a"), 100);
  assert.is(passed(limiter, 1_000, "other", "a"), 300);
});

test("take() keeps classes and keys apart", () => {
  const { limiter } = open();
  assert.is(passed(limiter, 30, "create", "a"), 20);
  assert.is(passed(limiter, 30, "create", "b"), 20);
  assert.is(passed(limiter, 150, "publish", "a"), 100);
});

test("take() gives one more request for each part of the window that passes, and refusals cost nothing", async () => {
  const { clock, limiter } = open();
  passed(limiter, 20, "create", "a");
  await clock.advance(2_999);
  assert.is(passed(limiter, 50, "create", "a"), 0);
  await clock.advance(1);
  assert.is(passed(limiter, 50, "create", "a"), 1);
  await clock.advance(30_000);
  assert.is(passed(limiter, 50, "create", "a"), 10);
});

test("take() gives a full window after a pause, and never more", async () => {
  const { clock, limiter } = open();
  passed(limiter, 20, "create", "a");
  await clock.advance(60_000);
  assert.is(passed(limiter, 50, "create", "a"), 20);
  await clock.advance(3_600_000);
  assert.is(passed(limiter, 50, "create", "a"), 20);
});

test("take() bears any pace up to the rate", async () => {
  const { clock, limiter } = open();
  for (let request = 0; request < 1_000; request += 1) {
    limiter.take("publish", "a");
    await clock.advance(10);
  }
});

test("take() tells policy, remaining requests and reset in RateLimit headers", async () => {
  const { clock, limiter } = open();
  assert.equal(limiter.take("create", "a"), {
    "RateLimit-Policy": '"create";q=20;w=60',
    RateLimit: '"create";r=19;t=3',
  });
  assert.is(limiter.take("create", "a").RateLimit, '"create";r=18;t=6');
  await clock.advance(4_000);
  assert.is(limiter.take("create", "a").RateLimit, '"create";r=18;t=5');
  assert.is(limiter.take("publish", "a").RateLimit, '"publish";r=99;t=1');
});

test("a refusal says limit, span and when to come back, and coming back then works", async () => {
  const { clock, limiter } = open();
  passed(limiter, 20, "create", "a");
  await clock.advance(500);
  const fault = refused(limiter, "create", "a");
  assert.is(fault.code, "rate_limited");
  assert.is(fault.message, "Too many requests: at most 20 per minute; try again in 3 s");
  assert.equal(fault.details, { limit: 20, per_seconds: 60, retry_after_seconds: 3 });
  assert.equal(fault.headers, {
    "RateLimit-Policy": '"create";q=20;w=60',
    RateLimit: '"create";r=0;t=3',
    "Retry-After": "3",
  });
  await clock.advance(3_000);
  limiter.take("create", "a");
  passed(limiter, 200, "publish", "a");
  assert.is(refused(limiter, "publish", "a").headers["Retry-After"], "1");
  assert.match(refused(limiter, "publish", "a").message, "at most 100 per second");
});

test("a clock set back by an operator locks nobody out", () => {
  const { clock, limiter } = open();
  passed(limiter, 10, "create", "a");
  clock.jump(-86_400_000);
  assert.is(passed(limiter, 50, "create", "a"), 10);
});

test("keys beyond the most share one bucket per class, and known keys keep theirs", () => {
  const { limiter } = open(defaultRateLimits, 2);
  limiter.take("create", "a");
  limiter.take("create", "b");
  assert.is(passed(limiter, 30, "create", "c"), 20);
  assert.is(passed(limiter, 30, "create", "d"), 0);
  assert.is(passed(limiter, 500, "other", "d"), 300);
  assert.is(passed(limiter, 30, "create", "a"), 19);
});

test("keys get buckets of their own again once others have recovered", async () => {
  const { clock, limiter } = open(defaultRateLimits, 2);
  passed(limiter, 20, "create", "a");
  passed(limiter, 20, "create", "b");
  assert.is(passed(limiter, 30, "create", "c"), 20);
  assert.is(passed(limiter, 30, "create", "d"), 0);
  await clock.advance(60_000);
  assert.is(passed(limiter, 30, "create", "c"), 20);
  assert.is(passed(limiter, 30, "create", "d"), 20);
});

test("a flood of addresses fills bounded memory, then is limited as one", () => {
  const { limiter } = open();
  let through = 0;
  for (let key = 0; key < BUCKETS_MAX + 50_000; key += 1) through += passed(limiter, 1, "create", `address ${key}`);
  assert.is(through, BUCKETS_MAX + 20);
});

test("without limits everything passes and no header is sent", () => {
  const { limiter } = open(null);
  assert.is(passed(limiter, 10_000, "create", "a"), 10_000);
  assert.equal(limiter.take("create", "a"), {});
});

test.run();
