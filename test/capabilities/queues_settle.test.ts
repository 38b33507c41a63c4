import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openQueued, refusal } from "../support/queued.ts";

const test = suite("queues: the end of the work");

const LOST = [409, "conflict", "lease_lost"] as const;
const NEVER = "0".repeat(32);

test("an acknowledged job is done, and the same acknowledgement twice is fine", async () => {
  const { push, take, ack, claim, job, advance } = openQueued();
  await push("work");
  const held = await take();
  const first = await ack(held);
  assert.equal([first.status, first.body.state, first.body.already], [200, "done", false]);
  const second = await ack(held);
  assert.equal([second.status, second.body.already], [200, true]);
  await advance(60_000);
  assert.equal(await claim(), []);
  assert.is((await job(held.id)).state, "done");
});

test("a stale lease token is 409 on everything, and changes nothing", async () => {
  const { ask, push, take, ack, job, advance } = openQueued();
  await push("work");
  const stale = await take({ visibility_timeout_seconds: 1 });
  await advance(1_000);
  const held = await take({ visibility_timeout_seconds: 600 });
  const before = await job(held.id);
  const at = `/queue/work/${held.id}`;
  for (const token of [stale.lease_token, NEVER]) {
    assert.equal(refusal(await ack({ id: held.id, lease_token: token })), LOST);
    const said = { lease_token: token };
    for (const [what, more] of Object.entries({ ack: { result: 1 }, nack: {}, extend: {}, progress: { progress: 1 } }))
      assert.equal(refusal(await ask("POST", `${at}/${what}`, { ...said, ...more })), LOST, what);
  }
  assert.equal(await job(held.id), before);
  assert.is((await ack(held)).status, 200);
});

test("the words of a stale acknowledgement tell a worker what to do", async () => {
  const { push, take, ack } = openQueued();
  await push("work");
  const { id } = await take();
  const { body } = await ack({ id, lease_token: NEVER });
  assert.match(body.error.message, /its lease is over.*nothing was changed.*stop working on it/);
  assert.is(body.error.details.job_id, id);
});

test("a lease token that is missing or malformed is 400, and a job that is not there 404", async () => {
  const { ask, ack } = openQueued();
  assert.equal(refusal(await ask("DELETE", "/queue/work/1")), [400, "invalid_input"]);
  assert.equal(refusal(await ack({ id: "1", lease_token: "x" })), [400, "invalid_input"]);
  assert.equal(refusal(await ack({ id: "abc", lease_token: NEVER })), [400, "invalid_input"]);
  for (const id of ["1", "999999999999999999"])
    assert.equal(refusal(await ack({ id, lease_token: NEVER })), [404, "not_found"]);
});

test("a lease whose time is over stays good until somebody else claims the job", async () => {
  const { push, take, ack, advance } = openQueued();
  await push("work");
  const held = await take({ visibility_timeout_seconds: 1 });
  await advance(5_000);
  assert.is((await ack(held)).status, 200);
});

test("several acknowledgements in one request have an outcome each", async () => {
  const { ask, claim } = openQueued();
  await ask("POST", "/queue/work", [{ payload: 1 }, { payload: 2 }, { payload: 3 }]);
  const [one, two, three] = await claim({ limit: 3 });
  const said = ({ id, lease_token }: { id: string; lease_token: string }) => ({ id, lease_token });
  const jobs = [
    said(one!),
    { id: two!.id, lease_token: NEVER },
    { ...said(three!), result: "ok" },
    { id: "77", lease_token: NEVER },
  ];
  const outcomes = async (body: unknown) => {
    const reply = await ask("POST", "/queue/work/ack", body);
    assert.is(reply.status, 200, JSON.stringify(reply.body));
    return reply.body.jobs.map(({ outcome }: { outcome: string }) => outcome);
  };
  assert.equal(await outcomes({ jobs }), ["acked", "stale", "acked", "absent"]);
  assert.equal(await outcomes(jobs.slice(0, 1)), ["already"]);
});

test("a job that is given back comes again after a rest that grows, and dies after its last attempt", async () => {
  const { ask, push, take, claim, job, advance } = openQueued();
  const { id } = await push("work", { max_attempts: 3, backoff_seconds: 10, backoff_factor: 3, backoff_jitter: 0 });
  const rests = [10_000, 30_000];
  for (const [index, rest] of rests.entries()) {
    const { lease_token, attempt } = await take();
    assert.is(attempt, index + 1);
    const { body } = await ask("POST", `/queue/work/${id}/nack`, { lease_token, error: `failure ${attempt}` });
    assert.is(body.state, "delayed");
    await advance(rest - 1);
    assert.equal(await claim(), []);
    await advance(1);
  }
  const { lease_token } = await take();
  const { body } = await ask("POST", `/queue/work/${id}/nack`, { lease_token, error: "the last" });
  assert.equal([body.state, body.visible_at], ["dead", null]);
  const dead = await job(id);
  assert.equal([dead.state, dead.error, dead.attempt], ["dead", "the last", 3]);
  await advance(3_600_000);
  assert.equal(await claim(), []);
});

test("giving back takes a delay of its own, is final when it says so, and is fine twice", async () => {
  const { ask, push, take, claim } = openQueued();
  await push("work");
  const first = await take();
  const nack = (job: { id: string; lease_token: string }, more: object) =>
    ask("POST", `/queue/work/${job.id}/nack`, { lease_token: job.lease_token, ...more });
  assert.is((await nack(first, { delay_seconds: 0 })).body.state, "waiting");
  const again = await nack(first, { delay_seconds: 0 });
  assert.equal([again.status, again.body.already], [200, true]);
  const second = await take();
  assert.is((await nack(second, { final: true, error: "no use" })).body.state, "dead");
  assert.equal(await claim(), []);
});

test("a heartbeat keeps the job, and progress stands with it", async () => {
  const { ask, push, take, claim, job, advance } = openQueued();
  await push("long work");
  const { id, lease_token } = await take({ visibility_timeout_seconds: 10 });
  for (let beat = 1; beat <= 3; beat += 1) {
    await advance(9_000);
    const more = beat === 2 ? "progress" : "extend";
    const { status, body } = await ask("POST", `/queue/work/${id}/${more}`, {
      lease_token,
      visibility_timeout_seconds: 10,
      ...(more === "progress" ? { progress: { done: beat } } : {}),
    });
    assert.equal([status, body.cancel_requested], [200, false]);
  }
  assert.equal(await claim(), []);
  assert.equal((await job(id)).progress, { done: 2 });
  // Progress alone leaves the lease as it is.
  await ask("POST", `/queue/work/${id}/progress`, { lease_token, progress: 4 });
  await advance(10_000);
  assert.is((await take()).id, id);
});

test("a result and a progress note that are too large are 413, and nothing is changed", async () => {
  const { ask, push, take, job } = openQueued();
  await push("work");
  const { id, lease_token } = await take();
  const large = (most: number) => "x".repeat(most - 1);
  const result = await ask("POST", `/queue/work/${id}/ack`, { lease_token, result: large(262_144) });
  assert.equal(refusal(result), [413, "too_large"]);
  const progress = await ask("POST", `/queue/work/${id}/progress`, { lease_token, progress: large(16_384) });
  assert.equal(refusal(progress), [413, "too_large"]);
  assert.equal((({ state, progress: note }) => [state, note])(await job(id)), ["running", null]);
});

test("whoever waits for a job gets its result as soon as it is acknowledged", async () => {
  const { ask, begin, push, take, advance } = openQueued();
  const { id } = await push("sum");
  const waiting = await begin("GET", `/queue/work/${id}?wait=30`);
  const { lease_token } = await take();
  await advance(20_000);
  assert.is(waiting.reply, undefined);
  await ask("POST", `/queue/work/${id}/ack`, { lease_token, result: { sum: 42 } });
  await advance(0);
  assert.equal([waiting.reply!.body.state, waiting.reply!.body.result], ["done", { sum: 42 }]);
});

test("without a result its end is told within a second, and a wait that is over tells how the job stands", async () => {
  const { begin, push, take, ack, advance } = openQueued();
  const { id } = await push("work");
  const short = await begin("GET", `/queue/work/${id}?wait=2`);
  await advance(2_000);
  assert.is(short.reply!.body.state, "waiting");
  const long = await begin("GET", `/queue/work/${id}?wait=30`);
  await ack(await take());
  await advance(1_000);
  assert.is(long.reply!.body.state, "done");
});

test("a waiting job is cancelled at once, and not claimed", async () => {
  const { ask, push, claim, job } = openQueued();
  const { id } = await push("work");
  const cancel = () => ask("POST", `/queue/work/${id}/cancel`);
  assert.equal((await cancel()).body, { id, state: "cancelled" });
  assert.equal((await cancel()).body, { id, state: "cancelled" });
  assert.equal(await claim(), []);
  assert.is((await job(id)).state, "cancelled");
  assert.equal(refusal(await ask("POST", "/queue/work/4711/cancel")), [404, "not_found"]);
});

test("the worker of a running job learns that it is cancelled, and gives it back for good", async () => {
  const { ask, push, take, claim, job } = openQueued();
  const { id } = await push("work");
  const { lease_token } = await take();
  assert.equal((await ask("POST", `/queue/work/${id}/cancel`)).body, { id, state: "running" });
  const beat = await ask("POST", `/queue/work/${id}/extend`, { lease_token });
  assert.is(beat.body.cancel_requested, true);
  const back = await ask("POST", `/queue/work/${id}/nack`, { lease_token });
  assert.is(back.body.state, "cancelled");
  assert.equal(await claim(), []);
  assert.is((await job(id)).state, "cancelled");
});

test("a job that has ended cannot be cancelled", async () => {
  const { ask, push, take, ack } = openQueued();
  const { id } = await push("work");
  await ack(await take());
  assert.equal(refusal(await ask("POST", `/queue/work/${id}/cancel`)), [409, "conflict"]);
});

test("whoever waits for jobs gets the next of a group when the one before it has ended", async () => {
  const { ask, begin, take, ack, advance } = openQueued();
  await ask("POST", "/queue/work", [
    { payload: 1, group: "g" },
    { payload: 2, group: "g" },
  ]);
  const first = await take();
  const waiting = await begin("POST", "/queue/work/claim", { wait_seconds: 30 });
  assert.is(waiting.reply, undefined);
  await ack(first);
  await advance(0);
  assert.is(waiting.reply!.body.jobs[0].payload, 2);
});

test("a claim acknowledges what was done before it, in the same request and before it waits", async () => {
  const { ask, begin, push, take, job, advance } = openQueued();
  const first = await push("first");
  const held = await take();
  await push("second");
  const acks = [
    { id: held.id, lease_token: held.lease_token, result: "ok" },
    { id: held.id, lease_token: NEVER },
  ];
  const { body } = await ask("POST", "/queue/work/claim", { acks });
  assert.equal(body.acks, [
    { id: first.id, outcome: "acked" },
    { id: first.id, outcome: "stale" },
  ]);
  assert.is(body.jobs[0].payload, "second");
  assert.is((await job(first.id)).result, "ok");
  const { id, lease_token } = body.jobs[0];
  const waiting = await begin("POST", "/queue/work/claim", { acks: [{ id, lease_token }], wait_seconds: 20 });
  assert.is((await job(id)).state, "done");
  await advance(20_000);
  assert.equal(waiting.reply!.body, { jobs: [], acks: [{ id, outcome: "acked" }] });
});

test.run();
