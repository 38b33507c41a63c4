/**
 * Two servers on one database and one data directory: what happens on one is seen on the other. On a PostgreSQL given by TEST_DATABASE_URL; the
 * payloads above the limit lie in the directory that both share.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Client, createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

const test = suite(`shared database on ${runtimeName}`);
let database: TestDatabase;
let directory: { path: string; remove(): Promise<void> };
let servers: ServerProcess[];
let one: Client;
let other: Client;

async function open(url: string): Promise<void> {
  database = await createTestDatabase(url);
  directory = await temporaryDirectory();
  const start = () =>
    startServerProcess({ dataDir: directory.path, env: { ...database.env, INTERNAL_TOKEN: "internal" } });
  // Both migrate the empty database at once.
  servers = await Promise.all([start(), start()]);
  [one, other] = servers.map((server) => createClient(server.url)) as [Client, Client];
}

test.after(async () => {
  for (const { code } of await Promise.all(servers.map((server) => server.end("SIGTERM")))) assert.is(code, 0);
  await database.drop();
  await directory.remove();
});

test("a stream on one gets what is published on the other, small and large, in one order", async () => {
  const channel = await one.createChannel();
  const here = await openEvents(`${one.base}/v1/public/${channel.id}`);
  const there = await openEvents(`${other.base}/v1/public/${channel.id}`);
  const large = "x".repeat(60_000);
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const reply = await (index % 2 === 0 ? one : other).publish(
        channel,
        index % 10 === 0 ? `${index} ${large}` : `${index}`,
      );
      assert.is(reply.status, 201);
    }),
  );
  const [mine, theirs] = await Promise.all([here.until(40), there.until(40)]);
  assert.equal(
    theirs.map(({ data }) => data),
    mine.map(({ data }) => data),
  );
  const numbers = mine.map(({ data }) => Number(String(JSON.parse(data).payload).split(" ")[0]));
  assert.equal(
    numbers.sort((left, right) => left - right),
    Array.from({ length: 40 }, (_, index) => index),
  );
  const ids = mine.map(({ id }) => id!);
  assert.equal([...ids].sort(), ids);
  here.close();
  there.close();
});

test("what is published on one reaches a stream on the other within a second", async () => {
  const channel = await one.createChannel();
  const there = await openEvents(`${other.base}/v1/public/${channel.id}`);
  assert.is((await one.publish(channel, "knock")).status, 201);
  await there.until(1, 1_000);
  there.close();
});

test("a token made on one is good on the other at once", async () => {
  const channel = await one.createChannel({ visibility: "private" });
  assert.is((await other.publish(channel, "hello")).status, 201);
  const there = await openEvents(`${other.base}/v1/private/${channel.id}?from=earliest`, {
    "X-Read-Token": channel.read_token!,
  });
  await there.until(1);
  there.close();
});

test("a grant revoked on one ends its stream on the other within a second, and no other", async () => {
  const channel = await one.createChannel({ visibility: "private" });
  const owner = { headers: { "X-Publish-Token": channel.publish_token } };
  const path = `/v1/channels/${channel.id}/read-grants`;
  const grant = await other.send("POST", path, { body: {}, ...owner });
  const url = `${other.base}/v1/private/${channel.id}`;
  const ending = await openEvents(url, { "X-Read-Token": grant.body.raw_token });
  const staying = await openEvents(url, { "X-Read-Token": channel.read_token! });
  assert.equal([ending.response.status, staying.response.status], [200, 200]);
  assert.is((await one.send("POST", `${path}/${grant.body.id}/revoke`, owner)).status, 200);
  await ending.ended(1_000);
  assert.is(
    (await other.send("GET", `/v1/private/${channel.id}`, { headers: { "X-Read-Token": grant.body.raw_token } }))
      .status,
    401,
  );
  await one.publish(channel, "for those who stay");
  await staying.until(1);
  staying.close();
});

test("a ticket made on one opens the stream and the long-poll of the other, and both end with its grant", async () => {
  const channel = await one.createChannel({ visibility: "private" });
  const owner = { headers: { "X-Publish-Token": channel.publish_token } };
  const path = `/v1/channels/${channel.id}/read-grants`;
  const grant = await one.send("POST", path, { body: {}, ...owner });
  const { body } = await one.send("POST", `/v1/channels/${channel.id}/tickets`, {
    headers: { "X-Read-Token": grant.body.raw_token },
  });
  const at = `/v1/private/${channel.id}?ticket=${body.ticket}`;
  // Both see its first use at once.
  const streams = await Promise.all([one, other].map(({ base }) => openEvents(base + at)));
  for (const { response } of streams) assert.is(response.status, 200);
  const polled = other.send("GET", `${at}&wait=30&from=earliest`);
  await one.publish(channel, "for all");
  assert.is((await polled).body.messages[0].payload, "for all");
  for (const stream of streams) await stream.until(1, 1_000);
  const waiting = other.send("GET", `${at}&wait=30`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.is((await one.send("POST", `${path}/${grant.body.id}/revoke`, owner)).status, 200);
  for (const stream of streams) await stream.ended(1_000);
  assert.is((await waiting).status, 401);
  for (const each of [one, other]) assert.is((await each.send("GET", at)).status, 401);
});

test("a channel deleted on one is 404 on the other at once, and its streams end", async () => {
  const channel = await one.createChannel();
  const owner = { headers: { "X-Publish-Token": channel.publish_token } };
  const there = await openEvents(`${other.base}/v1/public/${channel.id}`);
  await other.publish(channel, "it lives");
  await there.until(1);
  assert.is((await one.send("DELETE", `/v1/channels/${channel.id}`, owner)).status, 200);
  const replies = await Promise.all([
    other.send("GET", `/v1/channels/${channel.id}`, owner),
    other.publish(channel, "too late"),
    other.send("GET", `/v1/public/${channel.id}`),
    other.send("GET", `/internal/v1/channels/${channel.id}/messages`, {
      headers: { Authorization: "Bearer internal" },
    }),
  ]);
  assert.equal(
    replies.map(({ status }) => status),
    [404, 404, 404, 404],
  );
  await there.ended(1_000);
});

test("one of them may be killed and come back while the other goes on", async () => {
  const channel = await one.createChannel();
  const there = await openEvents(`${other.base}/v1/public/${channel.id}`);
  await servers[0]!.end("SIGKILL");
  assert.is((await other.publish(channel, "alone")).status, 201);
  await there.until(1);
  servers[0] = await startServerProcess({ dataDir: directory.path, env: database.env });
  const back = createClient(servers[0].url);
  assert.is((await back.publish(channel, "together again")).status, 201);
  await there.until(2, 2_000);
  there.close();
});

if (testServer === null) {
  console.log("skipped: no TEST_DATABASE_URL");
} else {
  const url = testServer;
  test.before(() => open(url));
  test.run();
}
