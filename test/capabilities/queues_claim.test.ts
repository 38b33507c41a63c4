import { suite } from "uvu";
import * as assert from "uvu/assert";
import { memoryPorts, memoryTown } from "../support/memory_house.ts";
import { openQueued, type Queued } from "../support/queued.ts";

const test = suite("queues: claiming");

const CLAIM = "/queue/work/claim";
const payloads = (jobs: readonly { payload: unknown }[]) => jobs.map(({ payload }) => payload);

/** Counts the looks at the store. */
function counted(options: Parameters<typeof openQueued>[0] = {}): Queued & { looks(): number } {
  const ports = options.ports ?? memoryPorts();
  const { claim } = ports.database.queue;
  let looks = 0;
  const queue = {
    ...ports.database.queue,
    claim: (...of: Parameters<typeof claim>) => {
      looks += 1;
      return claim(...of);
    },
  };
  return {
    ...openQueued({ ...options, ports: { ...ports, database: { ...ports.database, queue } } }),
    looks: () => looks,
  };
}

test("an empty queue, or none, gives an empty list at once", async () => {
  const { ask } = openQueued();
  const { status, body } = await ask("POST", CLAIM);
  assert.equal([status, body], [200, { jobs: [] }]);
});

test("a claimed job is nobody else's until its lease is over, and then it comes back as the next attempt", async () => {
  const { push, claim, take, advance } = openQueued();
  await push("work");
  const first = await take({ visibility_timeout_seconds: 10 });
  assert.is(first.lease_expires_at, new Date(Date.UTC(2026, 0, 1) + 10_000).toISOString());
  await advance(9_999);
  assert.equal(await claim(), []);
  await advance(1);
  const second = await take();
  assert.equal([second.id, second.attempt], [first.id, 2]);
  assert.is.not(second.lease_token, first.lease_token);
});

test("a lease lasts 30 seconds unless the claim says otherwise, and a claim gives one job", async () => {
  const { ask, claim, advance } = openQueued();
  await ask("POST", "/queue/work", [{ payload: 1 }, { payload: 2 }]);
  assert.equal(payloads(await claim()), [1]);
  await advance(29_999);
  assert.equal(payloads(await claim({ limit: 2 })), [2]);
  await advance(1);
  assert.equal(payloads(await claim({ limit: 2 })), [1]);
});

test("after max_attempts claims a job is dead and is not claimed again", async () => {
  const { push, claim, take, job, advance } = openQueued();
  const { id } = await push("hopeless", { max_attempts: 2 });
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    assert.is((await take({ visibility_timeout_seconds: 1 })).attempt, attempt);
    await advance(1_000);
  }
  assert.equal(await claim(), []);
  const { state, error, attempt } = await job(id);
  assert.equal([state, error, attempt], ["dead", "The lease expired.", 2]);
});

test("a claim that waits is answered as soon as a job is put in", async () => {
  const { begin, push, advance } = openQueued();
  const waiting = await begin("POST", CLAIM, { wait_seconds: 30 });
  await advance(10_000);
  assert.is(waiting.reply, undefined);
  await push("new");
  await advance(0);
  assert.equal(payloads(waiting.reply!.body.jobs), ["new"]);
});

test("a claim that waits is answered when a delayed job comes due, and when a lease is over", async () => {
  const { begin, push, advance } = openQueued();
  await push("late", { delay_seconds: 4 });
  const first = await begin("POST", CLAIM, { wait_seconds: 30, visibility_timeout_seconds: 7 });
  await advance(3_999);
  assert.is(first.reply, undefined);
  await advance(1);
  assert.equal(payloads(first.reply!.body.jobs), ["late"]);
  const second = await begin("POST", CLAIM, { wait_seconds: 30 });
  await advance(6_999);
  assert.is(second.reply, undefined);
  await advance(1);
  assert.equal([payloads(second.reply!.body.jobs), second.reply!.body.jobs[0].attempt], [["late"], 2]);
});

test("a wait that is over is an empty list", async () => {
  const { begin, advance } = openQueued();
  const waiting = await begin("POST", CLAIM, { wait_seconds: 5 });
  await advance(4_999);
  assert.is(waiting.reply, undefined);
  await advance(1);
  assert.equal([waiting.reply!.status, waiting.reply!.body], [200, { jobs: [] }]);
});

test("a job that comes while the claim looks is not missed", async () => {
  const ports = memoryPorts();
  const { claim } = ports.database.queue;
  let meanwhile: (() => Promise<unknown>) | null = null;
  ports.database.queue.claim = async (...of) => {
    const seen = await claim(...of);
    const then = meanwhile;
    meanwhile = null;
    await then?.();
    return seen;
  };
  const server = openQueued({ ports });
  meanwhile = () => server.push("meanwhile");
  const waiting = await server.begin("POST", CLAIM, { wait_seconds: 30 });
  await server.advance(0);
  assert.equal(payloads(waiting.reply!.body.jobs), ["meanwhile"]);
});

test("who waits on another process is woken too", async () => {
  const town = memoryTown();
  const [here, there] = [openQueued({ ports: memoryPorts(town) }), openQueued({ ports: memoryPorts(town, 2) })];
  const waiting = await there.begin("POST", CLAIM, { wait_seconds: 30 });
  await here.push("from here");
  await there.advance(0);
  assert.equal(payloads(waiting.reply!.body.jobs), ["from here"]);
});

test("a lost knock costs a second, not the job", async () => {
  const ports = memoryPorts();
  const { begin, advance } = openQueued({ ports });
  const waiting = await begin("POST", CLAIM, { wait_seconds: 30 });
  await ports.database.queue.push({ op: "queue.push", realm: "user", queue: "work", jobs: [{ payload: '"quiet"' }] });
  await advance(999);
  assert.is(waiting.reply, undefined);
  await advance(1);
  assert.equal(payloads(waiting.reply!.body.jobs), ["quiet"]);
});

test("waiting is not asking: in half a minute a claim looks about once a second", async () => {
  const { begin, advance, looks } = counted();
  await begin("POST", CLAIM, { wait_seconds: 30 });
  await advance(30_000);
  assert.ok(looks() >= 2 && looks() <= 33, `${looks()} looks`);
});

test("a caller that goes away stops waiting, and gets no job", async () => {
  const { begin, push, take, advance, looks } = counted();
  const waiting = await begin("POST", CLAIM, { wait_seconds: 30 });
  waiting.leave();
  await advance(0);
  const before = looks();
  await push("for whoever is there");
  await advance(5_000);
  assert.is(looks(), before);
  assert.is((await take()).attempt, 1);
});

test("jobs whose caller goes away while they are claimed are somebody else's at once", async () => {
  const ports = memoryPorts();
  const { claim } = ports.database.queue;
  const server = openQueued({ ports });
  const waiting = await server.begin("POST", CLAIM, { wait_seconds: 30 });
  ports.database.queue.claim = async (...of) => {
    const claimed = await claim(...of);
    waiting.leave();
    return claimed;
  };
  await server.push("work");
  await server.advance(0);
  ports.database.queue.claim = claim;
  assert.equal(payloads(await server.claim()), ["work"]);
});

test("stop() answers those who wait with an empty list, and takes in no others", async () => {
  const server = openQueued();
  const waiting = await server.begin("POST", CLAIM, { wait_seconds: 30 });
  const job = await server.push("x", { delay_seconds: 600 });
  const looking = await server.begin("GET", `/queue/work/${job.id}?wait=30`);
  const stopped = server.stop();
  await server.advance(0);
  await stopped;
  assert.equal([waiting.reply!.status, waiting.reply!.body], [200, { jobs: [] }]);
  assert.equal([looking.reply!.status, looking.reply!.body.state], [200, "delayed"]);
  const late = await server.ask("POST", CLAIM, { wait_seconds: 30 });
  assert.is(late.status, 503);
});

test("of several who wait each job goes to one", async () => {
  const { begin, ask, advance } = openQueued();
  const all = [];
  for (let count = 0; count < 5; count += 1) all.push(await begin("POST", CLAIM, { wait_seconds: 30 }));
  await ask("POST", "/queue/work", [{ payload: 1 }, { payload: 2 }, { payload: 3 }]);
  await advance(0);
  const got = all.flatMap(({ reply }) => (reply === undefined ? [] : payloads(reply.body.jobs)));
  assert.equal(got.sort(), [1, 2, 3]);
  assert.is(all.filter(({ reply }) => reply === undefined).length, 2);
});

test("a token that is revoked ends its waiting claim with 401", async () => {
  const { ask, begin, advance } = openQueued();
  const { body: token } = await ask("POST", "/tokens", { label: "worker", scopes: ["queues:write:work"] });
  const headers = { Authorization: `Bearer ${token.token}` };
  // A token is hashed on another thread; once it is remembered, a claim stands where it waits after one turn.
  assert.is((await ask("POST", CLAIM, {}, headers)).status, 200);
  const waiting = await begin("POST", CLAIM, { wait_seconds: 30 }, headers);
  await advance(1_000);
  assert.is(waiting.reply, undefined);
  await ask("DELETE", `/tokens/${token.id}`);
  await advance(1_000);
  assert.is(waiting.reply?.status, 401);
});

test("a token claims only where its scope says", async () => {
  const { ask } = openQueued();
  const { body: token } = await ask("POST", "/tokens", {
    label: "worker",
    scopes: ["queues:write:work", "queues:read:mail-*"],
  });
  const headers = { Authorization: `Bearer ${token.token}` };
  const answered = async (method: string, path: string, body?: unknown) =>
    (await ask(method, path, body, headers)).status;
  assert.is(await answered("POST", CLAIM, {}), 200);
  assert.is(await answered("POST", "/queue/other/claim", {}), 403);
  assert.is(await answered("POST", "/queue/mail-a/claim", {}), 403);
  assert.is(await answered("GET", "/queue/mail-a/jobs"), 200);
  assert.is(await answered("GET", "/queue/work/jobs"), 403);
  assert.is(await answered("GET", "/queue-namespaces"), 403);
});

test.run();
