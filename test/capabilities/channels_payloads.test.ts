import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Fault } from "../../core/ports/fault.ts";
import { EARLIEST } from "../../core/ports/journal.ts";
import type { Objects } from "../../core/ports/objects.ts";
import type { CreatedChannel } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { logText, memoryPorts } from "../support/memory_house.ts";

const test = suite("channels: large payloads");

async function open(settings: Parameters<typeof openApp>[0] = {}) {
  const server = openApp({ ...settings, settings: { internalToken: "inside", ...settings?.settings } });
  return { ...server, channel: await server.client.createChannel() };
}

async function messages({ client }: MemoryApp, channel: CreatedChannel) {
  const { body } = await client.send("GET", `/internal/v1/channels/${channel.id}/messages`, {
    headers: { Authorization: "Bearer inside" },
  });
  return body.messages;
}

const entries = async ({ ports }: MemoryApp, channel: CreatedChannel) =>
  (await ports.database.journal.read("channels", channel.id, EARLIEST, 100)).entries;

const objects = ({ ports }: MemoryApp) => ports.objects.list("", "", 1_000);

const upload = (
  channel: CreatedChannel,
  raw: string | Uint8Array | ReadableStream,
  headers: Record<string, string> = {},
) => ({
  raw,
  headers: { "Content-Type": "application/octet-stream", "X-Publish-Token": channel.publish_token, ...headers },
});

test("a payload of PAYLOAD_INLINE_MAX_BYTES stands in the row, one byte more in the object store", async () => {
  const server = await open();
  await server.client.publish(server.channel, "x".repeat(16_384));
  assert.equal(await objects(server), []);
  await server.client.publish(server.channel, "y".repeat(16_385));
  const [inline, large] = await entries(server, server.channel);
  assert.is(inline?.blob, null);
  const [object] = await objects(server);
  const sha256 = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("y".repeat(16_385)));
  const hex = Array.from(new Uint8Array(sha256), (byte) => byte.toString(16).padStart(2, "0")).join("");
  assert.equal(large?.blob, { key: object!.key, size: 16_385, sha256: hex });
  assert.ok(large!.data.length < 100, large!.data);
  assert.match(object!.key, /^m\/0{32}\/2026010100\/[0-9a-f]{32}$/);
});

test("the size is counted in bytes, not in characters", async () => {
  const server = await open();
  await server.client.publish(server.channel, "ü".repeat(8_193));
  assert.is((await entries(server, server.channel))[0]?.blob?.size, 16_386);
});

test("PAYLOAD_INLINE_MAX_BYTES of 0 puts every payload into the object store", async () => {
  const server = await open({ settings: { payloadInlineMaxBytes: 0 } });
  const values = ["x", { a: 1 }, 7, null];
  for (const value of values) await server.client.publish(server.channel, value, { metadata: { m: 1 } });
  assert.is((await objects(server)).length, values.length);
  const read = await messages(server, server.channel);
  assert.equal(
    read.map(({ payload }: { payload: unknown }) => payload),
    values,
  );
  for (const message of read)
    assert.equal(Object.keys(message), ["id", "payload", "metadata", "created_at", "expires_at"]);
});

test("large text, JSON and bytes come back as they were, to readers and to streams", async () => {
  const server = await open();
  const json = { list: Array.from({ length: 5_000 }, (_, index) => index) };
  await server.client.publish(server.channel, "😀\n".repeat(20_000));
  await server.client.publish(server.channel, json);
  const bytes = new Uint8Array(50_000).map((_, index) => index);
  await server.client.send("POST", `/v1/channels/${server.channel.id}/publish`, upload(server.channel, bytes));
  assert.is((await objects(server)).length, 3);
  const reader = await server.events(`/v1/public/${server.channel.id}?from=earliest`);
  const streamed = (await reader.until(3)).map(({ data }) => JSON.parse(data));
  const read = await messages(server, server.channel);
  assert.equal(streamed, read);
  assert.is(read[0].payload, "😀\n".repeat(20_000));
  assert.equal(read[1].payload, json);
  assert.is(read[2].payload_encoding, "base64");
  assert.equal(
    Uint8Array.from(atob(read[2].payload), (char) => char.charCodeAt(0)),
    bytes,
  );
  reader.close();
});

const damages: [title: string, error: string, damage: (objects: Objects, key: string) => Promise<unknown>][] = [
  [
    "has other bytes of the same length",
    "corrupt",
    (store, key) => store.put(key, new TextEncoder().encode("z".repeat(20_000))),
  ],
  ["is cut short", "corrupt", (store, key) => store.put(key, new TextEncoder().encode("x".repeat(19_999)))],
  ["is empty", "corrupt", (store, key) => store.put(key, new Uint8Array())],
  ["is gone", "missing", (store, key) => store.remove(key)],
];

for (const [title, error, damage] of damages) {
  test(`an object that ${title} is told as payload_error, and its neighbours are read`, async () => {
    const server = await open();
    await server.client.publish(server.channel, "before");
    const { body: large } = await server.client.publish(server.channel, "x".repeat(20_000), { metadata: { m: 1 } });
    await server.client.publish(server.channel, "after");
    const [object] = await objects(server);
    await damage(server.ports.objects, object!.key);
    const read = await messages(server, server.channel);
    assert.equal(
      read.map(({ payload }: { payload: unknown }) => payload),
      ["before", null, "after"],
    );
    assert.equal(read[1], { ...large, payload: null, payload_error: error, metadata: { m: 1 } });
    const line = server.ports.log.lines.find(({ event }) => event === "payload_unreadable");
    assert.equal([line?.level, line?.fields.key], ["error", object!.key]);
    const reader = await server.events(`/v1/public/${server.channel.id}?from=earliest`);
    assert.equal(
      (await reader.until(3)).map(({ data }) => JSON.parse(data)),
      read,
    );
    reader.close();
  });
}

test("a store that is away while it is read is said, and the payload is there when it is back", async () => {
  const ports = memoryPorts();
  const server = await open({ ports, settings: { internalToken: "inside" } });
  await server.client.publish(server.channel, "x".repeat(20_000));
  const { get } = ports.objects;
  ports.objects.get = () => Promise.reject(new Fault("unavailable", "The object store is away"));
  const path = `/internal/v1/channels/${server.channel.id}/messages`;
  const read = () => server.client.send("GET", path, { headers: { Authorization: "Bearer inside" } });
  const failed = await read();
  assert.equal([failed.status, failed.body.error.code], [503, "unavailable"]);
  ports.objects.get = get;
  assert.is((await read()).body.messages[0].payload.length, 20_000);
});

test("a message whose object cannot be stored is not published", async () => {
  const ports = memoryPorts();
  const server = await open({ ports });
  ports.objects.put = () =>
    Promise.reject(
      new Fault("unavailable", "The object store is away; try again", { cause: new Error("10.0.0.7 refused") }),
    );
  const { status, body } = await server.client.publish(server.channel, "x".repeat(20_000));
  assert.equal([status, body.error.code, body.error.retryable], [503, "unavailable", true]);
  assert.not.match(JSON.stringify(body), "10.0.0.7");
  assert.equal(await entries(server, server.channel), []);
});

test("a message for a channel that was deleted meanwhile leaves no object behind", async () => {
  const server = await open();
  const { journal } = server.ports.database;
  await server.ports.database.commit([{ op: "journal.close", realm: "channels", subject: server.channel.id }]);
  assert.is((await server.client.publish(server.channel, "x".repeat(20_000))).status, 404);
  assert.equal(await objects(server), []);
  assert.is((await journal.bounds("channels", [server.channel.id]))[0]?.lastId, EARLIEST);
});

function publishAll({ client }: MemoryApp, channel: CreatedChannel, payloads: unknown[], key?: string) {
  return client.send("POST", `/v1/channels/${channel.id}/publish`, {
    body: { messages: payloads.map((payload) => ({ payload })) },
    headers: { "X-Publish-Token": channel.publish_token, ...(key === undefined ? {} : { "Idempotency-Key": key }) },
  });
}

const large = (count: number, letter = "x") =>
  Array.from({ length: count }, (_, index) => `${index} ${letter.repeat(20_000)}`);

test("large payloads of a batch are in the object store before it is appended, and read in order", async () => {
  const ports = memoryPorts();
  const server = await open({ ports });
  const payloads = large(30).flatMap((payload, index) => [index, payload]);
  const { append } = ports.database.journal;
  let before = -1;
  ports.database.journal.append = async (command) => {
    before = (await ports.objects.list("", "", 100)).length;
    return append(command);
  };
  assert.is((await publishAll(server, server.channel, payloads)).status, 201);
  assert.is(before, 30);
  const read = await messages(server, server.channel);
  assert.equal(
    read.map(({ payload }: { payload: unknown }) => payload),
    payloads,
  );
});

test("large payloads of a batch are put eight at a time", async () => {
  const ports = memoryPorts();
  const server = await open({ ports });
  const { put } = ports.objects;
  const { bytes } = ports.ids;
  const held: (() => void)[] = [];
  let begun = 0;
  ports.objects.put = async (key, body) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return put(key, body);
  };
  ports.ids.bytes = (length) => {
    begun += 1;
    return bytes(length);
  };
  const answer = publishAll(server, server.channel, large(20));
  for (const [turn, sum] of [
    [8, 8],
    [8, 16],
    [4, 20],
  ] as const) {
    await eventually(`${sum} are put`, () => held.length === turn);
    assert.is(begun, sum);
    for (const resolve of held.splice(0)) resolve();
  }
  assert.is((await answer).status, 201);
});

for (const [title, isStored] of [
  ["is refused", false],
  ["fails although it was stored", true],
] as const) {
  test(`a batch of which one object's put ${title} is not published, and leaves no object behind`, async () => {
    const ports = memoryPorts();
    const server = await open({ ports });
    const { put } = ports.objects;
    let puts = 0;
    ports.objects.put = async (key, body) => {
      puts += 1;
      if (puts !== 5) return put(key, body);
      if (isStored) await put(key, body);
      throw new Fault("unavailable", "The object store is away; try again");
    };
    const { status, body } = await publishAll(server, server.channel, large(40));
    assert.equal([status, body.error.code], [503, "unavailable"]);
    assert.equal(await entries(server, server.channel), []);
    assert.equal(await objects(server), []);
    assert.ok(puts < 40, "puts went on after one had failed");
  });
}

test("an object that cannot be removed after a failed put hides neither the failure nor the other objects", async () => {
  const ports = memoryPorts();
  const server = await open({ ports });
  const { put, remove } = ports.objects;
  const keys: string[] = [];
  ports.objects.put = (key, body) => {
    keys.push(key);
    if (keys.length === 4) return Promise.reject(new Fault("unavailable", "The object store is away; try again"));
    return put(key, body);
  };
  ports.objects.remove = (key) => (key === keys[0] ? Promise.reject(new Error("not now")) : remove(key));
  const { body } = await publishAll(server, server.channel, large(4));
  assert.is(body.error.message, "The object store is away; try again");
  assert.equal(
    (await objects(server)).map(({ key }) => key),
    [keys[0]],
  );
});

test("a batch that is not stored for certain leaves no object behind", async () => {
  const server = await open();
  assert.is((await publishAll(server, server.channel, large(3), "k")).status, 201);
  const held = await objects(server);
  assert.is(held.length, 3);
  const replayed = await publishAll(server, server.channel, large(3), "k");
  assert.equal([replayed.status, replayed.headers.get("idempotency-replayed")], [201, "true"]);
  assert.equal(await objects(server), held, "after a replay");
  assert.is((await publishAll(server, server.channel, large(3, "y"), "k")).status, 422);
  assert.equal(await objects(server), held, "after a mismatch");
  await server.ports.database.commit([{ op: "journal.close", realm: "channels", subject: server.channel.id }]);
  assert.is((await publishAll(server, server.channel, large(3))).status, 404);
  assert.equal(await objects(server), held, "after the channel was closed");
});

test("puts that took so long that a sweep may have come between are not appended", async () => {
  const ports = memoryPorts();
  const server = await open({ ports });
  const { put } = ports.objects;
  ports.objects.put = async (key, body) => {
    const info = await put(key, body);
    await ports.clock.advance(301_000);
    return info;
  };
  const { status } = await publishAll(server, server.channel, large(2));
  assert.is(status, 503);
  assert.equal([await entries(server, server.channel), await objects(server)], [[], []]);
});

test("a payload of PAYLOAD_MAX_BYTES is taken, raw and as JSON full of escapes, and one byte more is 413", async () => {
  const server = await open({ settings: { payloadMaxBytes: 100_000 } });
  const path = `/v1/channels/${server.channel.id}/publish`;
  assert.is((await server.client.send("POST", path, upload(server.channel, new Uint8Array(100_000)))).status, 201);
  assert.is((await server.client.publish(server.channel, '"'.repeat(100_000))).status, 201);
  const replies = [
    await server.client.send("POST", path, upload(server.channel, new Uint8Array(100_001))),
    await server.client.publish(server.channel, "x".repeat(100_001)),
    await server.client.publish(server.channel, "ü".repeat(50_001)),
    await server.client.publish(server.channel, { a: "x".repeat(100_000) }),
    await server.client.publish(server.channel, "x".repeat(1_000_000)),
  ];
  for (const { status, body } of replies) assert.equal([status, body.error.code], [413, "too_large"]);
  assert.is(
    replies[1]?.body.error.message,
    "Cannot publish: the payload has 100001 bytes, the most is 100000; send a smaller one or a link",
  );
  assert.is((await entries(server, server.channel)).length, 2);
});

/** A body that never ends by itself, and how much of it was taken. */
function endless() {
  const taken = { bytes: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        taken.bytes += 10_000;
        if (taken.bytes > 50_000_000) controller.close();
        else controller.enqueue(new Uint8Array(10_000));
      },
      cancel() {
        taken.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, taken };
}

test("a body that says it is too large is refused before it is read", async () => {
  const { client, channel } = await open();
  const { stream, taken } = endless();
  const { status, headers, body } = await client.send(
    "POST",
    `/v1/channels/${channel.id}/publish`,
    upload(channel, stream, { "Content-Length": "50000000" }),
  );
  assert.equal([status, body.error.details], [413, { limit_bytes: 1_048_576 }]);
  assert.match(body.error.message, "The body has 50000000 bytes, the most is 1048576; send a smaller one");
  assert.is(headers.get("connection"), "close");
  assert.ok(taken.bytes <= 20_000, `${taken.bytes} bytes were taken`);
});

test("a body that does not say so is refused as soon as it is too large", async () => {
  const { client, channel } = await open({ settings: { payloadMaxBytes: 100_000 } });
  const { stream, taken } = endless();
  const { status, headers, body } = await client.send(
    "POST",
    `/v1/channels/${channel.id}/publish`,
    upload(channel, stream),
  );
  assert.equal([status, body.error.code], [413, "too_large"]);
  assert.is(headers.get("connection"), "close");
  assert.ok(taken.bytes <= 200_000, `${taken.bytes} bytes were taken`);
});

test("a caller without the right token cannot make the server read a body", async () => {
  const { client, channel } = await open();
  for (const token of ["pub_x", `${channel.publish_token.slice(0, -2)}zz`]) {
    const { stream, taken } = endless();
    const { status } = await client.send(
      "POST",
      `/v1/channels/${channel.id}/publish`,
      upload(channel, stream, { "X-Publish-Token": token }),
    );
    assert.is(status, 401);
    assert.ok(taken.bytes <= 20_000, `${taken.bytes} bytes were taken`);
  }
});

test("a compressed body is refused with advice", async () => {
  const { client, channel } = await open();
  const { status, body } = await client.send(
    "POST",
    `/v1/channels/${channel.id}/publish`,
    upload(channel, "x", { "Content-Encoding": "gzip" }),
  );
  assert.equal([status, body.error.message], [400, "Content-Encoding gzip is not taken; send the body uncompressed"]);
});

test("a caller that breaks off while it sends is no fault of the server", async () => {
  const { client, channel, ports } = await open();
  const broken = new ReadableStream({
    pull: (controller) => controller.error(new Error("the sender went away")),
  });
  const { status, body } = await client.send("POST", `/v1/channels/${channel.id}/publish`, upload(channel, broken));
  assert.equal([status, body.error.code], [400, "invalid_input"]);
  assert.not(
    ports.log.lines.some(({ level }) => level === "error"),
    logText(ports.log),
  );
});

test.run();
