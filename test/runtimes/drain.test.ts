/** A server that is told to stop while it is in use: nobody loses anything, nobody is cut off without a word, and nobody waits for nobody. */
import { connect, type Socket } from "node:net";
import process from "node:process";
import { Client as Session } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { type EventReader, openEvents } from "../support/event_stream.ts";
import { eventually } from "../support/eventually.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, testServer } from "../support/test_database.ts";

const test = suite(`drain on ${runtimeName}`);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A request whose head is on its way: the server holds the connection and cannot answer yet. */
async function halfSent(url: string, start: string): Promise<{ finish(rest: string): Promise<string> }> {
  const { hostname, port, host } = new URL(url);
  const socket = connect(Number(port), hostname === "localhost" ? "127.0.0.1" : hostname);
  let text = "";
  socket.on("data", (data) => {
    text += data.toString("latin1");
  });
  const over = new Promise<void>((resolve) => {
    socket.on("error", () => resolve());
    socket.on("end", () => resolve());
    socket.on("close", () => resolve());
  });
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(`${start} HTTP/1.1\r\nHost: ${host}\r\n`);
  return {
    async finish(rest) {
      socket.write(rest);
      await Promise.race([over, pause(1_000)]);
      socket.destroy();
      return text;
    },
  };
}

/** A new connection; null when it is refused. */
function openSocket(url: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => resolve(socket));
    socket.on("error", () => resolve(null));
  });
}

interface Attempt {
  payload: string;
  at: number;
  /** null: there was no answer. */
  status: number | null;
  retryAfter: string | null;
}

/** Publishes again and again, until a publish is not taken. */
async function publishUntilRefused(url: string, channel: CreatedChannel, name: string): Promise<Attempt[]> {
  const client = createClient(url);
  const attempts: Attempt[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    const attempt: Attempt = { payload: `${name}/${n}`, at: performance.now(), status: null, retryAfter: null };
    attempts.push(attempt);
    const reply = await client.publish(channel, attempt.payload).catch(() => null);
    attempt.status = reply?.status ?? null;
    attempt.retryAfter = reply?.headers.get("retry-after") ?? null;
    if (attempt.status !== 201) break;
    await pause(5);
  }
  return attempts;
}

/** When each stream ended. */
function watchEnds(streams: readonly EventReader[]): Promise<number[]> {
  return Promise.all(streams.map((stream) => stream.ended(20_000).then(() => performance.now())));
}

async function payloadsIn(channel: CreatedChannel, base: string, atLeast: number): Promise<Set<string>> {
  const stream = await openEvents(`${base}/v1/public/${channel.id}?from=earliest`);
  await stream.until(atLeast, 20_000);
  stream.close();
  return new Set(stream.events.map((event) => JSON.parse(event.data).payload));
}

const STREAMS = 20;
const NOTICE_MS = 1_000;
const OVER_MS = 2_000;

/** Streams end after the notice and not together; `ends` are milliseconds after the signal. */
function assertOneByOne(ends: readonly number[]): void {
  const times = [...ends].sort((left, right) => left - right);
  const shown = times.map(Math.round).join(", ");
  assert.ok(times[0]! > NOTICE_MS - 100, `a stream ended during the notice: ${shown}`);
  assert.ok(times.at(-1)! - times[0]! > OVER_MS / 2, `streams ended together: ${shown}`);
  const early = times.filter((at) => at < NOTICE_MS + OVER_MS / 2).length;
  assert.ok(early > STREAMS / 5 && early < STREAMS, `streams ended together: ${shown}`);
}

/** The last that each reader is told is when to come back, and that is not the same for all. */
function assertAskedBack(readers: readonly EventReader[]): void {
  const waits = readers.map(({ retries }) => retries.at(-1)!);
  for (const { comments } of readers) assert.is(comments.at(-1), "come back");
  for (const ms of waits) assert.ok(ms >= 1_000 && ms <= 5_000, `retry: ${ms}`);
  assert.ok(new Set(waits).size > STREAMS / 2, `they come back together: ${waits}`);
}

/** Publishes are taken all through the notice; afterwards they are taken, or told to come back, or find nobody. */
function assertServedOn(attempts: readonly Attempt[], began: number): void {
  for (const { at, status, retryAfter } of attempts) {
    const when = `${Math.round(at - began)} ms after the signal: ${status}`;
    if (at < began + NOTICE_MS - 200) assert.is(status, 201, when);
    else assert.ok(status === 201 || status === null || (status === 503 && retryAfter !== null), when);
  }
  assert.ok(attempts.some(({ at, status }) => at > began + NOTICE_MS / 2 && status === 201));
}

/** A database of a test's own and the servers started on it, which end with the test whatever becomes of it. */
interface Bench {
  url: string;
  start(env?: Record<string, string>): Promise<ServerProcess>;
}

function keeps(promise: string, proof: (bench: Bench) => Promise<void>): void {
  test(promise, async () => {
    const directory = await temporaryDirectory();
    const database = await createTestDatabase(testServer!);
    const started: ServerProcess[] = [];
    const start = async (env = {}) => {
      const server = await startServerProcess({ dataDir: directory.path, env: { ...database.env, ...env } });
      started.push(server);
      return server;
    };
    try {
      await proof({ url: database.url, start });
    } finally {
      for (const server of started) if (server.child.exitCode === null) await server.end("SIGKILL");
      await database.drop();
      await directory.remove();
    }
  });
}

if (testServer === null) console.log("skipped: TEST_DATABASE_URL");
else {
  keeps(
    "SIGTERM in the midst of work: not ready at once, served on, streams end one by one, and what was acknowledged is stored",
    async ({ start }) => {
      const server = await start({ DRAIN_LB: "1", DRAIN: "2" });
      const client = createClient(server.url);
      const channel = await client.createChannel();
      const path = `/v1/public/${channel.id}`;
      const streams = await Promise.all(Array.from({ length: STREAMS }, () => openEvents(server.url + path)));
      const publishing = [0, 1, 2, 3].map((name) => publishUntilRefused(server.url, channel, `${name}`));
      const lateStream = await halfSent(server.url, `GET ${path}`);
      const latePublish = await halfSent(server.url, `POST /v1/channels/${channel.id}/publish`);
      await streams[0]!.until(50, 10_000);

      const began = performance.now();
      const ending = server.end("SIGTERM");
      await eventually("it is not ready", async () => (await client.send("GET", "/readyz")).status === 503, 900);
      assert.is((await client.send("GET", "/readyz")).body.checks.server.reason, "stopping");
      const last = await openEvents(server.url + path);
      assert.is((await client.publish(channel, "served on")).status, 201);
      await eventually("the new stream has it", () => last.events.some(({ data }) => data.includes("served on")), 800);
      const readers = [...streams, last];
      const ends = watchEnds(readers);

      await Promise.race(readers.map((reader) => reader.ended(20_000)));
      if (runtimeName !== "deno") assert.is(await openSocket(server.url), null, "a new connection was taken");
      const [farewell, refusal] = await Promise.all([
        lateStream.finish("\r\n"),
        latePublish.finish(`X-Publish-Token: ${channel.publish_token}\r\nContent-Length: 4\r\n\r\nlate`),
      ]);
      assert.match(farewell, /^HTTP\/1\.1 200 .*\nretry: [1-5]\d{3}\n/s);
      assert.not.match(farewell, "event:");
      assert.match(refusal, /^HTTP\/1\.1 503 .*"code":"unavailable"/s);
      assert.match(refusal, /\nretry-after: [1-9]\r\n/i);

      const { code, ms } = await ending;
      assert.is(code, 0, server.output());
      assert.ok(ms < NOTICE_MS + OVER_MS + 4_000, `it took ${Math.round(ms)} ms`);
      assertOneByOne((await ends).map((at) => at - began));
      assertAskedBack(readers);
      const attempts = (await Promise.all(publishing)).flat();
      assertServedOn(attempts, began);
      const acknowledged = attempts.filter(({ status }) => status === 201).map(({ payload }) => payload);
      const second = await start();
      const stored = await payloadsIn(channel, second.url, acknowledged.length + 1);
      assert.equal(
        acknowledged.filter((payload) => !stored.has(payload)),
        [],
        "acknowledged and lost",
      );
      assert.not(stored.has("late"), "refused and stored");
      assert.is((await second.end("SIGTERM")).code, 0);
    },
  );

  keeps("an idle connection, as a browser keeps it, holds nothing up", async ({ start }) => {
    const server = await start({ DRAIN_LB: "20" });
    const idle = (await openSocket(server.url))!;
    idle.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await new Promise((resolve) => idle.once("data", resolve));
    const { code, ms } = await server.end("SIGTERM");
    assert.is(code, 0, server.output());
    assert.ok(ms < 10_000, `it took ${Math.round(ms)} ms`);
    assert.not.match(server.output(), "Another Ctrl-C");
    idle.destroy();
  });

  keeps(
    "Ctrl-C with a stream open says what it waits for; another ends it at once, but not the same one seen twice",
    async ({ start }) => {
      const server = await start({ DRAIN_LB: "60" });
      const channel = await createClient(server.url).createChannel();
      const stream = await openEvents(channel.url);
      const ending = server.end("SIGINT");
      await eventually("it says so", () =>
        /^Stopping with 1 stream and 0 requests open: .* Another Ctrl-C/m.test(server.output()),
      );
      process.kill(server.child.pid!, "SIGINT");
      await pause(1_100);
      assert.is(server.child.exitCode, null);
      const again = performance.now();
      process.kill(server.child.pid!, "SIGINT");
      assert.is((await ending).code, 1);
      assert.ok(performance.now() - again < 10_000);
      await stream.ended();
    },
  );

  keeps("what has reached the lane is stored, even for callers who have left", async ({ start, url }) => {
    const server = await start({ DRAIN_LB: "0", DRAIN: "0" });
    const channel = await createClient(server.url).createChannel();
    assert.is((await createClient(server.url).publish(channel, "before")).status, 201);
    const session = new Session({ connectionString: url });
    await session.connect();
    await session.query("BEGIN; LOCK TABLE journal_entries IN SHARE MODE");
    const head = `POST /v1/channels/${channel.id}/publish HTTP/1.1\r\nHost: localhost\r\nX-Publish-Token: ${channel.publish_token}\r\nContent-Length: 1\r\n\r\n`;
    const first = (await openSocket(server.url))!;
    first.write(`${head}1`);
    const blocked =
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    await eventually("the first is held up in the database", async () => {
      // In a transaction the first look would be all that is ever seen.
      await session.query("SELECT pg_stat_clear_snapshot()");
      return (await session.query(blocked)).rows[0].n > 0;
    });
    // While it is, the second waits in the lane of the process.
    const second = (await openSocket(server.url))!;
    second.write(`${head}2`);
    await pause(200);
    first.destroy();
    second.destroy();
    const ending = server.end("SIGTERM");
    await pause(400);
    await session.query("COMMIT");
    assert.is((await ending).code, 0, server.output());
    const { rows } = await session.query("SELECT count(*)::int AS n FROM journal_entries");
    await session.end();
    assert.is(rows[0].n, 3);
  });
}

test.run();
