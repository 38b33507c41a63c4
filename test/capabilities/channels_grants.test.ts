import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CreatedChannel } from "../support/client.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { logText } from "../support/memory_house.ts";

const test = suite("channels: read grants");

async function open() {
  const server = openApp();
  return { ...server, channel: await server.client.createChannel({ visibility: "private" }) };
}

const grant = ({ client }: MemoryApp, channel: CreatedChannel, body: unknown = {}) =>
  client.send("POST", `/v1/channels/${channel.id}/read-grants`, {
    body,
    headers: { "X-Publish-Token": channel.publish_token },
  });

const revoke = ({ client }: MemoryApp, channel: CreatedChannel, id: string, options = {}) =>
  client.send("POST", `/v1/channels/${channel.id}/read-grants/${id}/revoke`, {
    headers: { "X-Publish-Token": channel.publish_token },
    ...options,
  });

const follow = ({ events }: MemoryApp, channel: CreatedChannel, token: string) =>
  events(`/v1/private/${channel.id}`, { "X-Read-Token": token });

/** The status that a read with the token gets. */
async function statusOf(server: MemoryApp, channel: CreatedChannel, token: string): Promise<number> {
  const reader = await follow(server, channel, token);
  reader.close();
  return reader.response.status;
}

test("POST …/read-grants answers 201 with the grant and its token, shown once", async () => {
  const server = await open();
  const { status, body } = await grant(server, server.channel, {
    label: "dashboard",
    expires_at: "2026-01-01T12:00:00+02:00",
  });
  assert.is(status, 201);
  assert.match(body.raw_token, /^rdg_[0-9A-Za-z]{49}$/);
  assert.match(body.id, /^[0-9a-f-]{36}$/);
  assert.equal(body, {
    id: body.id,
    label: "dashboard",
    expires_at: "2026-01-01T10:00:00.000Z",
    raw_token: body.raw_token,
  });
  const { documents } = server.ports.database;
  const lists = [
    documents.list("channels", `grants/${server.channel.id}`, "", 9),
    documents.list("credentials", "token", "", 9),
  ];
  const stored = JSON.stringify(await Promise.all(lists)) + logText(server.ports.log);
  assert.not(stored.includes(body.raw_token.slice(4)));
});

test("label and expires_at may be left out", async () => {
  const server = await open();
  const { status, body } = await grant(server, server.channel);
  assert.equal([status, body.label, body.expires_at], [201, null, null]);
  assert.is(await statusOf(server, server.channel, body.raw_token), 200);
});

test("a body is not needed to create a grant", async () => {
  const { client, channel } = await open();
  const { status } = await client.send("POST", `/v1/channels/${channel.id}/read-grants`, {
    headers: { "X-Publish-Token": channel.publish_token },
  });
  assert.is(status, 201);
});

test("a grant of a public channel is a conflict, with the reason", async () => {
  const server = await open();
  const channel = await server.client.createChannel();
  const { status, body } = await grant(server, channel, { label: "x" });
  assert.equal([status, body.error.code], [409, "conflict"]);
  assert.match(body.error.message, "is public: anybody may read it without a grant; create a private channel");
});

const refusals: [title: string, body: unknown, words: string][] = [
  [
    "the past",
    { expires_at: "2025-12-31T23:59:59Z" },
    "expires_at is 2025-12-31T23:59:59Z, which is in the past; send a future time or leave it out",
  ],
  ["this very instant", { expires_at: "2026-01-01T00:00:00Z" }, "which is in the past"],
  [
    "a day without time",
    { expires_at: "2030-01-01" },
    'expires_at is "2030-01-01"; send a time of RFC 3339, for example 2030-01-31T12:00:00Z',
  ],
  ["a day that does not exist", { expires_at: "2030-02-30T00:00:00Z" }, "send a time of RFC 3339"],
  ["a number of seconds", { expires_at: 1_900_000_000 }, "expires_at is 1900000000; send a string"],
  ["a label of two lines", { label: "a\nb" }, "label contains control characters"],
  ["a long label", { label: "x".repeat(201) }, "label has 201 characters, the most is 200"],
  ["a mistyped field", { lable: "x" }, 'the field "lable" is unknown; did you mean label?'],
];

for (const [title, body, words] of refusals) {
  test(`POST …/read-grants refuses ${title}`, async () => {
    const server = await open();
    const reply = await grant(server, server.channel, body);
    assert.equal([reply.status, reply.body.error.code], [400, "invalid_input"]);
    assert.ok(reply.body.error.message.includes(words), reply.body.error.message);
  });
}

test("a grant reads its channel and does nothing else", async () => {
  const server = await open();
  const { body } = await grant(server, server.channel);
  assert.is(await statusOf(server, server.channel, body.raw_token), 200);
  assert.is(await statusOf(server, server.channel, server.channel.publish_token), 401);
  const asOwner = { ...server.channel, publish_token: body.raw_token };
  assert.is((await server.client.publish(asOwner, "x")).status, 401);
  assert.is((await grant(server, asOwner)).status, 401);
  const other = await server.client.createChannel({ visibility: "private" });
  assert.is(await statusOf(server, other, body.raw_token), 404);
});

test("POST …/revoke answers 200 with the time, again and again", async () => {
  const server = await open();
  const { body } = await grant(server, server.channel);
  const first = await revoke(server, server.channel, body.id);
  assert.equal([first.status, first.body], [200, { id: body.id, revoked_at: "2026-01-01T00:00:00.000Z" }]);
  await server.advance(60_000);
  for (const options of [{}, { body: {} }]) {
    const again = await revoke(server, server.channel, body.id, options);
    assert.equal([again.status, again.body], [200, first.body]);
  }
  assert.is((await revoke(server, server.channel, body.id, { body: { reason: "x" } })).status, 400);
});

test("a revoked token is refused at once, also where it was in use", async () => {
  const server = await open();
  const { body } = await grant(server, server.channel);
  assert.is(await statusOf(server, server.channel, body.raw_token), 200);
  await revoke(server, server.channel, body.id);
  assert.is(await statusOf(server, server.channel, body.raw_token), 401);
  assert.is(await statusOf(server, server.channel, server.channel.read_token!), 200);
});

test("open streams of a revoked grant end at once, those of others stay", async () => {
  const server = await open();
  const { body } = await grant(server, server.channel);
  const [mine, another, other] = [
    await follow(server, server.channel, body.raw_token),
    await follow(server, server.channel, body.raw_token),
    await follow(server, server.channel, server.channel.read_token!),
  ];
  await server.client.publish(server.channel, "before");
  await Promise.all([mine, another, other].map((reader) => reader.until(1)));
  await revoke(server, server.channel, body.id);
  await mine.ended();
  await another.ended();
  await server.client.publish(server.channel, "after");
  assert.is((await other.until(2)).length, 2);
  assert.is(mine.events.length, 1);
  other.close();
});

test("a grant that expires is refused, and its open streams end within a second", async () => {
  const server = await open();
  const { body } = await grant(server, server.channel, { expires_at: "2026-01-01T00:01:00Z" });
  const reader = await follow(server, server.channel, body.raw_token);
  await server.advance(59_000);
  assert.is(server.app.streams(), 1);
  assert.is(await statusOf(server, server.channel, body.raw_token), 200);
  await server.advance(2_000);
  await reader.ended();
  assert.is(server.app.streams(), 0);
  assert.is(await statusOf(server, server.channel, body.raw_token), 401);
});

test("the read token of the creation is a grant that can be revoked", async () => {
  const server = await open();
  const { channel } = server;
  assert.is((await revoke(server, channel, channel.read_grant_id!)).status, 200);
  assert.is(await statusOf(server, channel, channel.read_token!), 401);
});

test("a grant is found in its own channel only", async () => {
  const server = await open();
  const { body } = await grant(server, server.channel);
  const other = await server.client.createChannel({ visibility: "private" });
  const foreign = await revoke(server, other, body.id);
  assert.equal([foreign.status, foreign.body.error.details], [404, { grant_id: body.id }]);
  assert.is((await revoke(server, server.channel, "0190163d-8694-439b-aea5-966c26f8ad91")).status, 404);
  const malformed = await revoke(server, server.channel, "nonsense");
  assert.equal([malformed.status, malformed.body.error.code], [400, "invalid_input"]);
  assert.is(await statusOf(server, server.channel, body.raw_token), 200);
});

test.run();
