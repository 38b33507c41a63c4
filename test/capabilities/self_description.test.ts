import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { capabilities } from "../../core/capabilities/mod.ts";
import { server } from "../../core/capabilities/server/mod.ts";
import { modesAmong, prefersHtml } from "../../core/faces/docs/manual.ts";
import type { Capability, DataMode } from "../../core/kernel/capability.ts";
import { call } from "../../core/kernel/operation.ts";
import { memoryPorts } from "../support/memory_house.ts";
import { memorySite, type SiteOptions } from "../support/memory_site.ts";
import { faultsOfHtml, textOf } from "../support/page_reading.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, testServer } from "../support/test_database.ts";

const MANUAL = `Boxes keep **things**, see [the list](/reference#boxes.list).

## Put something in

\`\`\`sh
curl "$BASE/box" -H "Authorization: Bearer $TOKEN" -d '{"a":"<b>"}'
\`\`\`

\`\`\`json
{"a": "…"}
\`\`\`

| Field | Meaning |
|---|---|
| \`a\` | one \\| two |

1. first
2. second,
   which goes on
`;

const mode: DataMode = {
  name: "document",
  root: "/box",
  shape: { type: "object", properties: { a: { type: "string" } } },
  note: "Boxes with things in them.",
  manual: MANUAL,
};

const boxes = (changes: Partial<DataMode> = {}): Capability => ({
  name: "boxes",
  title: "Boxes & more",
  about: "For tests.",
  duties: [],
  mode: { ...mode, ...changes },
  operations: {
    put: call({
      summary: "Put a thing into a box.",
      http: "POST /box",
      tool: "box_put",
      needs: { scope: "documents", access: "write" },
      limit: "data",
      input: v.strictObject({ a: v.string() }),
      output: v.object({ a: v.string() }),
      handle: async (_, { a }) => ({ a }),
    }),
  },
});

const site = (changes: Partial<DataMode> = {}, options: SiteOptions = {}) => {
  const offered = [boxes(changes)];
  return memorySite({
    settings: { datastoreToken: "service" },
    ...options,
    capabilities: [...offered, server(offered)],
  });
};

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
const healthOf = async ({ send }: ReturnType<typeof site>): Promise<{ status: number; body: any }> => {
  const response = await send("/health");
  return { status: response.status, body: await response.json() };
};

const health = suite("GET /health");

health("tells the database's state, the modes and their sentinels, without a token", async () => {
  const at = site({}, { settings: { datastoreToken: null } });
  const { status, body } = await healthOf(at);
  assert.is(status, 200);
  assert.equal(body, {
    status: "ok",
    database: { reachable: true },
    modes: [{ mode: "document", root: "/box" }],
    sentinels: [{ mode: "document", shape: mode.shape, note: mode.note, created_at: "2026-01-01T00:00:00.000Z" }],
  });
});

health(
  "the sentinels are written at the start; a changed shape is written anew, and the time of making stays",
  async () => {
    const ports = memoryPorts();
    const first = site({}, { ports });
    first.app.start();
    await ports.clock.advance(10);
    const stored = () => ports.database.documents.get("server", "sentinels", "document");
    const before = await stored();
    assert.equal([before?.version, before?.body.shape], [1, mode.shape]);
    await ports.clock.advance(120_000);
    assert.is((await stored())?.version, 1, "what is the same is not written again");
    await first.app.stop();

    const shape = { type: "array" };
    const second = site({ shape }, { ports });
    second.app.start();
    await ports.clock.advance(10);
    const after = await stored();
    assert.equal([after?.version, after?.body.shape, after?.createdAt], [2, shape, before?.createdAt]);
    await second.app.stop();
  },
);

health("a database that was away at the start gets the sentinels later", async () => {
  const ports = memoryPorts();
  const { getMany } = ports.database.documents;
  Object.assign(ports.database.documents, { getMany: () => Promise.reject(new Error("away")) });
  const at = site({}, { ports });
  at.app.start();
  await ports.clock.advance(10);
  Object.assign(ports.database.documents, { getMany });
  await ports.clock.advance(60_000);
  assert.is((await ports.database.documents.get("server", "sentinels", "document"))?.version, 1);
  await at.app.stop();
});

const postgres = testServer;
if (postgres !== null) {
  health("on PostgreSQL each mode has one sentinel, and a restart writes none anew", async () => {
    const database = await createTestDatabase(postgres);
    const directory = await temporaryDirectory();
    const seen: unknown[] = [];
    for (const _ of ["first", "again"]) {
      const running = await startServerProcess({ dataDir: directory.path, env: database.env });
      const told = (await (await fetch(`${running.url}/health`)).json()) as { sentinels: { mode: string }[] };
      await running.end("SIGTERM");
      const rows = await database.query("SELECT id, version FROM documents WHERE realm = 'server' ORDER BY id");
      assert.equal(
        rows.map(({ version }) => Number(version)),
        [1, 1, 1, 1],
      );
      assert.equal(
        told.sentinels.map(({ mode: name }) => name).sort(),
        rows.map(({ id }) => id),
      );
      seen.push(told.sentinels);
    }
    assert.equal(seen[1], seen[0]);
    await database.drop();
    await directory.remove();
  });
}

health("answers 503 with the same body when the database is down, and over MCP says so too", async () => {
  const ports = memoryPorts();
  ports.database.ready = async () => ({ ready: false, schema: null, reason: "The database does not answer" });
  const at = site({}, { ports });
  const { status, body } = await healthOf(at);
  assert.is(status, 503);
  assert.equal(body, {
    status: "unavailable",
    database: { reachable: false, reason: "The database does not answer" },
    modes: [{ mode: "document", root: "/box" }],
    sentinels: [],
  });
  const headers = { "Content-Type": "application/json" };
  const ask = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "health", arguments: {} } };
  const reply = await at.send("/mcp", { method: "POST", headers, body: JSON.stringify(ask) });
  const { result } = (await reply.json()) as { result: { structuredContent: { status: string } } };
  assert.is(result.structuredContent.status, "unavailable");
});

health("a store that fails beside a database that says ready is a 503 without its words", async () => {
  const ports = memoryPorts();
  Object.assign(ports.database.documents, { getMany: () => Promise.reject(new Error("secret words of a driver")) });
  const { status, body } = await healthOf(site({}, { ports }));
  assert.equal([status, body.database], [503, { reachable: false, reason: "The database does not answer" }]);
});

health("asks the database at most once a second, however often it is asked", async () => {
  const ports = memoryPorts();
  let asked = 0;
  const { ready } = ports.database;
  ports.database.ready = () => {
    asked += 1;
    return ready();
  };
  const at = site({}, { ports });
  for (let index = 0; index < 20; index += 1) await healthOf(at);
  assert.is(asked, 1);
  await ports.clock.advance(1_001);
  await healthOf(at);
  assert.is(asked, 2);
});

const manual = suite("GET on a mode's root");

const curl = { headers: { Accept: "*/*" } };

manual(
  "answers the manual as Markdown to programs: the mode's words, what is needed first, and all operations",
  async () => {
    const response = await site().send("/box", { headers: { Accept: "text/markdown" } });
    assert.is(response.headers.get("content-type"), "text/markdown; charset=utf-8");
    assert.match(response.headers.get("vary")!, "Accept");
    const text = await response.text();
    assert.match(text, /^# Boxes & more\n\nBoxes keep \*\*things\*\*/);
    assert.match(text, "export BASE=http://millrace.test TOKEN=your-token");
    assert.ok(text.includes(MANUAL.slice(MANUAL.indexOf("## Put")).trim()));
    assert.match(
      text,
      "| [Put a thing into a box](/reference#boxes.put) | `POST /box` | `box_put` | `documents:write` |",
    );
  },
);

manual("needs no token, and is open where the mode is closed", async () => {
  const { send } = site({}, { settings: { datastoreToken: null } });
  assert.is((await send("/box", curl)).status, 200);
  assert.is((await send("/box", { method: "HEAD" })).status, 200);
  assert.is((await send("/box", { method: "POST" })).status, 503);
});

manual("is a page for browsers, well-formed, with what the Markdown says and no inline script", async () => {
  const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
  const response = await site().send("/box", { headers: { Accept: accept } });
  assert.is(response.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(response.headers.get("vary")!, "Accept");
  assert.match(response.headers.get("content-security-policy")!, "default-src 'none'");
  const html = await response.text();
  assert.equal(faultsOfHtml(html), []);
  const words = textOf(html);
  for (const part of [
    "Boxes & more",
    "Boxes keep things",
    '{"a":"<b>"}',
    "one | two",
    "second, which goes on",
    "POST /box",
  ])
    assert.ok(words.includes(part), part);
  assert.match(html, '<a href="/reference#boxes.list">the list</a>');
  assert.match(html, "<strong>things</strong>");
});

manual("is Markdown whenever nothing prefers HTML", () => {
  for (const accept of [
    null,
    "*/*",
    "text/markdown",
    "text/plain, */*;q=0.1",
    "application/json",
    "text/html;q=0.5, text/markdown",
    "text/*",
  ])
    assert.is(prefersHtml(accept), false, String(accept));
  for (const accept of [
    "text/html",
    "TEXT/HTML, */*;q=0.8",
    "text/html, text/markdown;q=0.9",
    "text/html;level=1, */*;q=0.1",
    "*/*, text/markdown;q=0",
  ])
    assert.is(prefersHtml(accept), true, accept);
});

manual("is told apart by its tag, and not sent again to who has it", async () => {
  const { send } = site();
  const [markdown, page] = await Promise.all([send("/box", curl), send("/box", { headers: { Accept: "text/html" } })]);
  const [one, other] = [markdown, page].map(({ headers }) => headers.get("etag")!);
  assert.is.not(one, other);
  const held = { ...curl.headers, "If-None-Match": one! };
  assert.is((await send("/box", { headers: held })).status, 304);
  assert.is((await send("/box", { headers: { Accept: "text/html", "If-None-Match": one! } })).status, 200);
});

for (const [words, wrong] of [
  ["raw HTML", "<b>x</b>"],
  ["an image", "![a](/b.png)"],
  ["a nested list", "- a\n\n  - b"],
  ["a deeper heading", "#### x"],
  ["a title of its own", "# x"],
  ["a link to elsewhere", "[x](https://example.org)"],
  ["a link that runs a script", "[x](javascript:alert)"],
  ["a block of code without its end", "```sh\nx"],
  ["a row with a cell too many", "| a |\n|---|\n| b | c |"],
] as const) {
  manual(`with ${words} is an error, not a page that looks wrong`, async () => {
    const response = await site({ manual: wrong }).send("/box", { headers: { Accept: "text/html" } });
    assert.is(response.status, 500);
  });
}

manual("of each of our modes is a sound page, and each of its links leads somewhere", async () => {
  const { send } = memorySite();
  const reference = await (await send("/reference")).text();
  for (const { mode: ours } of modesAmong(capabilities)) {
    const html = await (await send(ours.root, { headers: { Accept: "text/html" } })).text();
    assert.equal(faultsOfHtml(html), [], ours.root);
    const links = new Set(Array.from(html.matchAll(/ href="([^"]+)"/g), ([, link]) => link!.replaceAll("&amp;", "&")));
    for (const link of links) {
      const anchor = /^\/reference#(.+)$/.exec(link)?.[1];
      if (anchor !== undefined) assert.ok(reference.includes(` id="${anchor}"`), `${ours.root} links to ${link}`);
      else if (!link.startsWith("#")) assert.is((await send(link)).status, 200, `${ours.root} links to ${link}`);
    }
  }
});

const places = suite("what leads to the manuals");

places("GET /llms.txt lists modes, other abilities, reference, OpenAPI, MCP and health, on every app", async () => {
  for (const apps of [["rest"], ["site"], ["mcp"]] as const) {
    const response = await site({}, { apps }).send("/llms.txt");
    assert.is(response.headers.get("content-type"), "text/plain; charset=utf-8");
    const text = await response.text();
    assert.match(text, /^# Millrace\n\n> /);
    for (const line of [
      "- [Boxes & more](http://millrace.test/box): Boxes with things in them.",
      "- [Server](http://millrace.test/reference#server): ",
      "http://millrace.test/reference)",
      "http://millrace.test/openapi.json)",
      "http://millrace.test/mcp)",
      "http://millrace.test/health)",
    ])
      assert.ok(text.includes(line), line);
  }
});

places("the reference shows each mode's tour, its scopes, and links to its manual", async () => {
  const html = await (await site().send("/reference")).text();
  assert.equal(faultsOfHtml(html), []);
  assert.match(html, 'id="document.tour"');
  assert.match(html, 'href="#document.tour"');
  assert.match(html, 'href="/box"');
  assert.match(html, 'href="/llms.txt"');
  const words = textOf(html);
  for (const part of ["Put something in", "documents:write", "POST/box", "Boxes with things in them."])
    assert.ok(words.includes(part), part);
});

health.run();
manual.run();
places.run();
