/** The main job on a real server of the runtime that runs this file, everything through the URL: on embedded PostgreSQL and files on disk, or on the stores that TEST_ variables name. */
import { connect } from "node:net";
import process from "node:process";
import { Client as McpClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Client, createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { sendRaw } from "../support/raw_http.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase } from "../support/test_database.ts";

const INTERNAL = "internal-token-of-the-suite";
const test = suite(`server on ${runtimeName}`);
let server: ServerProcess;
let client: Client;
let directory: { path: string; remove(): Promise<void> };
let database: TestDatabase | undefined;

test.before(async () => {
  directory = await temporaryDirectory();
  server = await startServerProcess({
    dataDir: directory.path,
    env: { INTERNAL_TOKEN: INTERNAL, ...(await externalStores()) },
  });
  client = createClient(server.url);
});

test.after(async () => {
  await server.end("SIGTERM");
  await database?.drop();
  await directory.remove();
});

/** With TEST_S3_ENDPOINT the same promises are kept on the PostgreSQL and the S3 server that the TEST_ variables name. */
async function externalStores(): Promise<Record<string, string>> {
  const { TEST_S3_ENDPOINT, TEST_S3_ACCESS_KEY, TEST_S3_SECRET_KEY, TEST_S3_REGION, TEST_DATABASE_URL } = process.env;
  if (TEST_S3_ENDPOINT === undefined || TEST_DATABASE_URL === undefined) return {};
  database = await createTestDatabase(TEST_DATABASE_URL);
  return {
    ...database.env,
    S3_ENDPOINT: TEST_S3_ENDPOINT,
    S3_BUCKET: `server-${crypto.randomUUID()}`,
    S3_ACCESS_KEY: TEST_S3_ACCESS_KEY ?? "",
    S3_SECRET_KEY: TEST_S3_SECRET_KEY ?? "",
    S3_REGION: TEST_S3_REGION ?? "",
  };
}

test("is healthy and ready, and says its version", async () => {
  const health = await client.send("GET", "/healthz");
  assert.is(health.status, 200);
  assert.is(health.body.status, "ok");
  const ready = await client.send("GET", "/readyz");
  assert.is(ready.status, 200);
  assert.ok(ready.body.checks.database.ready && ready.body.checks.objects.ready && ready.body.checks.migrations.ready);
});

test("answers a plain health check by HTTP/1.0, which names no host", async () => {
  const { status, text } = await sendRaw(server.url, "GET /healthz HTTP/1.0\r\n\r\n");
  assert.is(status, 200, text);
});

test("prints the lines that a newcomer needs", () => {
  assert.match(server.output(), /curl -s http:\/\/localhost:\d+\/v1\/channels -d/);
  assert.match(server.output(), /curl -N "http:\/\/localhost:\d+\/channel\/v1\/public\/\$ID/);
  assert.match(server.output(), /claude mcp add --transport http millrace http:\/\/localhost:\d+\/mcp/);
});

test("streams what is published, and continues after Last-Event-ID", async () => {
  const channel = await client.createChannel();
  assert.is(channel.url, `${server.url}/channel/v1/public/${channel.id}`);
  const live = await openEvents(channel.url);
  assert.match(live.response.headers.get("content-type") ?? "", /^text\/event-stream/);
  assert.is(live.response.headers.get("x-accel-buffering"), "no");
  assert.is(live.response.headers.get("cache-control"), "no-store, no-transform");
  const first = await client.publish(channel, { n: 1 }, { metadata: { by: "suite" }, ttl_seconds: 60 });
  assert.is(first.status, 201);
  for (let n = 2; n <= 20; n += 1) await client.publish(channel, { n });
  const events = await live.until(20);
  live.close();
  assert.equal(
    events.map((event) => JSON.parse(event.data).payload.n),
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  assert.is(events[0]!.id, first.body.id);
  assert.equal(JSON.parse(events[0]!.data), {
    id: first.body.id,
    payload: { n: 1 },
    metadata: { by: "suite" },
    created_at: first.body.created_at,
    expires_at: first.body.expires_at,
  });
  const resumed = await openEvents(`${server.url}/v1/public/${channel.id}`, { "Last-Event-ID": events[9]!.id! });
  const rest = await resumed.until(10);
  assert.is(JSON.parse(rest[0]!.data).payload.n, 11);
  resumed.close();
});

test("sends head and first comment of a silent stream at once", async () => {
  const channel = await client.createChannel();
  const began = performance.now();
  const silent = await openEvents(channel.url);
  assert.ok(performance.now() - began < 1_000, "the head took more than a second");
  const deadline = performance.now() + 2_000;
  while (silent.comments.length === 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(silent.comments.length > 0, "no comment came");
  silent.close();
});

test("takes a raw body byte for byte", async () => {
  const channel = await client.createChannel();
  const post = (raw: string | Uint8Array, type: string) =>
    client.send("POST", `/v1/channels/${channel.id}/publish?ttl_seconds=60`, {
      raw,
      headers: { "X-Publish-Token": channel.publish_token, "Content-Type": type },
    });
  assert.is((await post("done", "application/x-www-form-urlencoded")).status, 201);
  assert.is((await post('{"a": 1}\r\n', "text/plain")).status, 201);
  assert.is((await post(new Uint8Array([0xff, 0, 0x80]), "application/octet-stream")).status, 201);
  const read = await openEvents(`${channel.url}?from=earliest`);
  const messages = (await read.until(3)).map((event) => JSON.parse(event.data));
  read.close();
  assert.equal(
    messages.map((message) => message.payload),
    ["done", '{"a": 1}\r\n', "/wCA"],
  );
  assert.equal(
    messages.map((message) => message.payload_encoding),
    [undefined, undefined, "base64"],
  );
});

test("keeps large payloads in the object store and gives them back unchanged", async () => {
  const channel = await client.createChannel();
  const payload = "ü".repeat(400_000);
  assert.is((await client.publish(channel, payload)).status, 201);
  const read = await openEvents(`${channel.url}?from=earliest`);
  const [event] = await read.until(1);
  read.close();
  assert.is(JSON.parse(event!.data).payload, payload);
});

test("stores a batch of 1000 in order, large payloads among them, or nothing of it, and once for one key", async () => {
  const channel = await client.createChannel();
  const headers = { "X-Publish-Token": channel.publish_token, "Idempotency-Key": "batch" };
  const path = `/v1/channels/${channel.id}/publish`;
  const payloads = Array.from({ length: 1_000 }, (_, index) =>
    index % 100 === 7 ? "x".repeat(20_000 + index) : index,
  );
  const messages = payloads.map((payload) => ({ payload }));
  const bad = [...messages.slice(1), { payload: 1, ttl_seconds: 0 }];
  const refused = await client.send("POST", path, { body: { messages: bad }, headers });
  assert.match(refused.body.error.message, "messages[999].ttl_seconds is 0, the least is 1");
  const first = await client.send("POST", path, { body: { messages }, headers });
  const again = await client.send("POST", path, { body: { messages }, headers });
  assert.equal([first.status, again.status, again.body], [201, 201, first.body]);
  assert.equal(
    [first, again].map(({ headers: told }) => told.get("idempotency-replayed")),
    [null, "true"],
  );
  assert.is((await client.send("POST", path, { body: { messages: messages.slice(1) }, headers })).status, 422);
  const reader = await openEvents(`${channel.url}?from=earliest`);
  const seen = (await reader.until(1_000)).map(({ data }) => JSON.parse(data));
  const ids = first.body.messages.map(({ id }: { id: string }) => id);
  assert.equal(
    seen.map(({ id, payload }) => [id, payload]),
    payloads.map((payload, index) => [ids[index], payload]),
  );
  assert.equal(ids, [...new Set(ids)].sort());
  reader.close();
});

test("refuses a body that is too large while it arrives", async () => {
  const channel = await client.createChannel();
  const sent = await sendEndlessly(
    new URL(server.url),
    `/v1/channels/${channel.id}/publish`,
    `X-Publish-Token: ${channel.publish_token}`,
  );
  // Bun resets the connection of a caller who goes on sending, which now and then overtakes the answer.
  if (runtimeName !== "bun" || sent.head !== "") assert.match(sent.head, /^HTTP\/1\.1 413 /);
  assert.ok(sent.bytes < 40_000_000, `${sent.bytes} bytes were taken before the answer`);
});

test("refuses a declared body of 50 MB before reading it", async () => {
  const channel = await client.createChannel();
  const reply = await client.send("POST", `/v1/channels/${channel.id}/publish`, {
    raw: new Uint8Array(50_000_000),
    headers: { "X-Publish-Token": channel.publish_token, "Content-Type": "application/octet-stream" },
  });
  assert.is(reply.status, 413);
  assert.is(reply.body.error.code, "too_large");
});

test("ends the streams of a revoked grant within a second, and all streams of a deleted channel", async () => {
  const channel = await client.createChannel({ visibility: "private" });
  const owner = { headers: { "X-Publish-Token": channel.publish_token } };
  assert.is((await client.send("GET", `/v1/private/${channel.id}`)).status, 401);
  const grant = await client.send("POST", `/v1/channels/${channel.id}/read-grants`, {
    body: { label: "suite" },
    ...owner,
  });
  const revoked = await openEvents(channel.url, { "X-Read-Token": grant.body.raw_token });
  const other = await openEvents(channel.url, { Authorization: `Bearer ${channel.read_token}` });
  await client.publish(channel, "hello");
  await revoked.until(1);
  await other.until(1);
  assert.is(
    (await client.send("POST", `/v1/channels/${channel.id}/read-grants/${grant.body.id}/revoke`, owner)).status,
    200,
  );
  await revoked.ended(1_000);
  await client.publish(channel, "still here");
  await other.until(2);
  assert.is((await client.send("DELETE", `/v1/channels/${channel.id}`, owner)).status, 200);
  await other.ended(1_000);
  assert.is((await client.send("GET", `/v1/channels/${channel.id}`, owner)).status, 404);
});

test("answers a long-poll at once, as soon as something is published, or when its wait is over", async () => {
  const channel = await client.createChannel();
  const poll = async (query: string) => {
    const began = performance.now();
    const { status, headers, body } = await client.send("GET", `/v1/public/${channel.id}?${query}`);
    assert.is(status, 200, JSON.stringify(body));
    assert.match(headers.get("content-type") ?? "", /^application\/json/);
    return { ...body, ms: performance.now() - began };
  };
  const empty = await poll("wait=1");
  assert.equal([empty.messages, empty.timed_out], [[], true]);
  assert.ok(empty.ms > 900 && empty.ms < 3_000, `it waited ${empty.ms} ms`);
  const first = await client.publish(channel, "first");
  const held = await poll(`wait=30&after=${empty.next_cursor}`);
  assert.equal([held.messages[0].payload, held.next_cursor, held.timed_out], ["first", first.body.id, false]);
  const waiting = [poll("wait=30"), poll(`wait=30&after=${held.next_cursor}`)];
  await new Promise((resolve) => setTimeout(resolve, 300));
  const published = performance.now();
  await client.publish(channel, "second");
  for (const { messages } of await Promise.all(waiting)) assert.is(messages[0].payload, "second");
  assert.ok(performance.now() - published < 1_000, "it took more than a second");
  assert.is((await poll("wait=30&latest=1")).messages[0].payload, "second");
  const head = await fetch(`${channel.url}?wait=30`, { method: "HEAD" });
  assert.equal([head.status, await head.text()], [200, ""]);
});

test("ends a long-poll within a second when its grant is revoked, or its channel deleted", async () => {
  const channel = await client.createChannel({ visibility: "private" });
  const owner = { headers: { "X-Publish-Token": channel.publish_token } };
  const grants = `/v1/channels/${channel.id}/read-grants`;
  const { body: grant } = await client.send("POST", grants, { body: {}, ...owner });
  const poll = (token: string) =>
    client.send("GET", `/v1/private/${channel.id}?wait=30`, { headers: { "X-Read-Token": token } });
  const [revoked, deleted] = [poll(grant.raw_token), poll(channel.read_token!)];
  await new Promise((resolve) => setTimeout(resolve, 300));
  let began = performance.now();
  await client.send("POST", `${grants}/${grant.id}/revoke`, owner);
  assert.is((await revoked).status, 401);
  assert.ok(performance.now() - began < 1_000, "the revoked one went on");
  began = performance.now();
  await client.send("DELETE", `/v1/channels/${channel.id}`, owner);
  assert.is((await deleted).status, 404);
  assert.ok(performance.now() - began < 1_000, "the deleted one went on");
});

test("opens stream and long-poll of a private channel by ticket, until the grant is revoked, and logs no ticket", async () => {
  const channel = await client.createChannel({ visibility: "private" });
  const owner = { headers: { "X-Publish-Token": channel.publish_token } };
  const grants = `/v1/channels/${channel.id}/read-grants`;
  const { body: grant } = await client.send("POST", grants, { body: {}, ...owner });
  const asked = await client.send("POST", `/v1/channels/${channel.id}/tickets`, {
    headers: { Authorization: `Bearer ${grant.raw_token}` },
  });
  assert.is(asked.status, 201);
  const { ticket, url } = asked.body;
  assert.is(url, `${channel.url}?ticket=${ticket}`);
  const stream = await openEvents(url);
  const { body: first } = await client.publish(channel, "by ticket");
  await stream.until(1);
  const again = await openEvents(url, { "Last-Event-ID": first.id });
  await client.publish(channel, "and again");
  assert.is(JSON.parse((await again.until(1))[0]!.data).payload, "and again");
  const path = `/v1/private/${channel.id}?ticket=${ticket}`;
  assert.is((await client.send("GET", `${path}&wait=0&from=earliest`)).body.messages.length, 2);
  const both = await client.send("GET", path, { headers: { "X-Read-Token": grant.raw_token } });
  assert.is(both.status, 400);
  const inQuery = await client.send("GET", `/v1/private/${channel.id}?ticket=${grant.raw_token}`);
  assert.is(inQuery.status, 401);
  await client.send("POST", `${grants}/${grant.id}/revoke`, owner);
  await Promise.all([stream.ended(1_000), again.ended(1_000)]);
  assert.is((await client.send("GET", path)).status, 401);
  assert.match(server.output(), "channels.follow");
  for (const secret of [ticket, grant.raw_token]) assert.not(server.output().includes(secret.slice(4, 47)));
});

test("serves the SDK's own MCP client, which reads what REST published and the reverse", async () => {
  const mcp = new McpClient({ name: "suite", version: "1" });
  await mcp.connect(
    new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`)) as Parameters<typeof mcp.connect>[0],
  );
  const use = async (name: string, args: Record<string, unknown>) => {
    const result = await mcp.callTool({ name, arguments: args });
    assert.not(result.isError, JSON.stringify(result.content));
    // biome-ignore lint/suspicious/noExplicitAny: each tool has its own shape
    return result.structuredContent as any;
  };
  const { tools } = await mcp.listTools();
  const named = tools.map((tool) => tool.name).sort();
  assert.ok(named.includes("document_put") && named.includes("batch"), named.join());
  const ofModes = /^(document|queue|sql|file|token)_|^(batch|health)$/;
  assert.equal(
    named.filter((name) => !ofModes.test(name)),
    [
      "create_channel",
      "create_read_grant",
      "delete_channel",
      "get_channel",
      "publish_message",
      "publish_messages",
      "read_channel_messages",
      "revoke_read_grant",
    ],
  );
  const channel = await use("create_channel", { name: "mcp", visibility: "private" });
  const rights = { channel_id: channel.id, publish_token: channel.publish_token };
  await use("publish_message", { ...rights, payload: "from MCP" });
  assert.is((await client.publish(channel, "from REST")).status, 201);
  const page = await use("read_channel_messages", { channel_id: channel.id, read_token: channel.read_token });
  assert.equal(
    page.messages.map((message: { payload: string }) => message.payload),
    ["from MCP", "from REST"],
  );
  const batch = await use("publish_messages", { ...rights, messages: [{ payload: 1 }, { payload: 2 }] });
  const later = { channel_id: channel.id, read_token: channel.read_token, after_message_id: page.next_cursor };
  assert.equal(
    (await use("read_channel_messages", later)).messages.map((message: { id: string }) => message.id),
    batch.messages.map((message: { id: string }) => message.id),
  );
  const stream = await openEvents(`${channel.url}?from=earliest`, { "X-Read-Token": channel.read_token });
  assert.is(JSON.parse((await stream.until(2))[0]!.data).payload, "from MCP");
  stream.close();
  const grant = await use("create_read_grant", { ...rights, label: "mcp" });
  await use("revoke_read_grant", { ...rights, grant_id: grant.id });
  assert.is((await use("get_channel", rights)).name, "mcp");
  await use("delete_channel", rights);
  const failed = await mcp.callTool({ name: "publish_message", arguments: { ...rights, payload: "late" } });
  assert.ok(failed.isError);
  await mcp.close();
});

test("answers the internal route only with the configured token", async () => {
  const channel = await client.createChannel({ visibility: "private" });
  await client.publish(channel, "inside");
  const path = `/internal/v1/channels/${channel.id}/messages?limit=10`;
  assert.is((await client.send("GET", path)).status, 401);
  assert.is((await client.send("GET", path, { headers: { Authorization: "Bearer wrong" } })).status, 401);
  const read = await client.send("GET", path, { headers: { Authorization: `Bearer ${INTERNAL}` } });
  assert.is(read.body.messages[0].payload, "inside");
  assert.is(read.body.next_cursor, read.body.messages[0].id);
});

/** Sends chunks until the server answers or closes; a client that never looks up. */
function sendEndlessly(url: URL, path: string, header: string): Promise<{ head: string; bytes: number }> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), "127.0.0.1");
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    let bytes = 0;
    let head = "";
    const finish = () => resolve({ head, bytes });
    const pour = () => {
      while (head === "" && bytes < 50_000_000 && socket.writable) {
        bytes += 65_536;
        if (!socket.write(chunk)) return void socket.once("drain", pour);
      }
    };
    socket.setTimeout(10_000, finish);
    socket.on("data", (data) => {
      head += data.toString("latin1");
      socket.destroy();
      finish();
    });
    socket.on("error", finish);
    socket.on("close", finish);
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\n${header}\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    pour();
  });
}

test.run();
