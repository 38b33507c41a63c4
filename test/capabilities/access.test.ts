import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openApp } from "../support/memory_app.ts";
import { logText, memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("access: tokens");

const SERVICE = "the-service-token";

/** A process of the town with a way to call it with a bearer. */
function open(town = memoryTown(), seed = 1) {
  const server = openApp({ ports: memoryPorts(town, seed), settings: { datastoreToken: SERVICE } });
  const send = (method: string, path: string, token: string, body?: unknown) =>
    server.client.send(method, path, {
      ...(body === undefined ? {} : { body }),
      headers: { Authorization: `Bearer ${token}` },
    });
  return {
    ...server,
    town,
    send,
    create: (body: unknown, token = SERVICE) => send("POST", "/tokens", token, body),
    revoke: (id: string, token = SERVICE) => send("DELETE", `/tokens/${id}`, token),
    list: (query = "", token = SERVICE) => send("GET", `/tokens${query}`, token),
  };
}

type Opened = ReturnType<typeof open>;

/** A token with these scopes, as its maker gets it. */
async function made(at: Opened, scopes: string[], { token = SERVICE, ...more }: Record<string, string> = {}) {
  const { status, body } = await at.create({ label: "test", scopes, ...more }, token);
  assert.is(status, 201, JSON.stringify(body));
  return body as { id: string; token: string; expires_at: string | null };
}

/** What a call with the token gets: 200, 401 or 403. */
const statusOf = async (at: Opened, token: string) => (await at.list("", token)).status;

test("POST /tokens answers 201 with the token, shown once; stored is only its hash", async () => {
  const at = open();
  const scopes = ["documents:read:orders", "queues:write"];
  const { status, body } = await at.create({ label: "worker", scopes, expires_at: "2026-02-01T12:00:00+02:00" });
  assert.is(status, 201);
  assert.match(body.token, /^mlr_[0-9A-Za-z]{49}$/);
  assert.match(body.id, /^[0-9a-f-]{36}$/);
  assert.equal(body, {
    id: body.id,
    label: "worker",
    scopes,
    created_at: "2026-01-01T00:00:00.000Z",
    expires_at: "2026-02-01T10:00:00.000Z",
    token: body.token,
  });
  const { documents } = at.ports.database;
  const stored = await Promise.all([
    documents.list("access", "token", "", 9),
    documents.list("credentials", "token", "", 9),
  ]);
  assert.equal(
    stored.map(({ length }) => length),
    [1, 1],
  );
  const listed = await at.list();
  assert.not((JSON.stringify([stored, listed.body]) + logText(at.ports.log)).includes(body.token.slice(4)));
});

test("a token works until it expires, on the store's clock", async () => {
  const at = open();
  const { token } = await made(at, ["tokens:read"], { expires_at: "2026-01-01T01:00:00Z" });
  assert.is(await statusOf(at, token), 200);
  await at.advance(3_599_000);
  assert.is(await statusOf(at, token), 200);
  await at.advance(2_001);
  assert.is(await statusOf(at, token), 401);
  const { body } = await at.list();
  assert.is(body.tokens.length, 1, "it is still listed");
});

test("a revoked token ends at once here, and within a second elsewhere even when the knock is lost", async () => {
  const here = open();
  const there = open(here.town, 2);
  const { id, token } = await made(here, ["tokens:read"]);
  assert.equal([await statusOf(here, token), await statusOf(there, token)], [200, 200]);
  const { status, body } = await here.revoke(id);
  assert.equal([status, body], [200, { id, revoked_at: "2026-01-01T00:00:00.000Z" }]);
  assert.equal([await statusOf(here, token), await statusOf(there, token)], [401, 401]);

  const deaf = memoryPorts(here.town, 3);
  deaf.bus = { knock: () => undefined, listen: () => undefined } as unknown as typeof deaf.bus;
  const alone = openApp({ ports: deaf, settings: { datastoreToken: SERVICE } });
  const other = await made(here, ["tokens:read"]);
  const ask = async () =>
    (await alone.client.send("GET", "/tokens", { headers: { Authorization: `Bearer ${other.token}` } })).status;
  assert.is(await ask(), 200);
  await here.revoke(other.id);
  await here.advance(1_001);
  assert.is(await ask(), 401);
});

test("revoking again is harmless, and a token that never was is not found", async () => {
  const at = open();
  const { id } = await made(at, ["tokens:read"]);
  const first = await at.revoke(id);
  await at.advance(5_000);
  assert.equal((await at.revoke(id)).body, first.body);
  const { status, body } = await at.revoke("00000000-0000-4000-8000-000000000000");
  assert.equal([status, body.error.code], [404, "not_found"]);
});

test("GET /tokens lists them in pages, the revoked ones too, for 30 days", async () => {
  const at = open();
  const all = [];
  for (let index = 0; index < 5; index += 1) all.push((await made(at, ["files:read"])).id);
  await at.revoke(all[2]!);
  const seen: { id: string; revoked_at: string | null; token?: string }[] = [];
  let query = "?limit=2";
  for (let pages = 1; ; pages += 1) {
    const { body } = await at.list(query);
    seen.push(...body.tokens);
    if (body.next_cursor === null) {
      assert.is(pages, 3);
      break;
    }
    query = `?limit=2&cursor=${body.next_cursor}`;
  }
  assert.equal(
    seen.map(({ id }) => id),
    [...all].sort(),
  );
  assert.equal(
    seen.filter(({ revoked_at }) => revoked_at !== null).map(({ id }) => id),
    [all[2]],
  );
  assert.ok(seen.every(({ token }) => token === undefined));
  await at.advance(30 * 86_400_000 + 1);
  assert.is((await at.list()).body.tokens.length, 4);
  assert.is((await at.list("?cursor=nonsense")).status, 400);
});

const refusals: [title: string, body: Record<string, unknown>, words: string][] = [
  [
    "a mode that does not exist",
    { scopes: ["docs:read"] },
    'scopes[0] is "docs:read"; send mode:access or mode:access:name',
  ],
  ["a right that does not exist", { scopes: ["documents:read", "documents:admin"] }, 'scopes[1] is "documents:admin"'],
  [
    "a mode alone",
    { scopes: ["documents"] },
    "with mode one of documents, queues, tables, files, tokens, access one of read, write",
  ],
  ["everything", { scopes: ["*"] }, 'scopes[0] is "*"'],
  ["every access", { scopes: ["documents:*"] }, 'scopes[0] is "documents:*"'],
  ["a star in the middle", { scopes: ["queues:read:a*b"] }, 'scopes[0] is "queues:read:a*b"'],
  ["an empty name", { scopes: ["queues:read:"] }, 'scopes[0] is "queues:read:"'],
  ["a name with a space", { scopes: ["queues:read:a b"] }, 'scopes[0] is "queues:read:a b"'],
  ["upper case", { scopes: ["Documents:Read"] }, 'scopes[0] is "Documents:Read"'],
  ["a scope with blanks around it", { scopes: [" documents:read"] }, 'scopes[0] is " documents:read"'],
  ["names of tokens", { scopes: ["tokens:write:mine"] }, "tokens have no names; send tokens:write"],
  ["names of files", { scopes: ["files:read:a*"] }, "files have no names; send files:read"],
  ["no scope at all", { scopes: [] }, "scopes is empty; send at least one scope"],
  ["a scope that is no text", { scopes: [7] }, "scopes[0] is 7; send a string"],
  ["scopes that are no list", { scopes: "documents:read" }, "scopes"],
  [
    "too many scopes",
    { scopes: Array.from({ length: 101 }, (_, at) => `tables:read:t${at}`) },
    "scopes has 101 items, the most is 100",
  ],
  [
    "the past",
    { scopes: ["files:read"], expires_at: "2025-12-31T23:59:59Z" },
    "expires_at is 2025-12-31T23:59:59Z, which is in the past",
  ],
  ["a label of two lines", { label: "a\nb", scopes: ["files:read"] }, "label contains control characters"],
  ["a mistyped field", { lable: "x", scopes: ["files:read"] }, 'the field "lable" is unknown; did you mean label?'],
];

for (const [title, body, words] of refusals) {
  test(`POST /tokens refuses ${title}`, async () => {
    const at = open();
    const reply = await at.create({ ...("lable" in body ? {} : { label: "x" }), ...body });
    assert.equal([reply.status, reply.body.error.code], [400, "invalid_input"]);
    assert.ok(reply.body.error.message.includes(words), reply.body.error.message);
  });
}

const escalations: [held: string[], wanted: string[], allowed: boolean][] = [
  [["tokens:write", "documents:read"], ["documents:read"], true],
  [["tokens:write", "documents:read"], ["documents:read:orders"], true],
  [["tokens:write", "documents:read"], ["documents:read:*"], true],
  [["tokens:write", "documents:read"], ["tokens:write"], true],
  [["tokens:write", "documents:read"], ["documents:write"], false],
  [["tokens:write", "documents:read"], ["queues:read"], false],
  [["tokens:write", "documents:read"], ["documents:read", "documents:write"], false],
  [["tokens:write", "documents:read"], ["tokens:read"], false],
  [["tokens:write"], ["documents:read"], false],
  [["tokens:write", "queues:write:mail-*"], ["queues:write:mail-eu"], true],
  [["tokens:write", "queues:write:mail-*"], ["queues:write:mail-eu-*"], true],
  [["tokens:write", "queues:write:mail-*"], ["queues:write:mail-*"], true],
  [["tokens:write", "queues:write:mail-*"], ["queues:write:mail*"], false],
  [["tokens:write", "queues:write:mail-*"], ["queues:write:mai*"], false],
  [["tokens:write", "queues:write:mail-*"], ["queues:write"], false],
  [["tokens:write", "queues:write:mail-*"], ["queues:write:*"], false],
  [["tokens:write", "queues:write:mail-*"], ["queues:read:mail-eu"], false],
  [["tokens:write", "tables:read:t"], ["tables:read:t"], true],
  [["tokens:write", "tables:read:t"], ["tables:read:t*"], false],
  [["tokens:write", "tables:read:t"], ["tables:read:tt"], false],
  [["tokens:read", "documents:read"], ["documents:read"], false],
];

for (const [held, wanted, allowed] of escalations) {
  test(`a token with ${held.join(", ")} ${allowed ? "may" : "may not"} give ${wanted.join(", ")}`, async () => {
    const at = open();
    const maker = await made(at, held);
    const { status, body } = await at.create({ label: "child", scopes: wanted }, maker.token);
    if (allowed) return assert.is(status, 201, JSON.stringify(body));
    assert.equal([status, body.error.code], [403, "forbidden"]);
    assert.is((await at.list()).body.tokens.length, 1, "nothing was made");
    assert.match(
      body.error.message,
      held.includes("tokens:write") ? "the token that is calling has only" : "tokens:write",
    );
  });
}

test("a token that a token makes ends with it at the latest", async () => {
  const at = open();
  const maker = await made(at, ["tokens:write", "tokens:read"], { expires_at: "2026-01-01T01:00:00Z" });
  const child = await made(at, ["tokens:read"], { token: maker.token });
  assert.is(child.expires_at, "2026-01-01T01:00:00.000Z");
  const later = { label: "x", scopes: ["tokens:read"], expires_at: "2026-01-01T01:00:01Z" };
  const { status, body } = await at.create(later, maker.token);
  assert.equal([status, body.error.code], [400, "invalid_input"]);
  assert.match(body.error.message, "the token that is calling ends at 2026-01-01T01:00:00.000Z; send no later time");
  const sooner = await made(at, ["tokens:read"], { token: maker.token, expires_at: "2026-01-01T00:30:00Z" });
  await at.advance(1_801_001);
  assert.equal([await statusOf(at, child.token), await statusOf(at, sooner.token)], [200, 401]);
  await at.advance(1_800_000);
  assert.is(await statusOf(at, child.token), 401);
});

test("revoking a token ends all that it made, and all that those made", async () => {
  const at = open();
  const scopes = ["tokens:write", "tokens:read"];
  const first = await made(at, scopes);
  const second = await made(at, scopes, { token: first.token });
  const third = await made(at, ["tokens:read"], { token: second.token });
  const aside = await made(at, scopes);
  await at.revoke(second.id);
  const statuses = async () => Promise.all([first, second, third, aside].map(({ token }) => statusOf(at, token)));
  assert.equal(await statuses(), [200, 401, 401, 200]);
  await at.revoke(first.id);
  assert.equal(await statuses(), [401, 401, 401, 200]);
  const { body } = await at.list();
  const makers = new Map(body.tokens.map((token: { id: string; made_by: string }) => [token.id, token.made_by]));
  assert.equal(
    [first, second, third].map(({ id }) => makers.get(id)),
    [null, first.id, second.id],
  );
});

test("only so many tokens in a row may each make the next", async () => {
  const at = open();
  const scopes = ["tokens:write"];
  let last = await made(at, scopes);
  for (let index = 0; index < 8; index += 1) last = await made(at, scopes, { token: last.token });
  const { status, body } = await at.create({ label: "x", scopes }, last.token);
  assert.equal([status, body.error.code], [403, "forbidden"]);
  assert.match(body.error.message, "the last of 8 of which each made the next");
});

test("a token revokes itself and what it made, and no other", async () => {
  const at = open();
  const scopes = ["tokens:write", "tokens:read"];
  const [one, other] = [await made(at, scopes), await made(at, scopes)];
  const child = await made(at, ["tokens:read"], { token: one.token });
  for (const foreign of [other.id]) {
    const { status, body } = await at.revoke(foreign, one.token);
    assert.equal([status, body.error.code], [403, "forbidden"]);
  }
  assert.is((await at.revoke(one.id, child.token)).status, 403, "it has no right to write");
  assert.is((await at.revoke(child.id, one.token)).status, 200);
  assert.is((await at.revoke(one.id, one.token)).status, 200);
  assert.equal(
    [await statusOf(at, one.token), await statusOf(at, child.token), await statusOf(at, other.token)],
    [401, 401, 200],
  );
});

/** Holds back the next unit of this process: `reached` resolves when it is about to be committed, `go` lets it. */
function holdNextUnit({ ports }: Opened) {
  const { database } = ports;
  const { commit } = database;
  let go = () => {};
  const opened = new Promise<void>((resolve) => (go = resolve));
  const reached = new Promise<void>((resolve) => {
    database.commit = async (...unit) => {
      database.commit = commit;
      resolve();
      await opened;
      return commit(...unit);
    };
  });
  return { reached, go };
}

test("a token that is revoked while it makes another makes none", async () => {
  const at = open();
  const maker = await made(at, ["tokens:write", "tokens:read"]);
  const held = holdNextUnit(at);
  const making = at.create({ label: "late", scopes: ["tokens:read"] }, maker.token);
  await held.reached;
  assert.is((await at.revoke(maker.id)).status, 200);
  held.go();
  const { status, body } = await making;
  assert.equal([status, body.error.code], [401, "unauthorized"]);
  assert.is((await at.list()).body.tokens.length, 1);
});

test("a token that was made while its maker is being revoked ends with it", async () => {
  const at = open();
  const maker = await made(at, ["tokens:write", "tokens:read"]);
  const held = holdNextUnit(at);
  const revoking = at.revoke(maker.id);
  await held.reached;
  const child = await made(at, ["tokens:read"], { token: maker.token });
  held.go();
  assert.is((await revoking).status, 200);
  assert.equal([await statusOf(at, maker.token), await statusOf(at, child.token)], [401, 401]);
});

test("streams, long-polls and waiting claims end when their token is revoked, those of others go on", async () => {
  const at = open();
  const mine = await made(at, ["documents:read:orders", "queues:write:mail"]);
  const other = await made(at, ["documents:read:orders"]);
  const follow = (token: string) =>
    at.events("/document-namespaces/orders/changes", { Authorization: `Bearer ${token}` });
  const [ends, stays] = [await follow(mine.token), await follow(other.token)];
  assert.equal([ends.response.status, stays.response.status], [200, 200]);
  const waiting = [
    at.send("GET", "/document-namespaces/orders/changes?wait=25", mine.token),
    at.send("POST", "/queue/mail/claim", mine.token, { wait_seconds: 25 }),
  ];
  await at.advance(100);
  await at.revoke(mine.id);
  await ends.ended();
  assert.equal(
    (await Promise.all(waiting)).map(({ status }) => status),
    [401, 401],
  );
  await at.send("POST", "/document", SERVICE, { namespace: "orders", key: "1", payload: 1 });
  assert.is((await stays.until(1)).length >= 1, true);
  stays.close();
});

test("a stream whose token expires ends within a second", async () => {
  const at = open();
  const { token } = await made(at, ["documents:read"], { expires_at: "2026-01-01T00:01:00Z" });
  const reader = await at.events("/document-namespaces/orders/changes", { Authorization: `Bearer ${token}` });
  await at.advance(59_000);
  assert.is(at.app.streams(), 1);
  await at.advance(2_001);
  await reader.ended();
});

test("the tools over MCP do the same with the connection's bearer", async () => {
  const at = open();
  const tool = async (name: string, args: unknown, token: string) => {
    const { body } = await at.client.send("POST", "/mcp", {
      body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } },
      headers: { Authorization: `Bearer ${token}` },
    });
    return body.result;
  };
  const created = await tool("token_create", { label: "x", scopes: ["tokens:read"] }, SERVICE);
  const { id, token } = created.structuredContent;
  const listed = await tool("token_list", {}, token);
  assert.equal(
    listed.structuredContent.tokens.map((one: { id: string }) => one.id),
    [id],
  );
  const refused = await tool("token_create", { label: "y", scopes: ["tokens:read"] }, token);
  assert.is(refused.isError, true);
  assert.match(refused.content[0].text, /^forbidden: .*tokens:write/);
  assert.is((await tool("token_revoke", { id }, SERVICE)).structuredContent.id, id);
  assert.match((await tool("token_list", {}, token)).content[0].text, /^unauthorized:/);
});

test.run();
