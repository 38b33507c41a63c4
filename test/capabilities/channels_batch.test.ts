import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { type AppendEntries, EARLIEST } from "../../core/ports/journal.ts";
import type { CreatedChannel } from "../support/client.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";

const test = suite("channels: batches");

async function open(options: Parameters<typeof openApp>[0] = {}) {
  const server = openApp(options);
  return { ...server, channel: await server.client.createChannel() };
}

function publishAll({ client }: MemoryApp, channel: CreatedChannel, messages: unknown, headers = {}) {
  return client.send("POST", `/v1/channels/${channel.id}/publish`, {
    body: { messages },
    headers: { "X-Publish-Token": channel.publish_token, ...headers },
  });
}

async function stored({ ports }: MemoryApp, channel: CreatedChannel) {
  return (await ports.database.journal.read("channels", channel.id, EARLIEST, 2_000)).entries;
}

async function payloads(server: MemoryApp, channel: CreatedChannel): Promise<unknown[]> {
  return (await stored(server, channel)).map(({ data }) => JSON.parse(data).payload);
}

const numbers = (count: number) => Array.from({ length: count }, (_, payload) => ({ payload }));

async function callTool({ client }: MemoryApp, name: string, args: object) {
  const params = { name, arguments: args };
  const { body } = await client.send("POST", "/mcp", { body: { jsonrpc: "2.0", id: 1, method: "tools/call", params } });
  return body.result;
}

test("POST …/publish with messages answers 201 with ids and times, in the order sent", async () => {
  const server = await open();
  const { status, body } = await publishAll(server, server.channel, [
    { payload: "first", ttl_seconds: 60 },
    { payload: { second: [2] }, metadata: { m: 1 } },
    { payload: null, ttl_seconds: 120, metadata: {} },
  ]);
  assert.is(status, 201);
  assert.equal(Object.keys(body), ["messages"]);
  const created_at = "2026-01-01T00:00:00.000Z";
  const ids = body.messages.map(({ id }: { id: string }) => id);
  assert.equal(body.messages, [
    { id: ids[0], created_at, expires_at: "2026-01-01T00:01:00.000Z" },
    { id: ids[1], created_at, expires_at: "2026-01-02T00:00:00.000Z" },
    { id: ids[2], created_at, expires_at: "2026-01-01T00:02:00.000Z" },
  ]);
  assert.equal(ids, [...new Set(ids)].sort());
  const reader = await server.events(`/v1/public/${server.channel.id}?from=earliest`);
  const seen = (await reader.until(3)).map(({ data }) => JSON.parse(data));
  assert.equal(
    seen.map(({ id, payload, metadata }) => [id, payload, metadata]),
    [
      [ids[0], "first", null],
      [ids[1], { second: [2] }, { m: 1 }],
      [ids[2], null, {}],
    ],
  );
  reader.close();
});

test("batches that are published at once do not mix, and readers get each whole and in order", async () => {
  const server = await open();
  const reader = await server.events(`/v1/public/${server.channel.id}`);
  const batches = Array.from({ length: 20 }, (_, batch) =>
    numbers(50).map(({ payload }) => ({ payload: [batch, payload] })),
  );
  const replies = await Promise.all(batches.map((messages) => publishAll(server, server.channel, messages)));
  for (const { status, body } of replies) assert.equal([status, body.messages.length], [201, 50]);
  const seen = (await reader.until(1_000)).map(({ data }) => JSON.parse(data));
  const order = seen.filter((_, index) => index % 50 === 0).map(({ payload }) => payload[0]);
  assert.equal(
    seen.map(({ payload }) => payload),
    order.flatMap((batch) => numbers(50).map(({ payload }) => [batch, payload])),
  );
  const told = order.flatMap((batch) => replies[batch]!.body.messages.map(({ id }: { id: string }) => id));
  assert.equal(
    seen.map(({ id }) => id),
    told,
  );
  reader.close();
});

test("a batch is one append with one knock", async () => {
  const server = await open();
  const { database, bus } = server.ports;
  const appends: AppendEntries[] = [];
  const knocks: string[][] = [];
  const { append } = database.journal;
  const { knock } = bus;
  database.journal.append = (command) => {
    appends.push(command);
    return append(command);
  };
  bus.knock = (subjects) => {
    knocks.push([...subjects]);
    return knock(subjects);
  };
  await publishAll(server, server.channel, numbers(10));
  assert.equal([appends.length, appends[0]?.entries.length, appends[0]?.ifOpen], [1, 10, true]);
  assert.equal(knocks, [[`journal/channels/${server.channel.id}`]]);
});

test("1 to 1000 messages are taken, and no more", async () => {
  const server = await open();
  for (const count of [1, 1_000]) {
    const { status, body } = await publishAll(server, server.channel, numbers(count));
    assert.equal([status, body.messages.length], [201, count]);
  }
  assert.is((await stored(server, server.channel)).length, 1_001);
  const more = await publishAll(server, server.channel, numbers(1_001));
  assert.equal([more.status, more.body.error.code], [400, "invalid_input"]);
  assert.match(more.body.error.message, "messages has 1001 items, the most is 1000");
  assert.equal(more.body.error.details, { field: "messages", limit: 1_000 });
  const none = await publishAll(server, server.channel, []);
  assert.equal([none.status, none.body.error.message.split(": ")[1]], [400, "messages is empty; send 1 to 1000 items"]);
  assert.is((await stored(server, server.channel)).length, 1_001);
});

const nested = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

const refusals: [title: string, bad: string, words: string, field?: string][] = [
  [
    "too long a time to live",
    '{"payload":1,"ttl_seconds":200000}',
    "messages[2].ttl_seconds is 200000, the most is 172800 (48 h)",
    "messages[2].ttl_seconds",
  ],
  [
    "a time to live in words",
    '{"payload":1,"ttl_seconds":"60"}',
    'messages[2].ttl_seconds is "60"; send a number',
    "messages[2].ttl_seconds",
  ],
  ["no payload", '{"ttl_seconds":60}', "messages[2].payload is missing; send a value", "messages[2].payload"],
  [
    "a payload of the wrong name",
    '{"paylod":1}',
    'messages[2]: the field "paylod" is unknown; did you mean payload?',
    "messages[2].paylod",
  ],
  [
    "a field that nobody knows",
    '{"payload":1,"idempotency_key":"k"}',
    'messages[2]: the field "idempotency_key" is unknown; send payload, metadata, ttl_seconds',
    "messages[2].idempotency_key",
  ],
  [
    "metadata that is a list",
    '{"payload":1,"metadata":[1]}',
    "messages[2].metadata is [1]; send an object",
    "messages[2].metadata",
  ],
  ["a message that is text", '"hello"', 'messages[2] is "hello"; send an object', "messages[2]"],
  ["a message that is null", "null", "messages[2] is null; send an object", "messages[2]"],
  ["a message that is a list", "[]", "messages[2] is []; send an object", "messages[2]"],
  ["U+0000", '{"payload":"a\\u0000"}', "messages[2]: payload contains the character U+0000"],
  [
    "half a surrogate pair in a key",
    '{"payload":{"\\ud800":1}}',
    "messages[2]: a key contains half of a surrogate pair",
  ],
  [
    "__proto__",
    '{"payload":1,"__proto__":{"ttl_seconds":1}}',
    "messages[2]: __proto__: the key __proto__ is not allowed",
  ],
  [
    "a number that would be rounded",
    '{"payload":9007199254740993}',
    "messages[2]: payload is beyond 2^53 and would be rounded; send it as a string",
  ],
  [
    "nesting beyond 64 levels",
    JSON.stringify({ payload: nested(64) }),
    "messages[2]: The value is nested deeper than 64 levels",
  ],
  [
    "10,001 elements",
    JSON.stringify({ payload: Array(10_001).fill(0) }),
    "messages[2]: The value has more than 10000 keys and elements",
  ],
];

for (const [title, bad, words, field] of refusals) {
  test(`one message with ${title} among good ones: refused by its place, and none is stored`, async () => {
    const server = await open();
    const { id, publish_token } = server.channel;
    const { status, body } = await server.client.send("POST", `/v1/channels/${id}/publish`, {
      raw: `{"messages":[{"payload":0},{"payload":1},${bad},{"payload":3}]}`,
      headers: { "X-Publish-Token": publish_token, "Content-Type": "application/json" },
    });
    assert.equal([status, body.error.code], [400, "invalid_input"]);
    assert.ok(body.error.message.includes(words), body.error.message);
    if (field !== undefined) assert.is(body.error.details.field, field);
    assert.equal(await stored(server, server.channel), []);
  });
}

test("each message of a batch may be as deep, as wide and as large as one alone", async () => {
  const server = await open({ settings: { payloadMaxBytes: 30_000 } });
  const largest = [nested(63), Array(9_990).fill(0), "x".repeat(30_000), "ü".repeat(15_000), { a: "y".repeat(29_992) }];
  const messages = largest.map((payload) => ({ payload, metadata: { m: "z".repeat(16_376) } }));
  for (const message of messages) assert.is((await publishAll(server, server.channel, [message])).status, 201);
  assert.is((await publishAll(server, server.channel, [...messages, ...messages])).status, 201);
});

test("a payload or metadata that is too large is named by its place, and none is stored", async () => {
  const server = await open({ settings: { payloadMaxBytes: 30_000 } });
  const large: [message: object, words: string, details: object][] = [
    [
      { payload: "x".repeat(30_001) },
      "messages[1].payload has 30001 bytes, the most is 30000; send a smaller one or a link",
      { field: "messages[1].payload", limit_bytes: 30_000 },
    ],
    [
      { payload: ["ü".repeat(15_000)] },
      "messages[1].payload has 30004 bytes",
      { field: "messages[1].payload", limit_bytes: 30_000 },
    ],
    [
      { payload: 1, metadata: { a: "ü".repeat(8_189) } },
      "messages[1].metadata has 16386 bytes as JSON, the most is 16384",
      { field: "messages[1].metadata", limit_bytes: 16_384 },
    ],
  ];
  for (const [message, words, details] of large) {
    const { status, body } = await publishAll(server, server.channel, [{ payload: "y".repeat(20_000) }, message]);
    assert.equal([status, body.error.code, body.error.details], [413, "too_large", details]);
    assert.ok(body.error.message.includes(words), body.error.message);
  }
  assert.equal(await stored(server, server.channel), []);
  assert.equal(await server.ports.objects.list("", "", 10), []);
});

const mixtures: [body: object, words: string, field: string][] = [
  [
    {},
    "payload is missing; send payload (text or any JSON value) or messages (a list of 1 to 1000 messages)",
    "payload",
  ],
  [
    { ttl_seconds: 5 },
    "payload is missing; send payload (text or any JSON value) or messages (a list of 1 to 1000 messages)",
    "payload",
  ],
  [{ payload: 1, messages: [{ payload: 1 }] }, "messages stands beside payload; send one of the two", "messages"],
  [{ payload: null, messages: [{ payload: 1 }] }, "messages stands beside payload; send one of the two", "messages"],
  [
    { messages: [{ payload: 1 }], ttl_seconds: 5 },
    "ttl_seconds stands beside messages; put ttl_seconds into each item",
    "ttl_seconds",
  ],
  [
    { messages: [{ payload: 1 }], metadata: {} },
    "metadata stands beside messages; put metadata into each item",
    "metadata",
  ],
  [{ messages: { payload: 1 } }, 'messages is {"payload":1}; send an array', "messages"],
  [{ messages: null }, "messages is null; send an array", "messages"],
];

for (const [body, words, field] of mixtures) {
  test(`POST …/publish of ${JSON.stringify(body)} is refused in words`, async () => {
    const server = await open();
    const { id, publish_token } = server.channel;
    const reply = await server.client.send("POST", `/v1/channels/${id}/publish`, {
      body,
      headers: { "X-Publish-Token": publish_token },
    });
    assert.equal([reply.status, reply.body.error.code], [400, "invalid_input"]);
    assert.is(reply.body.error.message, `Cannot publish a message to a channel: ${words}`);
    assert.is(reply.body.error.details.field, field);
    assert.equal(await stored(server, server.channel), []);
  });
}

test("a batch may be larger than a message alone, and its body is bounded while it is read", async () => {
  const server = await open();
  const whole = await publishAll(server, server.channel, Array(6).fill({ payload: "x".repeat(1_048_576) }));
  assert.equal([whole.status, whole.body.messages?.length], [201, 6]);
  const taken = { bytes: 0 };
  const chunk = new TextEncoder().encode(`{"payload":"${"x".repeat(99_000)}"},`);
  const endless = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"messages":[')),
      pull(controller) {
        taken.bytes += chunk.length;
        if (taken.bytes > 50_000_000) controller.close();
        else controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
  const { status, body } = await server.client.send("POST", `/v1/channels/${server.channel.id}/publish`, {
    raw: endless,
    headers: { "X-Publish-Token": server.channel.publish_token, "Content-Type": "application/json" },
  });
  assert.equal([status, body.error.code, body.error.details], [413, "too_large", { limit_bytes: 8_388_608 }]);
  assert.ok(taken.bytes < 8_700_000, `${taken.bytes} bytes were taken`);
});

test("a batch of a deleted channel is 404, and of a wrong token 401 before it is read", async () => {
  const server = await open();
  await server.client.send("DELETE", `/v1/channels/${server.channel.id}`, {
    headers: { "X-Publish-Token": server.channel.publish_token },
  });
  assert.is((await publishAll(server, server.channel, numbers(3))).status, 404);
  const other = await server.client.createChannel();
  assert.is(
    (await publishAll(server, { ...server.channel, publish_token: other.publish_token }, numbers(3))).status,
    404,
  );
  assert.is((await publishAll(server, { ...other, publish_token: "pub_x" }, "no list")).status, 401);
});

test("a batch counts as one request against the rate limit", async () => {
  const rateLimits = { ...defaultRateLimits, publish: { count: 2, perMs: 1_000 } };
  const server = await open({ settings: { rateLimits } });
  for (let count = 0; count < 2; count += 1)
    assert.is((await publishAll(server, server.channel, numbers(1_000))).status, 201);
  assert.is((await publishAll(server, server.channel, numbers(1))).status, 429);
});

test("the tool publish_messages does what the batch does over REST, and publish_message what one message does", async () => {
  const server = await open();
  const { id: channel_id, publish_token } = server.channel;
  const batch = await callTool(server, "publish_messages", { channel_id, publish_token, messages: numbers(3) });
  assert.is(batch.isError, undefined, batch.content[0].text);
  const one = await callTool(server, "publish_message", { channel_id, publish_token, payload: 3 });
  assert.equal(
    (await stored(server, server.channel)).map(({ id }) => id),
    [...batch.structuredContent.messages.map(({ id }: { id: string }) => id), one.structuredContent.id],
  );
  assert.equal(await payloads(server, server.channel), [0, 1, 2, 3]);
});

test("the tools take one form each", async () => {
  const server = await open();
  const { id: channel_id, publish_token } = server.channel;
  const wrong: [tool: string, args: object, words: string][] = [
    ["publish_message", { messages: numbers(2) }, 'the field "messages" is unknown'],
    ["publish_message", {}, "payload is missing; send"],
    ["publish_messages", { payload: 1 }, 'the field "payload" is unknown'],
    ["publish_messages", {}, "messages is missing; send an array"],
    ["publish_messages", { messages: [{ payload: 1 }, {}] }, "messages[1].payload is missing; send"],
  ];
  for (const [tool, args, words] of wrong) {
    const result = await callTool(server, tool, { channel_id, publish_token, ...args });
    assert.is(result.isError, true);
    assert.ok(result.content[0].text.includes(words), result.content[0].text);
  }
  assert.equal(await stored(server, server.channel), []);
});

test.run();
