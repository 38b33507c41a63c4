import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openApp } from "../support/memory_app.ts";

const test = suite("channels: the internal read");

const INSIDE = { Authorization: "Bearer inside" };

async function open(internalToken: string | null = "inside") {
  const server = openApp({ settings: { internalToken } });
  const channel = await server.client.createChannel({ visibility: "private" });
  const read = (query = "", headers: Record<string, string> = INSIDE, id = channel.id) =>
    server.client.send("GET", `/internal/v1/channels/${id}/messages${query}`, { headers });
  return { ...server, channel, read };
}

const payloads = (body: { messages: { payload: unknown }[] }) => body.messages.map(({ payload }) => payload);

test("it is 503 while INTERNAL_TOKEN is not configured, whatever is sent", async () => {
  const { read } = await open(null);
  for (const headers of [{}, INSIDE, { Authorization: "Bearer " }] as Record<string, string>[]) {
    const { status, body } = await read("?limit=nonsense", headers, "nonsense");
    assert.equal([status, body.error.code], [503, "not_configured"]);
    assert.match(body.error.message, "INTERNAL_TOKEN is not configured");
  }
});

test("it is 401 without the token, and channel tokens are of no use", async () => {
  const { read, channel } = await open();
  const wrong: Record<string, string>[] = [
    {},
    { Authorization: "inside" },
    { Authorization: "Basic inside" },
    { "X-Read-Token": "inside" },
  ];
  for (const token of ["inside2", "insid", "INSIDE", channel.read_token!, channel.publish_token])
    wrong.push({ Authorization: `Bearer ${token}` });
  for (const headers of wrong) {
    const { status, body } = await read("", headers);
    assert.equal([status, body.error.code], [401, "unauthorized"]);
  }
  assert.is((await read("", { Authorization: "bearer inside" })).status, 200);
});

test("it gives the messages of any channel as its readers see them", async () => {
  const { read, client, channel, events } = await open();
  await client.publish(channel, { order: 42 }, { metadata: { source: "shop" } });
  const { body } = await read();
  const reader = await events(`/v1/private/${channel.id}?from=earliest`, { "X-Read-Token": channel.read_token! });
  assert.equal(body.messages, [JSON.parse((await reader.until(1))[0]!.data)]);
  assert.is(body.next_cursor, body.messages[0].id);
  assert.equal(Object.keys(body), ["messages", "next_cursor"]);
  reader.close();
});

test("the cursor is null until there has been a message", async () => {
  const { read } = await open();
  assert.equal((await read()).body, { messages: [], next_cursor: null });
});

test("pages follow one another without loss or repetition", async () => {
  const { read, client, channel } = await open();
  for (let index = 0; index < 23; index += 1) await client.publish(channel, index);
  const seen: unknown[] = [];
  const sizes: number[] = [];
  let query = "?limit=10";
  for (let page = 0; page < 4; page += 1) {
    const { body } = await read(query);
    seen.push(...payloads(body));
    sizes.push(body.messages.length);
    query = `?limit=10&after_message_id=${body.next_cursor}`;
  }
  assert.equal(sizes, [10, 10, 3, 0]);
  assert.equal(
    seen,
    Array.from({ length: 23 }, (_, index) => index),
  );
  await client.publish(channel, "later");
  assert.equal(payloads((await read(query)).body), ["later"]);
});

test("a page has 100 messages unless told otherwise, and 1000 at the most", async () => {
  const { read, ports, channel } = await open();
  const entries = Array.from({ length: 1_100 }, (_, index) => ({
    data: `{"payload":${index},"metadata":null}`,
    ttlMs: 60_000,
  }));
  await ports.database.journal.append({ op: "journal.append", realm: "channels", subject: channel.id, entries });
  assert.is((await read()).body.messages.length, 100);
  assert.is((await read("?limit=1000")).body.messages.length, 1_000);
  assert.is((await read("?limit=1")).body.messages.length, 1);
});

test("a page of large messages ends early, and the next goes on there", async () => {
  const { read, client, channel } = await open();
  for (let index = 0; index < 10; index += 1) await client.publish(channel, `${index}`.repeat(1_000_000));
  const seen: string[] = [];
  let query = "?limit=1000";
  for (let page = 0; page < 10 && seen.length < 10; page += 1) {
    const { body } = await read(query);
    assert.ok(JSON.stringify(body).length < 5_500_000);
    seen.push(...payloads(body).map((payload) => String(payload)[0]!));
    query = `?after_message_id=${body.next_cursor}`;
  }
  assert.equal(seen, [..."0123456789"]);
});

test("expired messages are left out, and a cursor among them still holds", async () => {
  const { read, client, channel, advance } = await open();
  const { body: first } = await client.publish(channel, "short", { ttl_seconds: 1 });
  await client.publish(channel, "long");
  await advance(1_000);
  assert.equal(payloads((await read()).body), ["long"]);
  assert.equal(payloads((await read(`?after_message_id=${first.id}`)).body), ["long"]);
});

const refusals: [query: string, words: string][] = [
  ["?limit=0", "limit is 0, the least is 1"],
  ["?limit=1001", "limit is 1001, the most is 1000"],
  ["?limit=ten", 'limit is "ten"; send a number'],
  ["?limit=1.5", "limit is 1.5; send a whole number"],
  ["?after_message_id=7", 'after_message_id is "7", which is not an id'],
  ["?after_message_id=", 'after_message_id is "", which is not an id'],
  [
    "?after_message_id=0190163D-8694-739B-AEA5-966C26F8AD91",
    "which is not an id; send the id of the last message seen as a lower-case UUID",
  ],
  ["?after=0190163d-8694-739b-aea5-966c26f8ad91", 'the field "after" is unknown'],
  ["?limits=1", 'the field "limits" is unknown; did you mean limit?'],
  ["?limit=1&limit=2", "The field limit is given twice; send it once"],
  ["?__proto__=1", "__proto__"],
];

for (const [query, words] of refusals) {
  test(`it refuses ${query}`, async () => {
    const { read } = await open();
    const { status, body } = await read(query);
    assert.equal([status, body.error.code], [400, "invalid_input"]);
    assert.ok(body.error.message.includes(words), body.error.message);
  });
}

test("a channel that is missing is 404, an id that is none 400", async () => {
  const { read } = await open();
  assert.is((await read("", INSIDE, "0190163d-8694-439b-aea5-966c26f8ad91")).status, 404);
  assert.is((await read("", INSIDE, "nonsense")).status, 400);
});

const tool = async ({ client }: { client: ReturnType<typeof openApp>["client"] }, input: Record<string, unknown>) => {
  const body = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "read_channel_messages", arguments: input },
  };
  const reply = await client.send("POST", "/mcp", { body, headers: { Accept: "application/json, text/event-stream" } });
  const { isError, structuredContent, content } = reply.body.result;
  return { isError: isError === true, value: structuredContent, text: content[0].text as string };
};

test("read_channel_messages reads a private channel with its read token only", async () => {
  const server = await open();
  const { channel, client, read } = server;
  await client.publish(channel, "classified");
  const other = await client.createChannel({ visibility: "private" });
  const whole = await tool(server, { channel_id: channel.id, read_token: channel.read_token });
  assert.equal(whole.value, (await read()).body);
  const wrong: [token: string | undefined, words: string][] = [
    [undefined, "The read token is missing"],
    [channel.publish_token, "The read token is malformed"],
    ["rdg_0000000000000000000000000000000000000000000000000", "The read token is malformed"],
    [other.read_token, "There is no channel"],
  ];
  for (const [read_token, words] of wrong) {
    const { isError, text } = await tool(server, {
      channel_id: channel.id,
      ...(read_token === undefined ? {} : { read_token }),
    });
    assert.ok(isError && text.includes(words), text);
    assert.not.match(text, "classified");
  }
});

test("read_channel_messages reads a public channel without a token", async () => {
  const server = await open();
  const channel = await server.client.createChannel();
  await server.client.publish(channel, 1);
  await server.client.publish(channel, 2);
  const { value } = await tool(server, { channel_id: channel.id, limit: 1 });
  assert.equal(payloads(value), [1]);
  assert.equal(
    payloads((await tool(server, { channel_id: channel.id, after_message_id: value.next_cursor })).value),
    [2],
  );
});

test.run();
