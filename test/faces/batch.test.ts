/** One atomic batch, in memory: rights of each operation, all or nothing, and what a refusal says. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capabilities } from "../../core/capabilities/mod.ts";
import { batchOf } from "../../core/faces/batch.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { bearer, count, open, publish, push, put, SERVICE, tokenWith } from "../support/batch_scene.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("faces/batch");

test("all operations take effect, and each answers at its place", async () => {
  const { app, batch, stored, messages } = open();
  const channel = await app.client.createChannel();
  const { status, body } = await batch([publish(channel, "hello"), put("a"), push(), put("a"), put("b")]);
  assert.is(status, 200, JSON.stringify(body));
  const [published, first, pushed, second, other] = body.results;
  assert.equal([first, second, other], [{ version: 1 }, { version: 2 }, { version: 1 }]);
  assert.match(published.id, /^[0-9a-f-]{36}$/);
  assert.is(typeof pushed.id, "string");
  assert.equal(await stored(), [["a", "b"], 1, 3, 1]);
  assert.equal(await messages(channel), ["hello"]);
});

test("a body with operations as a field is the same", async () => {
  const { batch, stored } = open();
  const { status, body } = await batch({ operations: [put("a")] });
  assert.is(status, 200, JSON.stringify(body));
  assert.equal(await stored(), [["a"], 0, 1, 0]);
});

test("a refusal anywhere stores nothing, and says where and why", async () => {
  const { app, batch, stored, messages } = open();
  const channel = await app.client.createChannel();
  const good = [publish(channel, "hello"), put("a"), push()];
  for (let at = 0; at <= good.length; at += 1) {
    const { status, body } = await batch([...good.slice(0, at), put("x", { if_version: 7 }), ...good.slice(at)]);
    assert.is(status, 412, JSON.stringify(body));
    const { code, message, details } = body.error;
    assert.is(code, "precondition_failed");
    assert.match(message, new RegExp(`^operations\\[${at}\\] \\(ledger.put\\): `));
    assert.equal(details, { index: at, op: "ledger.put", field: `operations[${at}].if_version`, current_version: 0 });
    assert.equal(await stored(), [[], 0, 0, 0]);
    assert.equal(await messages(channel), []);
  }
});

test("a plan that cannot be made stores nothing, and objects that were put are taken back", async () => {
  const { app, trace, batch, stored } = open({ settings: { payloadInlineMaxBytes: 10 } });
  const channel = await app.client.createChannel();
  const operations = [publish(channel, "x".repeat(1_000)), put("a"), count];
  trace.fails = new Fault("conflict", "not now", { details: { why: "a test" } });
  const refused = await batch(operations);
  assert.equal([refused.status, refused.body.error.details], [409, { why: "a test", index: 2, op: "ledger.count" }]);
  trace.fails = new TypeError("a mistake");
  assert.is((await batch(operations)).status, 500);
  assert.equal(await stored(), [[], 0, 0, 0]);
  await app.advance(10);
  assert.equal((await app.ports.objects.list("", "", 10)).length, 0);
  trace.fails = null;
  assert.is((await batch([...operations, put("x", { if_version: 7 })])).status, 412);
  assert.equal((await app.ports.objects.list("", "", 10)).length, 0);
  assert.is((await batch(operations)).status, 200);
  assert.equal((await app.ports.objects.list("", "", 10)).length, 1);
});

test("plans that are outdated are made again, and nothing is stored twice", async () => {
  const { app, trace, batch, stored } = open();
  trace.meanwhile = async () => {
    assert.is((await batch([count])).status, 200);
  };
  const { status, body } = await batch([put("a"), count]);
  assert.is(status, 200, JSON.stringify(body));
  assert.equal(body.results, [{ version: 1 }, { count: 2 }]);
  assert.equal([trace.made, trace.discarded], [3, 1]);
  assert.equal(await stored(), [["a", "count"], 0, 1, 0]);
  await app.stop();
});

test("each operation needs its own right", async () => {
  const { app, batch, stored } = open();
  const channel = await app.client.createChannel();
  const other = await app.client.createChannel();
  const limited = await tokenWith(app, ["documents:write:notes", "queues:read"]);

  assert.is((await batch([put("a"), publish(channel, 1)], limited)).status, 200);
  const scoped = await batch([put("b"), { ...put("b"), namespace: "secrets" }], limited);
  assert.equal([scoped.status, scoped.body.error.details.scope], [403, "documents:write:secrets"]);
  assert.is(scoped.body.error.details.index, 1);
  const read = await batch([put("b"), push()], limited);
  assert.equal([read.status, read.body.error.details.index], [403, 1]);
  assert.match(read.body.error.message, /lacks the scope queues:write/);

  const missing = await batch([publish(channel, 1), put("b")], {});
  assert.equal([missing.status, missing.body.error.details.index], [401, 1]);
  assert.match(missing.body.error.message, /token is missing/);
  // Whoever sends a bearer sends a token that holds, whether or not it is needed.
  for (const token of ["wrong", channel.publish_token, `${SERVICE}x`])
    assert.is((await batch([publish(channel, 1)], { Authorization: `Bearer ${token}` })).status, 401);
  const wrong: [JsonObject, number][] = [
    [{ publish_token: undefined as unknown as string }, 401],
    [{ publish_token: "pub_wrong" }, 401],
    [{ publish_token: SERVICE }, 401],
    [{ publish_token: other.publish_token }, 404],
    [{ publish_token: 7 }, 400],
    [{ publish_token: null }, 400],
  ];
  for (const [more, expected] of wrong) {
    const { status, body } = await batch([put("b"), publish(channel, 1, more)]);
    assert.is(status, expected, JSON.stringify(body));
    assert.is(body.error.details.index, 1);
  }
  assert.equal(await stored(), [["a"], 0, 1, 0]);
});

test("publishing alone needs no bearer, all else does", async () => {
  const { app, batch, messages, stored } = open();
  const channel = await app.client.createChannel();
  assert.is((await batch([publish(channel, 1), publish(channel, 2)], {})).status, 200);
  assert.equal(await messages(channel), [1, 2]);
  const mixed = await batch([publish(channel, 3), put("a")], {});
  assert.equal([mixed.status, mixed.body.error.code, mixed.body.error.details.index], [401, "unauthorized", 1]);
  assert.equal(await messages(channel), [1, 2]);
  assert.equal(await stored(), [[], 0, 0, 0]);
});

test("without the service token it is closed to everybody, on every method, before anything is read", async () => {
  const { app, messages, stored } = open({ settings: { datastoreToken: null } });
  const channel = await app.client.createChannel();
  const body = [publish(channel, 1)];
  for (const sent of [{ body }, { raw: "no JSON" }, { body, headers: bearer }, { raw: "no JSON", headers: bearer }]) {
    const closed = await app.client.send("POST", "/batch", sent);
    assert.equal([closed.status, closed.body.error.code], [503, "not_configured"]);
  }
  for (const method of ["GET", "PUT", "DELETE"]) assert.is((await app.client.send(method, "/batch")).status, 503);
  assert.equal(await messages(channel), []);
  assert.equal(await stored(), [[], 0, 0, 0]);
});

test("a deleted channel refuses the whole", async () => {
  const { app, batch, stored } = open();
  const channel = await app.client.createChannel();
  await app.ports.database.commit([{ op: "journal.close", realm: "channels", subject: channel.id }]);
  const { status, body } = await batch([put("a"), push(), publish(channel, 1)]);
  assert.equal([status, body.error.code, body.error.details.index], [404, "not_found", 2]);
  assert.equal(await stored(), [[], 0, 0, 0]);
});

test("what is no operation is named, with what to send", async () => {
  const { batch, stored } = open();
  const odd: [unknown, RegExp, string?][] = [
    [[], /operations is empty; send 1 to 1000/],
    [{}, /operations is missing/],
    ["text", /the body is a string/],
    [[put("a"), 7], /operations\[1\] is 7; send an object with op/],
    [[put("a"), [put("b")]], /operations\[1\] is \[.*send an object with op/],
    [[put("a"), null], /operations\[1\] is null; send an object with op/],
    [[{ namespace: "notes" }], /operations\[0\]\.op is missing; send channel.publish, ledger.put/, "operations[0].op"],
    [[{ ...put("a"), op: "ledger.get" }], /operations\[0\]\.op is "ledger.get"; send channel.publish/],
    [[{ ...put("a"), op: ["ledger.put"] }], /operations\[0\]\.op is \["ledger.put"\]/],
    [
      [put("a", { kye: 1 })],
      /operations\[0\] \(ledger.put\): .*"kye" is unknown; did you mean key/,
      "operations[0].kye",
    ],
    [[push({ name: "work" })], /the field "name" is unknown/, "operations[0].name"],
    [[push({ note: "x" })], /the field "note" is unknown/i],
    [[{ op: "ledger.push", payload: 1 }], /name is missing/],
    [[put("a", { if_version: "1" })], /if_version is "1"; send a number/, "operations[0].if_version"],
    [[put("a", { payload: 2 ** 60 })], /beyond 2\^53/],
    [[put("a\u0000")], /U\+0000/],
    [[put("a", { payload: JSON.parse(`${"[".repeat(80)}${"]".repeat(80)}`) })], /deeper than 64/],
    [Array.from({ length: 1_001 }, () => put("a")), /operations has 1001 items, the most is 1000/],
  ];
  for (const [body, says, field] of odd) {
    const reply = await batch(body);
    assert.is(reply.status, 400, JSON.stringify(reply.body));
    assert.is(reply.body.error.code, "invalid_input");
    assert.match(reply.body.error.message, says);
    if (field !== undefined) assert.is(reply.body.error.details.field, field);
  }
  assert.equal(await stored(), [[], 0, 0, 0]);
});

test("a secret in the wrong place is not repeated", async () => {
  const { app, batch } = open();
  const { publish_token } = await app.client.createChannel();
  for (const operations of [
    [{ op: publish_token }],
    [put("a", { [publish_token]: 1 })],
    [put("a", { if_version: publish_token })],
    [{ op: "channel.publish", channel_id: publish_token, publish_token, payload: 1 }],
  ]) {
    const { status, body } = await batch(operations);
    assert.is(status, 400);
    assert.not.ok(JSON.stringify(body).includes(publish_token), JSON.stringify(body));
  }
});

test("a thousand operations are one batch", async () => {
  const { batch, stored } = open();
  const wide = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, index]));
  const { status, body } = await batch(
    Array.from({ length: 1_000 }, (_, index) => put(`k${index}`, { payload: wide })),
  );
  assert.is(status, 200, JSON.stringify(body).slice(0, 300));
  assert.is(body.results.length, 1_000);
  assert.equal(((await stored()) as unknown[][])[0]!.length, 1_000);
});

test("a batch counts once for each credential in it", async () => {
  const rateLimits = { ...defaultRateLimits, publish: { count: 2, perMs: 60_000 } };
  const { app, batch } = open({ settings: { rateLimits } });
  const channel = await app.client.createChannel();
  const many = Array.from({ length: 50 }, (_, index) => publish(channel, index));
  assert.is((await batch(many)).status, 200);
  assert.is((await batch(many)).status, 200);
  const { status, body, headers } = await batch(many);
  assert.equal([status, body.error.code], [429, "rate_limited"]);
  assert.ok(headers.get("retry-after"));
});

test("whoever comes without a token is counted before anything is read", async () => {
  const rateLimits = { ...defaultRateLimits, publish: { count: 2, perMs: 60_000 } };
  const { app, batch } = open({ settings: { rateLimits } });
  for (const expected of [400, 400, 429]) {
    const { status } = await app.client.send("POST", "/batch", { raw: "no JSON" });
    assert.is(status, expected);
  }
  assert.is((await batch([put("a")])).status, 200);
});

test("guessing tokens by batch is counted like any other guess", async () => {
  const { app, batch } = open({ settings: { rateLimits: defaultRateLimits } });
  const channel = await app.client.createChannel();
  const statuses: number[] = [];
  for (let round = 0; round < 62; round += 1)
    statuses.push((await batch([publish(channel, 1, { publish_token: "pub_wrong" })], {})).status);
  assert.equal([statuses[0], statuses[59], statuses[61]], [401, 401, 429]);
});

test("whoever follows a channel gets what a batch publishes, once it is stored", async () => {
  const { app, batch } = open();
  const channel = await app.client.createChannel();
  const events = await app.events(`/v1/public/${channel.id}`);
  await batch([put("x", { if_version: 7 }), publish(channel, "refused")]);
  await batch([publish(channel, "one"), put("a"), publish(channel, "two")]);
  const seen = await events.until(2);
  assert.equal(
    seen.map(({ data }) => JSON.parse(data).payload),
    ["one", "two"],
  );
  events.close();
  await app.stop();
});

test("whoever waits for jobs or changes hears of a batch at once", async () => {
  const { client, stop } = openApp({ settings: { datastoreToken: SERVICE } });
  const send = (method: string, path: string, body?: unknown) =>
    client.send(method, path, { headers: bearer, ...(body === undefined ? {} : { body }) });
  const columns = [{ name: "n", type: "integer" }];
  assert.is((await send("POST", "/sql/tables", { name: "orders", columns })).status, 201);
  // Time stands still here, so only a knock ends their wait.
  const waiting = [
    send("POST", "/queue/mail/claim", { wait_seconds: 30 }),
    send("GET", "/document-namespaces/orders/changes?wait=30"),
    send("GET", "/sql/tables/orders/changes?wait=30"),
  ];
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { status, body } = await send("POST", "/batch", [
    { op: "queue.push", namespace: "mail", payload: 1 },
    { op: "document.put", namespace: "orders", key: "1", payload: 1 },
    { op: "table.insert", table: "orders", rows: { n: 1 } },
  ]);
  assert.is(status, 200, JSON.stringify(body));
  const [claimed, documents, rows] = await Promise.all(waiting);
  assert.is(claimed!.body.jobs.length, 1);
  assert.equal([documents!.body.changes.length, documents!.body.changes[0].version], [1, 1]);
  assert.is(rows!.body.changes.length, 1);
  await stop();
});

test("the example of the reference is answered as it says", async () => {
  const { client, stop } = openApp({ settings: { datastoreToken: SERVICE } });
  const own = operationsOf(capabilities);
  const { examples } = batchOf(own, async () => undefined)!.operations.commit!;
  for (const { input, output } of examples!) {
    const { status, body } = await client.send("POST", "/batch", { body: input, headers: bearer });
    assert.is(status, 200, JSON.stringify(body));
    const shapes = (results: object[]) => results.map((result) => Object.keys(result).sort());
    assert.equal(shapes(body.results), shapes((output as { results: object[] }).results));
  }
  assert.is(examples!.length, 1);
  await stop();
});

test("over MCP it is a tool, whose operations carry their own tokens", async () => {
  const { app, messages, stored } = open();
  const channel = await app.client.createChannel();
  const rpc = async (method: string, params: JsonObject, headers: Record<string, string> = bearer) => {
    const { body } = await app.client.send("POST", "/mcp", {
      body: { jsonrpc: "2.0", id: 1, method, params },
      headers: { Accept: "application/json, text/event-stream", ...headers },
    });
    return body.result;
  };
  const { tools } = await rpc("tools/list", {});
  const tool = tools.find(({ name }: { name: string }) => name === "batch");
  const variants = tool.inputSchema.properties.operations.items.oneOf;
  assert.equal(
    variants.map(({ properties }: { properties: { op: { const: string } } }) => properties.op.const).sort(),
    ["channel.publish", "ledger.count", "ledger.push", "ledger.put"],
  );
  const called = await rpc("tools/call", {
    name: "batch",
    arguments: { operations: [put("a"), publish(channel, "hello")] as never },
  });
  assert.is(called.structuredContent?.results[0].version, 1, JSON.stringify(called));
  assert.equal(await messages(channel), ["hello"]);
  const refused = await rpc("tools/call", { name: "batch", arguments: { operations: [put("b")] as never } }, {});
  assert.is(refused.isError, true);
  assert.is(refused._meta.code, "unauthorized");
  assert.equal(await stored(), [["a"], 0, 1, 0]);
});

test.run();
