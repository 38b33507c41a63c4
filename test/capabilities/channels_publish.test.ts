import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import type { CreatedChannel } from "../support/client.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";

const test = suite("channels: publish");

const INSIDE = { Authorization: "Bearer inside" };

async function open(settings: Parameters<typeof openApp>[0] = {}) {
  const server = openApp({ ...settings, settings: { internalToken: "inside", ...settings?.settings } });
  return { ...server, channel: await server.client.createChannel() };
}

async function messages({ client }: MemoryApp, channel: CreatedChannel) {
  const { status, body } = await client.send("GET", `/internal/v1/channels/${channel.id}/messages?limit=1000`, {
    headers: INSIDE,
  });
  assert.is(status, 200);
  return body.messages;
}

function publishRaw(
  { client }: MemoryApp,
  channel: CreatedChannel,
  raw: string | Uint8Array,
  type?: string,
  query = "",
) {
  const headers = { "X-Publish-Token": channel.publish_token, ...(type === undefined ? {} : { "Content-Type": type }) };
  return client.send("POST", `/v1/channels/${channel.id}/publish${query}`, { raw, headers });
}

test("POST …/publish answers 201 with id and times only", async () => {
  const { client, channel } = await open();
  const { status, body } = await client.publish(channel, "hello", { ttl_seconds: 60 });
  assert.is(status, 201);
  assert.match(body.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(body, { id: body.id, created_at: "2026-01-01T00:00:00.000Z", expires_at: "2026-01-01T00:01:00.000Z" });
});

test("ids strictly increase, in the order of the answers, even within a millisecond and when the clock goes back", async () => {
  const { client, channel, ports } = await open();
  const ids: string[] = [];
  for (let round = 0; round < 30; round += 1) {
    if (round === 10) ports.clock.jump(-3_600_000);
    if (round === 20) await ports.clock.advance(5);
    ids.push((await client.publish(channel, round)).body.id);
  }
  assert.equal(ids, [...new Set(ids)].sort());
});

test("a payload is text or any JSON value, and comes back as it was", async () => {
  const server = await open();
  const values = [
    "",
    "text",
    '{"looks":"like JSON"}',
    "ü 😀 \u2028 </script>",
    "two\nlines\r\n",
    0,
    -1.5,
    true,
    null,
    [],
    {},
    [1, [2]],
    { a: { b: [null] } },
  ];
  for (const value of values)
    assert.is((await server.client.publish(server.channel, value)).status, 201, JSON.stringify(value));
  const read = await messages(server, server.channel);
  assert.equal(
    read.map(({ payload }: { payload: unknown }) => payload),
    values,
  );
  for (const message of read)
    assert.equal(Object.keys(message), ["id", "payload", "metadata", "created_at", "expires_at"]);
});

test("every JSON value that is taken comes back equal", async () => {
  const server = await open();
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false, maxDepth: 4 }), async (value) => {
      const channel = await server.client.createChannel();
      const { status } = await server.client.publish(channel, value);
      if (status !== 201) return assert.is(status, 400);
      assert.is(JSON.stringify((await messages(server, channel))[0].payload), JSON.stringify(value));
    }),
    { numRuns: 60 },
  );
});

test("metadata is an object that travels with the payload", async () => {
  const server = await open();
  await server.client.publish(server.channel, "a", { metadata: { source: "shop", tags: ["x", { y: 1 }] } });
  await server.client.publish(server.channel, "b");
  const [first, second] = await messages(server, server.channel);
  assert.equal(first.metadata, { source: "shop", tags: ["x", { y: 1 }] });
  assert.is(second.metadata, null);
});

for (const type of [
  "text/plain",
  "text/plain; charset=utf-8",
  "application/octet-stream",
  "application/x-www-form-urlencoded",
  "application/xml",
]) {
  test(`a body of ${type} is the payload, byte for byte`, async () => {
    const server = await open();
    const text = '{"a":1}&b=%20+\r\n "ü" \ufeff';
    assert.is((await publishRaw(server, server.channel, new TextEncoder().encode(text), type)).status, 201);
    const [message] = await messages(server, server.channel);
    assert.is(message.payload, text);
    assert.not("payload_encoding" in message);
  });
}

test("a body without a type is the payload, too", async () => {
  const server = await open();
  await publishRaw(server, server.channel, new TextEncoder().encode("done"));
  await publishRaw(server, server.channel, new Uint8Array());
  const read = await messages(server, server.channel);
  assert.equal(
    read.map(({ payload }: { payload: unknown }) => payload),
    ["done", ""],
  );
});

test("a byte order mark at the beginning is part of the text", async () => {
  const server = await open();
  await publishRaw(server, server.channel, Uint8Array.from([0xef, 0xbb, 0xbf, 0x61]), "text/plain");
  assert.is((await messages(server, server.channel))[0].payload, "\ufeffa");
});

test("application/json is JSON in any spelling, also when it is nonsense", async () => {
  const server = await open();
  for (const type of [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    " application/json ;x=y",
  ]) {
    assert.is((await publishRaw(server, server.channel, '{"payload":1}', type)).status, 201, type);
    assert.is((await publishRaw(server, server.channel, "done", type)).body.error.code, "invalid_json");
  }
});

test("bytes that are not UTF-8, or hold NUL, come back as base64", async () => {
  const server = await open();
  const bodies = [
    [0xff, 0xfe],
    [0x61, 0, 0x62],
    [0],
    [0xc3],
    [0xed, 0xa0, 0x80],
    Array.from({ length: 256 }, (_, byte) => byte),
  ];
  for (const bytes of bodies)
    await publishRaw(server, server.channel, Uint8Array.from(bytes), "application/octet-stream");
  const read = await messages(server, server.channel);
  for (const [index, message] of read.entries()) {
    assert.is(message.payload_encoding, "base64");
    assert.equal(
      Array.from(atob(message.payload), (char) => char.charCodeAt(0)),
      bodies[index],
    );
  }
});

test("whatever bytes are sent come back, inline and from the object store", async () => {
  for (const payloadInlineMaxBytes of [16_384, 0]) {
    const server = await open({ settings: { payloadInlineMaxBytes } });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const channel = await server.client.createChannel();
        await publishRaw(server, channel, bytes, "application/octet-stream");
        const [{ payload, payload_encoding }] = await messages(server, channel);
        const back =
          payload_encoding === "base64"
            ? Uint8Array.from(atob(payload), (char) => char.charCodeAt(0))
            : new TextEncoder().encode(payload);
        assert.equal(Array.from(back), Array.from(bytes));
      }),
      { numRuns: 60 },
    );
  }
});

test("a raw body takes ttl_seconds from the query, and nothing else but what is declared", async () => {
  const server = await open();
  const { status, body } = await publishRaw(server, server.channel, "x", "text/plain", "?ttl_seconds=5");
  assert.equal([status, body.expires_at], [201, "2026-01-01T00:00:05.000Z"]);
  const wrong: [string, string][] = [
    ["?ttl_seconds=abc", 'ttl_seconds is "abc"; send a number'],
    ["?ttl_seconds=172801", "ttl_seconds is 172801, the most is 172800 (48 h)"],
    ["?ttl=5", 'the field "ttl" is unknown'],
    ["?metadata=x", 'metadata is "x"; send an object'],
    ["?ttl_seconds=1&ttl_seconds=2", "The field ttl_seconds is given twice; send it once"],
    ["?channel_id=x", "The field channel_id is given twice"],
  ];
  for (const [query, words] of wrong) {
    const reply = await publishRaw(server, server.channel, "x", "text/plain", query);
    assert.is(reply.status, 400);
    assert.ok(reply.body.error.message.includes(words), reply.body.error.message);
  }
});

test("a message lives as long as it says, else as its channel says, else as the server says", async () => {
  const { client, channel } = await open({ settings: { defaultTtlSeconds: 7_200 } });
  const brief = await client.createChannel({ default_ttl_seconds: 90 });
  const seconds = async (of: CreatedChannel, fields = {}) => {
    const { body } = await client.publish(of, "x", fields);
    return (Date.parse(body.expires_at) - Date.parse(body.created_at)) / 1000;
  };
  assert.equal(
    [
      await seconds(channel),
      await seconds(brief),
      await seconds(brief, { ttl_seconds: 172_800 }),
      await seconds(brief, { ttl_seconds: 1 }),
    ],
    [7_200, 90, 172_800, 1],
  );
});

test("an expired message is never returned", async () => {
  const server = await open();
  await server.client.publish(server.channel, "short", { ttl_seconds: 1 });
  await server.client.publish(server.channel, "long", { ttl_seconds: 2 });
  await server.advance(999);
  assert.is((await messages(server, server.channel)).length, 2);
  await server.advance(1);
  assert.equal(
    (await messages(server, server.channel)).map(({ payload }: { payload: unknown }) => payload),
    ["long"],
  );
  await server.advance(1_000);
  assert.equal(await messages(server, server.channel), []);
});

const nested = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);

const refusals: [title: string, fields: string, words: string][] = [
  ["no payload", "{}", "Cannot publish a message to a channel: payload is missing; send"],
  ["a payload of the wrong name", '{"paylod":1}', 'the field "paylod" is unknown; did you mean payload?'],
  ["metadata that is text", '{"payload":1,"metadata":"x"}', 'metadata is "x"; send an object'],
  ["metadata that is a list", '{"payload":1,"metadata":[1]}', "metadata is [1]; send an object"],
  ["metadata of null", '{"payload":1,"metadata":null}', "metadata is null; send an object"],
  ["no time to live", '{"payload":1,"ttl_seconds":0}', "ttl_seconds is 0, the least is 1"],
  ["too long a time to live", '{"payload":1,"ttl_seconds":200000}', "ttl_seconds is 200000, the most is 172800 (48 h)"],
  ["a time to live in words", '{"payload":1,"ttl_seconds":"60"}', 'ttl_seconds is "60"; send a number'],
  [
    "U+0000",
    '{"payload":"a\\u0000"}',
    "payload contains the character U+0000, which cannot be stored; remove it or send base64",
  ],
  ["half a surrogate pair", '{"payload":{"a":"\\ud800"}}', "payload.a contains half of a surrogate pair"],
  ["__proto__", '{"payload":{"__proto__":{"x":1}}}', "payload.__proto__: the key __proto__ is not allowed"],
  ["__proto__ as a field", '{"payload":1,"__proto__":{"payload":2}}', "__proto__"],
  [
    "a number that would be rounded",
    '{"payload":9007199254740993}',
    "payload is beyond 2^53 and would be rounded; send it as a string",
  ],
  ["nesting beyond 64 levels", JSON.stringify({ payload: nested(64) }), "nested deeper than 64 levels"],
  ["10,001 elements", JSON.stringify({ payload: Array(10_001).fill(0) }), "more than 10000 keys and elements"],
  [
    "the channel twice",
    '{"payload":1,"channel_id":"x"}',
    "The field channel_id stands in the path, the query or a header already",
  ],
];

for (const [title, raw, words] of refusals) {
  test(`POST …/publish refuses ${title}`, async () => {
    const server = await open();
    const { status, body } = await publishRaw(server, server.channel, raw, "application/json");
    assert.equal([status, body.error.code], [400, "invalid_input"]);
    assert.ok(body.error.message.includes(words), body.error.message);
    assert.equal(await messages(server, server.channel), []);
  });
}

test("POST …/publish takes nesting up to 64 levels", async () => {
  const { client, channel } = await open();
  assert.is((await client.publish(channel, nested(63))).status, 201);
});

test("POST …/publish refuses metadata above 16384 bytes", async () => {
  const { client, channel } = await open();
  assert.is((await client.publish(channel, 1, { metadata: { a: "x".repeat(16_376) } })).status, 201);
  const { status, body } = await client.publish(channel, 1, { metadata: { a: "x".repeat(16_377) } });
  assert.equal([status, body.error.code], [413, "too_large"]);
  assert.match(body.error.message, "metadata has 16385 bytes as JSON, the most is 16384");
});

test("publishing is limited by its token", async () => {
  const rateLimits = {
    ...defaultRateLimits,
    create: { count: 20, perMs: 60_000 },
    publish: { count: 5, perMs: 1_000 },
    other: { count: 300, perMs: 60_000 },
  };
  const { client, channel, advance } = await open({ settings: { rateLimits } });
  const other = await client.createChannel();
  for (let count = 0; count < 5; count += 1) assert.is((await client.publish(channel, count)).status, 201);
  const { status, headers } = await client.publish(channel, "too many");
  assert.equal([status, headers.get("retry-after")], [429, "1"]);
  assert.is((await client.publish(other, "of its own")).status, 201);
  await advance(200);
  assert.is((await client.publish(channel, "again")).status, 201);
});

test("a field that stands in the query beside a JSON body is refused by name, not lost", async () => {
  const { client } = openApp();
  const channel = await client.createChannel();
  const { status, body } = await client.send("POST", `/v1/channels/${channel.id}/publish?ttl_seconds=5`, {
    body: { payload: "x" },
    headers: { "X-Publish-Token": channel.publish_token },
  });
  assert.is(status, 400);
  assert.match(body.error.message, 'The field "ttl_seconds" stands in the query; send it in the JSON body');
});

test("lengths are counted in characters as people and JSON Schema count them", async () => {
  const { client } = openApp();
  await client.createChannel({ name: "🚀".repeat(200) });
  const { status, body } = await client.send("POST", "/v1/channels", {
    body: { name: "🚀".repeat(201), visibility: "public" },
  });
  assert.equal([status, body.error.details], [400, { field: "name", limit: 200 }]);
});

test.run();
