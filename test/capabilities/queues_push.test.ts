import { suite } from "uvu";
import * as assert from "uvu/assert";
import { queues } from "../../core/capabilities/queues/mod.ts";
import type { Context } from "../../core/kernel/context.ts";
import { carryOut } from "../../core/kernel/plan.ts";
import { memoryHouse } from "../support/memory_house.ts";
import { openQueued, refusal } from "../support/queued.ts";

const test = suite("queues: putting jobs in");

test("a job is answered 201 with its id, and is claimed as it was put in", async () => {
  const { push, take } = openQueued();
  const payload = { to: "ada", list: [1, 2.5, null, true], text: "ä\u2028" };
  const { id, state, visible_at, deduplicated } = await push(payload);
  assert.equal([state, deduplicated], ["waiting", null]);
  assert.is(visible_at, new Date(Date.UTC(2026, 0, 1)).toISOString());
  const job = await take();
  assert.equal([job.id, job.payload, job.attempt, job.max_attempts], [id, payload, 1, 5]);
});

test("any JSON value is a payload, null too", async () => {
  const { push, take } = openQueued();
  for (const payload of [null, 0, "", false, [], {}]) {
    await push(payload);
    assert.equal((await take()).payload, payload);
  }
});

test("a list is put in whole and in its order, as a body of its own or in a field", async () => {
  const { ask, claim } = openQueued();
  const list = [{ payload: 1 }, { payload: 2, priority: 1 }, { payload: 3 }];
  for (const body of [list, { jobs: list }]) {
    const { status, body: answer } = await ask("POST", "/queue/work", body);
    assert.is(status, 201);
    assert.is(answer.jobs.length, 3);
    assert.equal(
      (await claim({ limit: 100 })).map(({ payload }) => payload),
      [2, 1, 3],
    );
  }
});

test("of a list with one bad job nothing is put in, and the fault names its place", async () => {
  const { ask, claim } = openQueued();
  const refused = await ask("POST", "/queue/work", [{ payload: 1 }, { payload: 2, dedup_mode: "drop" }]);
  assert.equal(refusal(refused), [400, "invalid_input"]);
  assert.is(refused.body.error.details.field, "jobs[1].dedup_mode");
  assert.equal(await claim({ limit: 100 }), []);
});

test("fields that contradict each other are refused", async () => {
  const { ask } = openQueued();
  const contradictions: [Record<string, unknown>, string][] = [
    [{ delay_seconds: 1, visible_at: "2030-01-01T00:00:00Z" }, "visible_at"],
    [{ dedup_mode: "drop" }, "dedup_mode"],
    [{ dedup_window_seconds: 5 }, "dedup_window_seconds"],
    [{ dedup_key: "a", dedup_mode: "replace", dedup_window_seconds: 5 }, "dedup_window_seconds"],
  ];
  for (const [fields, field] of contradictions) {
    const refused = await ask("POST", "/queue/work", { payload: 1, ...fields });
    assert.equal(refusal(refused), [400, "invalid_input"], JSON.stringify(fields));
    assert.is(refused.body.error.details.field, field);
  }
});

test("a payload of 262,144 bytes is taken, and one byte more is 413", async () => {
  const { ask, push, take } = openQueued();
  // Two bytes each in UTF-8, and the quotes.
  const largest = "ä".repeat((262_144 - 2) / 2);
  await push(largest);
  assert.is((await take()).payload, largest);
  const refused = await ask("POST", "/queue/work", { payload: `${largest}x` });
  assert.equal(refusal(refused), [413, "too_large"]);
  assert.is(refused.body.error.details.limit_bytes, 262_144);
  const listed = await ask("POST", "/queue/work", [{ payload: 1 }, { payload: `${largest}x` }]);
  assert.is(listed.body.error.details.field, "jobs[1].payload");
});

test("a name that is none is refused", async () => {
  const { ask } = openQueued();
  for (const name of ["a%20b", ".x", "a".repeat(101), "%00", "a%2Fb", "ä"]) {
    assert.equal(refusal(await ask("POST", `/queue/${name}`, { payload: 1 })), [400, "invalid_input"], name);
  }
});

test("a job is not claimed before its time, by a delay or by a moment", async () => {
  const { push, claim, advance } = openQueued();
  assert.is((await push("delayed", { delay_seconds: 60 })).state, "delayed");
  await push("at a moment", { visible_at: "2026-01-01T00:02:00Z" });
  await advance(59_999);
  assert.equal(await claim({ limit: 10 }), []);
  await advance(1);
  assert.equal(
    (await claim({ limit: 10 })).map(({ payload }) => payload),
    ["delayed"],
  );
  await advance(60_000);
  assert.ok((await claim({ limit: 10 })).some(({ payload }) => payload === "at a moment"));
});

test("a dropped job is 200, and tells the job that is there", async () => {
  const { ask, push, take, ack } = openQueued();
  const { id } = await push("first", { dedup_key: "k" });
  const again = await ask("POST", "/queue/work", { payload: "second", dedup_key: "k" });
  assert.equal([again.status, again.body.id, again.body.deduplicated], [200, id, "dropped"]);
  await ack(await take());
  assert.is((await ask("POST", "/queue/work", { payload: "third", dedup_key: "k" })).status, 201);
});

test("replace keeps the last payload, and one more runs after the one that is running", async () => {
  const { push, take, claim, ack } = openQueued();
  await push(1, { dedup_key: "k", dedup_mode: "replace" });
  assert.is((await push(2, { dedup_key: "k", dedup_mode: "replace" })).deduplicated, "replaced");
  const running = await take();
  assert.is(running.payload, 2);
  await push(3, { dedup_key: "k", dedup_mode: "one-more-after-running" });
  await push(4, { dedup_key: "k", dedup_mode: "one-more-after-running" });
  assert.equal(await claim({ limit: 10 }), []);
  await ack(running);
  assert.equal(
    (await claim({ limit: 10 })).map(({ payload }) => payload),
    [4],
  );
});

test("a key with a window drops although its job has ended, so that a retry is safe", async () => {
  const { ask, push, take, ack, advance } = openQueued();
  const fields = { dedup_key: "order-1", dedup_window_seconds: 60 };
  await push("pay", fields);
  await ack(await take());
  assert.is((await ask("POST", "/queue/work", { payload: "pay", ...fields })).status, 200);
  await advance(60_000);
  assert.is((await ask("POST", "/queue/work", { payload: "pay", ...fields })).status, 201);
});

test("jobs of a group come one at a time in their order, and other groups go on meanwhile", async () => {
  const { ask, claim, ack } = openQueued();
  const of = (group: string, step: number) => ({ payload: `${group}${step}`, group });
  await ask("POST", "/queue/work", [of("a", 1), of("a", 2), of("b", 1), of("a", 3)]);
  const first = await claim({ limit: 10 });
  assert.equal(
    first.map(({ payload }) => payload),
    ["a1", "b1"],
  );
  assert.equal(await claim({ limit: 10 }), []);
  await ack(first[0]!);
  assert.equal(
    (await claim({ limit: 10 })).map(({ payload }) => payload),
    ["a2"],
  );
});

test("what a push plans for a batch is what it does alone", async () => {
  const house = memoryHouse();
  const { push } = queues.operations;
  if (push?.kind !== "call" || push.batch === undefined) return assert.unreachable("push takes no part in batches");
  assert.is(push.batch.op, "queue.push");
  const { plan } = push.batch;
  const one = { namespace: "work", payload: "one" };
  const many = { namespace: "work", jobs: [{ payload: "two" }, { payload: "three", delay_seconds: 5 }] };
  const knocked: unknown[] = [];
  house.knocks.onEvery((subjects) => knocked.push(subjects));
  const answers = [];
  for (const input of [one, many])
    answers.push(await carryOut(house as unknown as Context, () => plan(house as unknown as Context, input as never)));
  assert.equal(
    answers.map((answer) => ((answer as { jobs?: unknown[] }).jobs ?? [answer]).length),
    [1, 2],
  );
  assert.equal(knocked, [["queue/user/work"], ["queue/user/work"]]);
  const { jobs } = await house.database.queue.claim("user", "work", { limit: 10, leaseMs: 1_000 });
  assert.equal(
    jobs.map(({ payload }) => payload),
    ['"one"', '"two"'],
  );
});

test("a batch puts jobs in together with what they are about, and wakes whoever waits", async () => {
  const { ask, begin, advance } = openQueued();
  const waiting = await begin("POST", "/queue/work/claim", { wait_seconds: 30 });
  const operations = [
    { op: "document.put", namespace: "orders", key: "1", payload: { state: "paid" } },
    { op: "queue.push", namespace: "work", payload: { order: 1 } },
  ];
  const { status, body } = await ask("POST", "/batch", { operations });
  assert.is(status, 200, JSON.stringify(body));
  await advance(0);
  assert.equal(waiting.reply!.body.jobs[0].payload, { order: 1 });
  const refused = await ask("POST", "/batch", {
    operations: [
      { op: "queue.push", namespace: "work", payload: "never" },
      { op: "document.put", namespace: "orders", key: "1", payload: {}, if_version: 7 },
    ],
  });
  assert.is(refused.status, 412);
  assert.equal((await ask("POST", "/queue/work/claim")).body.jobs, []);
});

test.run();
