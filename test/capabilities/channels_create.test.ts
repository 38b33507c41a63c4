import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { openApp } from "../support/memory_app.ts";
import { logText } from "../support/memory_house.ts";

const test = suite("channels: create, show, delete");

const TOKEN = (prefix: string) => new RegExp(`^${prefix}_[0-9A-Za-z]{49}$`);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("POST /v1/channels creates a public channel and shows its publish token", async () => {
  const { client } = openApp();
  const { status, body } = await client.send("POST", "/v1/channels", {
    body: { name: "orders", visibility: "public" },
  });
  assert.is(status, 201);
  const { id, publish_token, ...rest } = body;
  assert.match(id, UUID);
  assert.match(publish_token, TOKEN("pub"));
  assert.equal(rest, {
    name: "orders",
    visibility: "public",
    description: null,
    default_ttl_seconds: 86_400,
    url: `http://millrace.test/channel/v1/public/${id}`,
    created_at: "2026-01-01T00:00:00.000Z",
  });
});

test("POST /v1/channels creates a private channel with a read token and its grant", async () => {
  const { client } = openApp();
  const fields = { name: "Aufträge 😀", visibility: "private", description: "two\nlines", default_ttl_seconds: 60 };
  const { body } = await client.send("POST", "/v1/channels", { body: fields });
  const { id, publish_token, read_token, read_grant_id, url, created_at: _, ...rest } = body;
  assert.match(publish_token, TOKEN("pub"));
  assert.match(read_token, TOKEN("rdg"));
  assert.match(read_grant_id, UUID);
  assert.is(url, `http://millrace.test/channel/v1/private/${id}`);
  assert.equal(rest, fields);
});

test("tokens are shown once: the store has hashes, the log has nothing", async () => {
  const { client, ports } = openApp();
  const { body } = await client.send("POST", "/v1/channels", { body: { name: "a", visibility: "private" } });
  const shown = await client.send("GET", `/v1/channels/${body.id}`, {
    headers: { "X-Publish-Token": body.publish_token },
  });
  const { documents } = ports.database;
  const lists = [
    documents.list("channels", "channel", "", 9),
    documents.list("channels", `grants/${body.id}`, "", 9),
    documents.list("credentials", "token", "", 9),
  ];
  const stored = (await Promise.all(lists)).flat();
  assert.is(stored.length, 4);
  for (const token of [body.publish_token, body.read_token]) {
    for (const text of [JSON.stringify(shown.body), JSON.stringify(stored), logText(ports.log)])
      assert.not(text.includes(token.slice(4)));
  }
});

test("the default TTL is the operator's", async () => {
  const { client } = openApp({ settings: { defaultTtlSeconds: 3_600 } });
  const { body } = await client.send("POST", "/v1/channels", { body: { name: "a", visibility: "public" } });
  assert.is(body.default_ttl_seconds, 3_600);
});

test("the url is built from CHANNEL_HOSTNAME", async () => {
  const { client } = openApp({ settings: { channelBase: "https://channels.example" }, base: "http://0.0.0.0:8081" });
  const channel = await client.createChannel({ visibility: "private" });
  assert.is(channel.url, `https://channels.example/channel/v1/private/${channel.id}`);
});

test("the url is built from the request's origin otherwise, as a trusted proxy tells it", async () => {
  const forwarded = { "X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example" };
  const origins: string[] = [];
  for (const trustedProxies of [[], ["192.0.2.0/24"]]) {
    const { client } = openApp({ settings: { trustedProxies }, base: "http://inside:8080" });
    const { body } = await client.send("POST", "/v1/channels", {
      body: { name: "a", visibility: "public" },
      headers: forwarded,
    });
    origins.push(new URL(body.url).origin);
  }
  assert.equal(origins, ["http://inside:8080", "https://public.example"]);
});

const refusals: [title: string, body: unknown, words: string][] = [
  ["no name", { visibility: "public" }, "Cannot create a channel: name is missing; send a string"],
  ["no visibility", { name: "a" }, 'Cannot create a channel: visibility is missing; send "public" or "private"'],
  ["an empty name", { name: "", visibility: "public" }, "name is empty; send at least one visible character"],
  [
    "a name of two lines",
    { name: "a\nb", visibility: "public" },
    "name contains control characters; send one line of text",
  ],
  ["a long name", { name: "x".repeat(201), visibility: "public" }, "name has 201 characters, the most is 200"],
  ["a name that is a number", { name: 7, visibility: "public" }, "name is 7; send a string"],
  ["another visibility", { name: "a", visibility: "secret" }, 'visibility is "secret"; send "public" or "private"'],
  [
    "a long description",
    { name: "a", visibility: "public", description: "x".repeat(2_001) },
    "description has 2001 characters, the most is 2000",
  ],
  [
    "a description of null",
    { name: "a", visibility: "public", description: null },
    "description is null; send a string",
  ],
  [
    "no time to live",
    { name: "a", visibility: "public", default_ttl_seconds: 0 },
    "default_ttl_seconds is 0, the least is 1",
  ],
  [
    "too long a time to live",
    { name: "a", visibility: "public", default_ttl_seconds: 172_801 },
    "default_ttl_seconds is 172801, the most is 172800 (48 h)",
  ],
  [
    "part of a second",
    { name: "a", visibility: "public", default_ttl_seconds: 1.5 },
    "default_ttl_seconds is 1.5; send a whole number",
  ],
  [
    "a mistyped field",
    { name: "a", visibilty: "public" },
    'the field "visibilty" is unknown; did you mean visibility?',
  ],
  ["a list", [], "the body is an array; send a JSON object with name, visibility, description, default_ttl_seconds"],
];

for (const [title, body, words] of refusals) {
  test(`POST /v1/channels refuses ${title}`, async () => {
    const { client } = openApp();
    const reply = await client.send("POST", "/v1/channels", { body });
    assert.is(reply.status, 400);
    assert.is(reply.body.error.code, "invalid_input");
    assert.ok(reply.body.error.message.includes(words), reply.body.error.message);
  });
}

test("POST /v1/channels refuses what is not JSON, and too much of it", async () => {
  const { client } = openApp();
  const post = (raw: string) =>
    client.send("POST", "/v1/channels", { raw, headers: { "Content-Type": "application/json" } });
  for (const raw of ["", "{", "name=a", '{"name":"a",}']) {
    const { status, body } = await post(raw);
    assert.equal([status, body.error.code], [400, "invalid_json"]);
  }
  const { status, body } = await post(`{"name":"${"x".repeat(70_000)}"}`);
  assert.equal([status, body.error.code, body.error.details.limit_bytes], [413, "too_large", 65_536]);
});

test("POST /v1/channels is limited to 20 a minute and address, and says when to come back", async () => {
  const rateLimits = {
    ...defaultRateLimits,
    create: { count: 20, perMs: 60_000 },
    publish: { count: 100, perMs: 1_000 },
    other: { count: 300, perMs: 60_000 },
  };
  const { client, advance } = openApp({ settings: { rateLimits } });
  const create = () => client.send("POST", "/v1/channels", { body: { name: "a", visibility: "public" } });
  for (let count = 0; count < 20; count += 1) assert.is((await create()).status, 201);
  const { status, headers, body } = await create();
  assert.equal([status, body.error.code, body.error.retryable], [429, "rate_limited", true]);
  assert.is(headers.get("retry-after"), "3");
  assert.match(headers.get("ratelimit")!, '"create";r=0;t=3');
  await advance(3_000);
  assert.is((await create()).status, 201);
});

test("GET shows the channel to the holder of its publish token", async () => {
  const { client } = openApp();
  const { publish_token, ...channel } = await client.createChannel({ description: "what for" });
  const { status, body } = await client.send("GET", `/v1/channels/${channel.id}`, {
    headers: { "X-Publish-Token": publish_token },
  });
  assert.is(status, 200);
  assert.equal(body, channel);
});

/** What every managing route answers to the wrong caller. */
const managing: [method: string, path: string][] = [
  ["GET", ""],
  ["DELETE", ""],
  ["POST", "/publish"],
  ["POST", "/read-grants"],
  ["POST", "/read-grants/0190163d-8694-439b-aea5-966c26f8ad91/revoke"],
];

for (const [method, path] of managing) {
  test(`${method} /v1/channels/:channel_id${path} answers 401 without the publish token and 404 to that of another channel`, async () => {
    const { client } = openApp();
    const [channel, other] = [
      await client.createChannel({ visibility: "private" }),
      await client.createChannel({ visibility: "private" }),
    ];
    const send = (headers: Record<string, string>, id = channel.id) =>
      client.send(method, `/v1/channels/${id}${path}`, { headers });
    const garbled = `${channel.publish_token.slice(0, -1)}_`;
    const unknown = "pub_0000000000000000000000000000000000000000000000000";
    const wrong: Record<string, string>[] = [{}, { Authorization: `Bearer ${channel.publish_token}` }];
    for (const token of [garbled, unknown, "x", channel.read_token!]) wrong.push({ "X-Publish-Token": token });
    for (const headers of wrong) {
      const { status, body, headers: answered } = await send(headers);
      assert.equal([status, body.error.code], [401, "unauthorized"]);
      assert.is(answered.get("www-authenticate"), "Bearer");
    }
    const foreign = await send({ "X-Publish-Token": other.publish_token });
    const missing = await send({ "X-Publish-Token": other.publish_token }, "0190163d-8694-439b-aea5-966c26f8ad91");
    for (const { status, body } of [foreign, missing]) assert.equal([status, body.error.code], [404, "not_found"]);
    const generic = (text: string) => text.replace(/[0-9a-f-]{36}/g, "ID");
    assert.is(generic(foreign.body.error.message), generic(missing.body.error.message));
    const malformed = await send({ "X-Publish-Token": channel.publish_token }, "nonsense");
    assert.equal([malformed.status, malformed.body.error.code], [400, "invalid_input"]);
    assert.match(malformed.body.error.message, 'channel_id is "nonsense", which is not an id');
  });
}

test("DELETE answers with the id and the time, and everything is 404 from then on", async () => {
  const { client } = openApp({ settings: { internalToken: "inside" } });
  const channel = await client.createChannel({ visibility: "private" });
  const headers = { "X-Publish-Token": channel.publish_token };
  await client.publish(channel, "before");
  const { status, body } = await client.send("DELETE", `/v1/channels/${channel.id}`, { headers });
  assert.is(status, 200);
  assert.equal(body, { id: channel.id, deleted_at: "2026-01-01T00:00:00.000Z" });
  const after = [
    ...(await Promise.all(
      managing.map(([method, path]) =>
        client.send(method, `/v1/channels/${channel.id}${path}`, {
          headers,
          ...(path === "/publish" ? { raw: "x" } : {}),
        }),
      ),
    )),
    await client.send("GET", `/v1/private/${channel.id}`, { headers: { "X-Read-Token": channel.read_token! } }),
    await client.send("GET", `/v1/private/${channel.id}`),
    await client.send("GET", `/internal/v1/channels/${channel.id}/messages`, {
      headers: { Authorization: "Bearer inside" },
    }),
  ];
  for (const reply of after) assert.equal([reply.status, reply.body.error?.code], [404, "not_found"]);
});

test("DELETE ends the streams that are open", async () => {
  const { client, events, app } = openApp();
  const [channel, other] = [await client.createChannel(), await client.createChannel()];
  const readers = [
    await events(`/v1/public/${channel.id}`),
    await events(`/channel/v1/public/${channel.id}?from=earliest`),
  ];
  const kept = await events(`/v1/public/${other.id}`);
  await client.send("DELETE", `/v1/channels/${channel.id}`, { headers: { "X-Publish-Token": channel.publish_token } });
  for (const reader of readers) await reader.ended();
  assert.is(app.streams(), 1);
  kept.close();
});

test.run();
