import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CreatedChannel } from "../support/client.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";

const test = suite("channels: idempotency");
const HOUR = 3_600_000;

function publish({ client }: MemoryApp, channel: CreatedChannel, key: string, payload: unknown, fields = {}) {
  return client.send("POST", `/v1/channels/${channel.id}/publish`, {
    body: { payload, ...fields },
    headers: { "X-Publish-Token": channel.publish_token, "Idempotency-Key": key },
  });
}

async function stored({ ports }: MemoryApp, channel: CreatedChannel): Promise<string[]> {
  const { entries } = await ports.database.journal.read(
    "channels",
    channel.id,
    "00000000-0000-0000-0000-000000000000",
    100,
  );
  return entries.map(({ id }) => id);
}

test("the same key stores one message, however often and at once it is sent", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  const replies = await Promise.all(Array.from({ length: 10 }, () => publish(server, channel, "order-7", { n: 7 })));
  const ids = await stored(server, channel);
  assert.is(ids.length, 1);
  for (const { status, body } of replies) assert.equal([status, body], [201, replies[0]!.body]);
  assert.is(replies.filter(({ headers }) => headers.get("idempotency-replayed") === "true").length, 9);
});

test("the same key with another message is 422, and nothing is stored", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  await publish(server, channel, "k", "a");
  for (const [payload, fields] of [
    ["b", {}],
    ["a", { ttl_seconds: 5 }],
    ["a", { metadata: { m: 1 } }],
    [["a"], {}],
  ] as const) {
    const { status, body } = await publish(server, channel, "k", payload, fields);
    assert.equal([status, body.error.code], [422, "idempotency_mismatch"]);
  }
  assert.is((await stored(server, channel)).length, 1);
});

test("a key belongs to its channel and is kept for 48 h", async () => {
  const server = openApp();
  const [one, two] = [await server.client.createChannel(), await server.client.createChannel()];
  const first = await publish(server, one, "k", "a", { ttl_seconds: 172_800 });
  assert.is.not((await publish(server, two, "k", "a")).body.id, first.body.id);
  await server.advance(47 * HOUR);
  assert.is((await publish(server, one, "k", "a", { ttl_seconds: 172_800 })).body.id, first.body.id);
  await server.advance(2 * HOUR);
  assert.is.not((await publish(server, one, "k", "a", { ttl_seconds: 172_800 })).body.id, first.body.id);
});

test("a replayed large payload leaves no second object behind", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  for (let round = 0; round < 3; round += 1) await publish(server, channel, "k", "x".repeat(20_000));
  assert.is((await server.ports.objects.list("", "", 10)).length, 1);
});

test("a key that is none is refused by name", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  for (const key of ["two words", "x".repeat(256)]) {
    const { status, body } = await publish(server, channel, key, "a");
    assert.equal([status, body.error.code, body.error.details.field], [400, "invalid_input", "idempotency_key"]);
  }
});

function publishBatch({ client }: MemoryApp, channel: CreatedChannel, key: string, messages: unknown) {
  return client.send("POST", `/v1/channels/${channel.id}/publish`, {
    body: { messages },
    headers: { "X-Publish-Token": channel.publish_token, "Idempotency-Key": key },
  });
}

const batch = [{ payload: "a" }, { payload: { n: 7 }, metadata: { m: 1 } }, { payload: "c", ttl_seconds: 60 }];

test("one key makes a retry of a whole batch safe, however often and at once it is sent", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  const replies = await Promise.all(Array.from({ length: 10 }, () => publishBatch(server, channel, "batch-7", batch)));
  const ids = await stored(server, channel);
  assert.is(ids.length, 3);
  for (const { status, body } of replies) {
    assert.equal([status, body], [201, replies[0]!.body]);
    assert.equal(
      body.messages.map(({ id }: { id: string }) => id),
      ids,
    );
  }
  assert.is(replies.filter(({ headers }) => headers.get("idempotency-replayed") === "true").length, 9);
});

test("the key of a batch with any other batch is 422, and nothing is stored", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  await publishBatch(server, channel, "k", batch);
  const others = [
    [...batch].reverse(),
    batch.slice(0, 2),
    [...batch, { payload: "d" }],
    [{ payload: "A" }, ...batch.slice(1)],
    [{ payload: ["a"] }, ...batch.slice(1)],
    [{ payload: "a", ttl_seconds: 60 }, ...batch.slice(1)],
    [{ payload: "a", metadata: {} }, ...batch.slice(1)],
  ];
  for (const other of others) {
    const { status, body } = await publishBatch(server, channel, "k", other);
    assert.equal([status, body.error?.code], [422, "idempotency_mismatch"], JSON.stringify(other));
  }
  assert.is((await stored(server, channel)).length, 3);
});

test("no message passes for two, nor text for the JSON that it looks like", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  await publishBatch(server, channel, "two", [{ payload: "a" }, { payload: "b" }]);
  await publish(server, channel, "json", { n: 7 });
  const replies = [
    await publishBatch(server, channel, "two", [{ payload: "a\ntext 86400 null b" }]),
    await publishBatch(server, channel, "two", [{ payload: "a\ntext 86400 null 1 b" }]),
    await publish(server, channel, "json", '{"n":7}'),
  ];
  for (const { status } of replies) assert.is(status, 422);
});

test("the key of a message is not that of a batch of the same message, nor the reverse", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  await publish(server, channel, "one", "a");
  await publishBatch(server, channel, "many", [{ payload: "a" }]);
  for (const { status, body } of [
    await publishBatch(server, channel, "one", [{ payload: "a" }]),
    await publish(server, channel, "many", "a"),
  ])
    assert.equal([status, body.error?.code], [422, "idempotency_mismatch"]);
  assert.is((await stored(server, channel)).length, 2);
});

test("a retry may come over MCP: the same key with the same batch or message answers the same ids", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  const first = await publishBatch(server, channel, "k", batch);
  const alone = await publish(server, channel, "one", "a");
  const rights = { channel_id: channel.id, publish_token: channel.publish_token };
  const calls: [name: string, args: object, answer: object][] = [
    ["publish_messages", { ...rights, messages: batch, idempotency_key: "k" }, first.body],
    ["publish_message", { ...rights, payload: "a", idempotency_key: "one" }, alone.body],
  ];
  for (const [name, args, answer] of calls) {
    const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } };
    const { body } = await server.client.send("POST", "/mcp", { body: message });
    assert.equal(body.result.structuredContent, answer);
  }
  assert.is((await stored(server, channel)).length, 4);
});

test("a raw body and the same text as JSON are the same message to a key; bytes are compared whole", async () => {
  const server = openApp();
  const channel = await server.client.createChannel();
  const raw = (body: string | Uint8Array) =>
    server.client.send("POST", `/v1/channels/${channel.id}/publish`, {
      raw: body,
      headers: { "X-Publish-Token": channel.publish_token, "Idempotency-Key": "k" },
    });
  const { body } = await publish(server, channel, "k", "text");
  assert.equal((await raw("text")).body, body);
  assert.is((await raw(Uint8Array.of(0xff, 1))).status, 422);
  assert.is((await stored(server, channel)).length, 1);
});

test.run();
