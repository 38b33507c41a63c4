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

test.run();
