import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openQueued, type Queued, refusal } from "../support/queued.ts";

const test = suite("queues: managing");

/** Puts jobs in and lets each die at its first attempt. */
async function die({ ask, push, take }: Queued, ...payloads: unknown[]): Promise<string[]> {
  const ids: string[] = [];
  for (const payload of payloads) {
    ids.push((await push(payload)).id);
    const { id, lease_token } = await take();
    await ask("POST", `/queue/work/${id}/nack`, { lease_token, final: true, error: `no ${payload}` });
  }
  return ids;
}

const payloads = ({ body }: { body: { jobs: { payload: unknown }[] } }) => body.jobs.map(({ payload }) => payload);

test("dead jobs are listed, the latest first, in pages", async () => {
  const server = openQueued();
  await die(server, 1, 2, 3);
  const first = await server.ask("GET", "/queue/work/dead?limit=2");
  assert.equal(payloads(first), [3, 2]);
  assert.is(first.body.jobs[0].error, "no 3");
  const second = await server.ask(
    "GET",
    `/queue/work/dead?limit=2&cursor=${encodeURIComponent(first.body.next_cursor)}`,
  );
  assert.equal([payloads(second), second.body.next_cursor], [[1], null]);
  assert.equal(refusal(await server.ask("GET", "/queue/work/dead?cursor=%25%25")), [400, "invalid_input"]);
});

test("dead jobs are brought back by their ids, all their attempts before them, one with its payload put right", async () => {
  const server = openQueued();
  const [one, two] = await die(server, "wrong", "other");
  const { body } = await server.ask("POST", "/queue/work/redrive", { ids: [one, "99"], limit: 5 });
  assert.equal(body, { redriven: 1, ids: [one] });
  const edited = await server.ask("POST", "/queue/work/redrive", { ids: [two], payload: "right" });
  assert.equal(edited.body, { redriven: 1, ids: [two] });
  const back = await server.claim({ limit: 10 });
  assert.equal(back.map(({ payload, attempt }) => [payload, attempt]).sort(), [
    ["right", 1],
    ["wrong", 1],
  ]);
  assert.is((await server.job(two!)).redrives, 1);
});

test("all dead jobs are brought back at once, and whoever waits for jobs gets them", async () => {
  const server = openQueued();
  await die(server, 1, 2, 3);
  const waiting = await server.begin("POST", "/queue/work/claim", { wait_seconds: 30, limit: 10 });
  const { body } = await server.ask("POST", "/queue/work/redrive");
  assert.equal(body, { redriven: 3 });
  await server.advance(0);
  assert.is(waiting.reply!.body.jobs.length, 3);
});

test("another payload goes with exactly one id", async () => {
  const server = openQueued();
  for (const ids of [undefined, ["1", "2"]]) {
    const refused = await server.ask("POST", "/queue/work/redrive", { ...(ids && { ids }), payload: 1 });
    assert.equal(refusal(refused), [400, "invalid_input"]);
  }
});

test("a paused queue gives nothing and takes everything, and whoever waits is served when it is resumed", async () => {
  const { ask, begin, push, take, claim, ack, advance } = openQueued();
  await push(1);
  const running = await take();
  assert.is((await ask("POST", "/queue/work/pause")).body.paused, true);
  await push(2);
  assert.equal(await claim(), []);
  assert.is((await ack(running)).status, 200);
  const waiting = await begin("POST", "/queue/work/claim", { wait_seconds: 30 });
  await advance(5_000);
  assert.is(waiting.reply, undefined);
  assert.is((await ask("POST", "/queue/work/resume")).body.paused, false);
  await advance(0);
  assert.is(waiting.reply!.body.jobs[0].payload, 2);
});

test("what is done to a queue that is not there is 404", async () => {
  const { ask } = openQueued();
  for (const what of ["pause", "resume"])
    assert.equal(refusal(await ask("POST", `/queue/none/${what}`)), [404, "not_found"]);
  assert.equal(refusal(await ask("POST", "/queue/none/purge", { confirm: "none" })), [404, "not_found"]);
  assert.equal(refusal(await ask("GET", "/queue/none")), [404, "not_found"]);
  assert.equal((await ask("GET", "/queue/none/jobs")).body, { jobs: [], next_cursor: null });
});

test("purging wants the queue's name typed again, and takes the leases of those who work", async () => {
  const { ask, push, take, ack } = openQueued();
  for (const payload of [1, 2, 3]) await push(payload);
  const running = await take();
  for (const confirm of [undefined, "", "Work", "other"])
    assert.equal(refusal(await ask("POST", "/queue/work/purge", confirm === undefined ? {} : { confirm })), [
      400,
      "invalid_input",
    ]);
  assert.is((await ask("POST", "/queue/work/purge", { confirm: "work", state: "waiting" })).body.purged, 2);
  assert.is((await ask("POST", "/queue/work/purge", { confirm: "work" })).body.purged, 1);
  assert.is((await ack(running)).status, 404);
});

test("stats tell depth, oldest age, rates and attempts", async () => {
  const server = openQueued();
  const { ask, push, take, ack, advance } = server;
  await die(server, "dead");
  await push(1);
  await ack(await take());
  await push(2);
  await push(3, { delay_seconds: 3_600 });
  await push(4, { group: "g" });
  await push(5, { group: "g" });
  await advance(90_000);
  await take();
  await advance(1_500);
  const { body } = await ask("GET", "/queue/work");
  assert.equal(body.counts, { waiting: 2, delayed: 1, running: 1, done: 1, dead: 1, cancelled: 0 });
  assert.equal([body.depth, body.held, body.oldest_waiting_seconds], [4, 1, 91.5]);
  assert.equal(body.attempts, { jobs: 1, mean: 1, most: 1 });
  assert.equal(body.per_minute, {
    pushed: 6 / 5,
    claimed: 2 / 5,
    acked: 1 / 5,
    nacked: 1 / 5,
    expired: 0,
    dead: 1 / 5,
  });
  assert.equal(body.minutes[0], {
    at: "2026-01-01T00:01:00.000Z",
    pushed: 0,
    claimed: 1,
    acked: 0,
    nacked: 0,
    expired: 0,
    dead: 0,
  });
});

test("settings hold for jobs that do not say otherwise, and what is left out stays", async () => {
  const { ask, push, take, advance } = openQueued();
  const { body } = await ask("PATCH", "/queue/work", { max_attempts: 2, backoff_seconds: 5, backoff_jitter: 0 });
  assert.equal([body.settings.max_attempts, body.settings.backoff_seconds, body.settings.backoff_factor], [2, 5, 2]);
  const second = await ask("PATCH", "/queue/work", { group_concurrency: 2, backoff_factor: 3 });
  assert.equal(
    [second.body.settings.backoff_seconds, second.body.settings.backoff_factor, second.body.settings.max_attempts],
    [5, 3, 2],
  );
  const { id } = await push("work");
  assert.is((await take()).max_attempts, 2);
  await push("own", { max_attempts: 7 });
  const own = await take();
  assert.is(own.max_attempts, 7);
  await advance(0);
  assert.ok(id);
  for (const bad of [{ max_attempts: 0 }, { backoff_jitter: 2 }, { backoff_factor: 0.5 }, { colour: "red" }])
    assert.equal(refusal(await ask("PATCH", "/queue/work", bad)), [400, "invalid_input"], JSON.stringify(bad));
});

test("a change of group_concurrency holds at once, and whoever waits for jobs gets those that it lets go ahead", async () => {
  const { ask, begin, push, take, claim, advance } = openQueued();
  await ask("PATCH", "/queue/work", { group_concurrency: 3 });
  for (const payload of [1, 2, 3]) await push(payload, { group: "a" });
  assert.is((await take()).payload, 1);
  await ask("PATCH", "/queue/work", { group_concurrency: 1 });
  assert.equal(await claim({ limit: 10 }), []);
  const waiting = await begin("POST", "/queue/work/claim", { wait_seconds: 30, limit: 10 });
  assert.is(waiting.reply, undefined);
  await ask("PATCH", "/queue/work", { group_concurrency: 2 });
  await advance(0);
  assert.equal(payloads(waiting.reply!), [2]);
});

test("a job that nobody claims any more is dead within seconds of its lease, and whoever waits for its end is told", async () => {
  const { app, ask, begin, push, take, job, ack, advance, stop } = openQueued();
  const { id } = await push("last", { max_attempts: 1 });
  const again = await push("again");
  app.start();
  const lost = await take({ visibility_timeout_seconds: 1 });
  await take({ visibility_timeout_seconds: 1 });
  await advance(500);
  const waiting = await begin("GET", `/queue/work/${id}?wait=30`);
  assert.is((await job(id)).state, "running");
  // Between two of the looks that are for lost knocks.
  await advance(4_600);
  assert.equal([waiting.reply?.body.state, waiting.reply?.body.error], ["dead", "The lease expired."]);
  assert.equal(payloads(await ask("GET", "/queue/work/dead")), ["last"]);
  assert.is((await job(again.id)).state, "waiting");
  assert.equal(refusal(await ack(lost)), [409, "conflict", "lease_lost"]);
  assert.is((await ask("POST", "/queue/work/redrive")).body.redriven, 1);
  await stop();
});

test("what has ended is forgotten when its retention is over, by a duty", async () => {
  const server = openQueued();
  const { app, ask, push, take, ack, job, advance } = server;
  await ask("PATCH", "/queue/work", { done_retention_seconds: 60 });
  const { id } = await push("work");
  await ack(await take());
  assert.is((await job(id)).state, "done");
  app.start();
  await advance(120_000);
  assert.equal(refusal(await ask("GET", `/queue/work/${id}`)), [404, "not_found"]);
  await server.stop();
});

test("queues are listed in pages, and one without jobs and schedules can be forgotten", async () => {
  const { ask } = openQueued();
  for (const name of ["c", "a", "b"]) await ask("POST", `/queue/${name}`, { payload: 1 });
  const first = await ask("GET", "/queue-namespaces?limit=2");
  const names = ({ body }: typeof first) => body.queues.map(({ namespace }: { namespace: string }) => namespace);
  assert.equal(names(first), ["a", "b"]);
  assert.equal(names(await ask("GET", `/queue-namespaces?cursor=${first.body.next_cursor}`)), ["c"]);
  assert.equal(refusal(await ask("DELETE", "/queue/a")), [409, "conflict"]);
  await ask("POST", "/queue/a/purge", { confirm: "a" });
  assert.is((await ask("DELETE", "/queue/a")).status, 200);
  assert.equal(names(await ask("GET", "/queue-namespaces")), ["b", "c"]);
});

test("one queue's jobs are not another's", async () => {
  const { ask, push, take } = openQueued();
  const { id } = await push("work");
  const { lease_token } = await take();
  assert.equal(refusal(await ask("GET", `/queue/other/${id}`)), [404, "not_found"]);
  const foreign = await ask("DELETE", `/queue/other/${id}`, undefined, { "X-Lease-Token": lease_token });
  assert.equal(refusal(foreign), [404, "not_found"]);
});

test.run();
