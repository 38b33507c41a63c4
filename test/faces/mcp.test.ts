import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ListToolsResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { capabilities as everyCapability } from "../../core/capabilities/mod.ts";
import { mcpRoutes } from "../../core/faces/mcp/mod.ts";
import { createRouter } from "../../core/faces/router.ts";
import { type Capability, operationsOf } from "../../core/kernel/capability.ts";
import type { House } from "../../core/kernel/context.ts";
import { createCredentials } from "../../core/kernel/credential.ts";
import { createCorridor } from "../../core/kernel/invoke.ts";
import { createKnocks } from "../../core/kernel/knock.ts";
import { createLimiter } from "../../core/kernel/limit.ts";
import { call, type Declared, type Operation } from "../../core/kernel/operation.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Host } from "../../core/ports/host.ts";
import { memoryBus } from "../../core/ports/memory/bus.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryIds } from "../../core/ports/memory/ids.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { memoryObjects } from "../../core/ports/memory/objects.ts";

const ORIGIN = "http://mcp.test";
const VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26"];
const HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] as const;

const base = { needs: "nobody", limit: "other", http: false } as const;
const box = v.pipe(v.string(), v.description("the box's id"));
const done = v.object({ ok: v.boolean() });
const owned = { credential: "publish", of: "box_id" } as const;

const echo = call({
  ...base,
  summary: "Echo a text.",
  details: "Nothing is kept.",
  http: "POST /echo",
  tool: "echo_text",
  input: v.strictObject({
    text: v.string(),
    times: v.optional(v.pipe(v.number(), v.maxValue(9, (issue) => `is ${issue.input}, the most is 9`)), 1),
    more: v.optional(v.record(v.string(), v.unknown())),
  }),
  output: v.object({ text: v.string(), principal: v.nullable(v.string()) }),
  handle: async (context, { text, times }) => ({
    text: text.repeat(times),
    principal: context.principal?.subject ?? null,
  }),
});

const openBox = call({
  ...base,
  summary: "Open a box.",
  tool: "open_box",
  http: ["GET /boxes/:box_id", "GET /v1/boxes/:box_id"],
  needs: owned,
  input: v.strictObject({ box_id: box }),
  output: v.object({ box_id: v.string() }),
  handle: async (_, { box_id }) => ({ box_id }),
});

const dropBox = call({
  ...base,
  summary: "Drop a box.",
  tool: "drop_box",
  http: "DELETE /boxes/:box_id",
  needs: owned,
  idempotent: true,
  input: v.strictObject({ box_id: box }),
  output: done,
  handle: async () => ({ ok: true }),
});

const peek = call({
  ...base,
  summary: "Peek into a box.",
  tool: "peek_box",
  effect: "read",
  openWorld: true,
  needs: { credential: "read", of: "box_id", optional: true },
  input: v.strictObject({ box_id: box }),
  output: v.object({ holder: v.nullable(v.string()) }),
  handle: async (context) => ({ holder: context.principal?.subject ?? null }),
});

const crash = call({
  ...base,
  summary: "Crash.",
  tool: "crash",
  input: v.strictObject({}),
  output: done,
  async handle() {
    throw new Error("words of the house");
  },
});

const busy = call({
  ...base,
  summary: "Be busy.",
  tool: "be_busy",
  input: v.strictObject({}),
  output: done,
  async handle() {
    throw new Fault("unavailable", "The store does not answer; try again", { cause: "words of the store" });
  },
});

const slow = call({
  ...base,
  summary: "Take 35 seconds.",
  tool: "be_slow",
  input: v.strictObject({}),
  output: done,
  async handle(context) {
    await context.clock.sleep(35_000);
    return { ok: !context.signal.aborted };
  },
});

const hidden = call({ ...base, summary: "Hide.", tool: false, input: v.strictObject({}), output: done, handle: async () => ({ ok: true }) });

const operations = { echo, openBox, dropBox, peek, crash, busy, slow, hidden };
const samples: Capability = { name: "samples", title: "Samples", about: "For these tests.", operations, duties: [] };

function settingsWith(changes: Partial<Settings>): Settings {
  return {
    version: "1.2.3",
    channelBase: null,
    restBase: null,
    mcpBase: null,
    tokenSecretSalt: new Uint8Array(32),
    internalToken: "internal-token",
    payloadMaxBytes: 1_024,
    payloadInlineMaxBytes: 1_024,
    defaultTtlSeconds: 60,
    rateLimits: null,
    allowedOrigins: [],
    trustedProxies: [],
    heartbeatMs: 15_000,
    pollMs: 1_000,
    ...changes,
  };
}

/** A server of the samples in memory, and ways to speak to it. */
function serve(changes: Partial<Settings> = {}, served: readonly Operation[] = operationsOf([samples])) {
  const settings = settingsWith(changes);
  const clock = memoryClock();
  const database = memoryDatabase(clock);
  const ids = memoryIds();
  const log = memoryLog();
  const bus = memoryBus();
  const knocks = createKnocks(bus, new AbortController().signal);
  const credentials = createCredentials({ database, ids, clock, knocks, salt: settings.tokenSecretSalt });
  const house: House = { database, objects: memoryObjects(), bus, clock, ids, log, settings, credentials, knocks };
  const corridor = createCorridor(house, createLimiter(settings.rateLimits, clock));
  const fetch = createRouter(mcpRoutes(served, corridor, house), house);
  const host: Host = {
    address: "192.0.2.1",
    apps: new Set(["mcp"]),
    stream() {
      throw new Error("answers over MCP are no streams here");
    },
  };
  const send = (path: string, init?: RequestInit) => fetch(new Request(`${ORIGIN}${path}`, init), host);
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    send("/mcp", { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  const ask = async (method: string, params?: unknown, headers: Record<string, string> = {}) => {
    const response = await post({ jsonrpc: "2.0", id: 7, method, ...(params === undefined ? {} : { params }) }, headers);
    return { status: response.status, ...(await response.json()) };
  };
  const tool = async (name: string, args?: unknown) => {
    const { result } = await ask("tools/call", { name, ...(args === undefined ? {} : { arguments: args }) });
    return { ...result, text: result.content[0].text };
  };
  const mint = async (kind: "publish" | "read", subject: string) => {
    const { token, command } = await credentials.mint(kind, subject);
    await database.commit([command]);
    return token;
  };
  const client = async () => {
    const sdk = new Client({ name: "test", version: "1" });
    const carried = (url: string | URL, init?: RequestInit) => fetch(new Request(url, init), host);
    await sdk.connect(new StreamableHTTPClientTransport(new URL(`${ORIGIN}/mcp`), { fetch: carried }) as never);
    return sdk;
  };
  return { send, post, ask, tool, mint, client, clock, log, house, corridor };
}

/** What a promise is rejected with. */
async function rejection(promise: Promise<unknown>): Promise<{ code: number; message: string }> {
  return promise.then(
    () => assert.unreachable("it was not rejected"),
    (error) => error,
  ) as Promise<{ code: number; message: string }>;
}

function declare(operation: Declared): Operation[] {
  return operationsOf([{ ...samples, operations: { one: operation } }]);
}

const tools = suite("MCP tools");

tools("are the call operations that name one, in declared order", async () => {
  const { ask } = serve();
  const { result } = await ask("tools/list");
  const names = result.tools.map(({ name }: { name: string }) => name);
  assert.equal(names, ["echo_text", "open_box", "drop_box", "peek_box", "crash", "be_busy", "be_slow"]);
  assert.is(result.tools[0].title, "Echo a text");
  assert.is(result.tools[0].description, "Echo a text. Nothing is kept.");
  assert.equal((await ask("tools/list")).result, result);
});

tools("of this house have closed schemas without combinators at the top, and all four hints", async () => {
  for (const served of [operationsOf([samples]), operationsOf(everyCapability)]) {
    const { result } = await serve({}, served).ask("tools/list");
    for (const tool of ListToolsResultSchema.parse(result).tools) {
      assert.match(tool.name, /^[a-z_]{1,40}$/);
      assert.is(tool.inputSchema.additionalProperties, false, tool.name);
      for (const schema of [tool.inputSchema, tool.outputSchema!]) {
        assert.is(schema.type, "object", tool.name);
        for (const word of ["oneOf", "anyOf", "allOf", "$ref"]) assert.not(word in schema, `${tool.name} ${word}`);
      }
      for (const hint of HINTS) assert.type(tool.annotations?.[hint], "boolean", `${tool.name} ${hint}`);
      assert.is(tool.annotations?.title, tool.title);
    }
  }
});

tools("get their hints from effect, method, idempotent and openWorld", async () => {
  const { result } = await serve().ask("tools/list");
  const hints = (at: number) => HINTS.map((hint) => result.tools[at].annotations[hint]);
  assert.equal(hints(0), [false, false, false, false], "POST");
  assert.equal(hints(1), [true, false, true, false], "GET");
  assert.equal(hints(2), [false, true, true, false], "DELETE, idempotent");
  assert.equal(hints(3), [true, false, true, true], "effect read, open world");
});

tools("take the credential as their first argument, required unless it is optional", async () => {
  const { result } = await serve().ask("tools/list");
  const [plain, owned, , peeked] = result.tools.map((tool: { inputSchema: object }) => tool.inputSchema);
  assert.equal(plain.required, ["text"]);
  assert.equal(Object.keys(owned.properties), ["publish_token", "box_id"]);
  assert.equal(owned.required, ["publish_token", "box_id"]);
  assert.equal(Object.keys(peeked.properties), ["read_token", "box_id"]);
  assert.equal(peeked.required, ["box_id"]);
  assert.match(owned.properties.publish_token.description, /publish token.*pub_….*shown once/);
});

tools("that hosts would refuse are refused when the server is built", () => {
  const refused = (changes: Partial<Declared>, words: RegExp) =>
    assert.throws(() => serve({}, declare({ ...echo, ...changes } as Declared)), words);
  refused({ tool: "Echo-Text" } as Partial<Declared>, /tool name Echo-Text/);
  refused({ output: v.union([done, done]) } as Partial<Declared>, /anyOf at its top/);
  refused({ output: v.array(done) } as Partial<Declared>, /not one of an object/);
  refused({ needs: "internal" }, /internal token/);
  refused({ needs: owned, input: v.strictObject({ publish_token: v.string() }) }, /hides the credential/);
  assert.throws(() => serve({}, [...declare(echo), ...declare(echo)]), /both the tool echo_text/);
});

tools("answer the same data as text and as structured content", async () => {
  const { tool } = serve();
  const result = await tool("echo_text", { text: "ho", times: 3 });
  assert.equal(result.structuredContent, { text: "hohoho", principal: null });
  assert.equal(JSON.parse(result.text), result.structuredContent);
  assert.is(result.isError, undefined);
});

tools("know who holds the credential argument, and only for its subject", async () => {
  const { tool, mint } = serve();
  const publish_token = await mint("publish", "a");
  assert.equal((await tool("open_box", { publish_token, box_id: "a" })).structuredContent, { box_id: "a" });
  assert.match((await tool("open_box", { publish_token, box_id: "b" })).text, /^not_found: There is no box b/);
  assert.equal((await tool("peek_box", { box_id: "a" })).structuredContent, { holder: null });
  const read_token = await mint("read", "a");
  assert.equal((await tool("peek_box", { read_token: ` ${read_token}\n`, box_id: "a" })).structuredContent, { holder: "a" });
});

tools("never take a credential from headers, nor the internal token", async () => {
  const { ask, mint } = serve();
  const token = await mint("read", "a");
  const headers = { "X-Read-Token": token, "X-Publish-Token": token, Authorization: `Bearer ${token}` };
  const { result } = await ask("tools/call", { name: "peek_box", arguments: { box_id: "a" } }, headers);
  assert.equal(result.structuredContent, { holder: null });
  const internal = { Authorization: "Bearer internal-token" };
  const opened = await ask("tools/call", { name: "open_box", arguments: { box_id: "a" } }, internal);
  assert.match(opened.result.content[0].text, /^unauthorized: The publish token is missing/);
});

tools("say in an error result what was wrong, without structured content", async () => {
  const { tool } = serve({ rateLimits: null });
  const result = await tool("echo_text", { text: "x", times: 12 });
  assert.is(result.isError, true);
  assert.is(result.text, "invalid_input: Cannot echo a text: times is 12, the most is 9");
  assert.not("structuredContent" in result);
  assert.is(result._meta.code, "invalid_input");
  assert.is(result._meta.retryable, false);
  assert.match(result._meta.request_id, /^[0-9a-f-]{36}$/);
  assert.match((await tool("echo_text")).text, /^invalid_input: .*text is missing/);
  assert.match((await tool("echo_text", { text: "x", tmies: 2 })).text, /the field "tmies" is unknown; did you mean times\?/);
  assert.match((await tool("open_box", { box_id: "a" })).text, /^unauthorized: .*the argument publish_token/);
  assert.match((await tool("open_box", { publish_token: "", box_id: "a" })).text, /^unauthorized: .*missing/);
  assert.is((await tool("be_busy", {}))._meta.retryable, true);
});

tools("never repeat a secret, nor the words of what broke", async () => {
  const { tool, ask } = serve();
  for (const publish_token of ["pub_canary", ["pub_canary"], { pub_canary: 1 }, 42]) {
    const { text } = await tool("open_box", { publish_token, box_id: "a" });
    assert.match(text, typeof publish_token === "string" ? /^unauthorized: .*malformed/ : /^invalid_input: publish_token is .*string/);
    assert.not.match(text, /canary|42/);
  }
  const wrong = await ask("tools/call", { name: "open_box", arguments: "pub_canary" });
  assert.is(wrong.error.code, -32602);
  assert.not.match(wrong.error.message, /canary/);
  assert.match((await tool("crash", {})).text, /^internal: Something went wrong on our side/);
  assert.not.match((await tool("be_busy", {})).text, /words of the store/);
});

tools("refuse hostile arguments by name", async () => {
  const { post, tool } = serve({ payloadMaxBytes: 1_000_000 });
  const raw = (args: string) =>
    post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo_text","arguments":${args}}}`);
  const text = async (args: string) => (await (await raw(args)).json()).result.content[0].text;
  assert.match(await text('{"text":"x","__proto__":{"times":3}}'), /^invalid_input: __proto__: the key __proto__ is not allowed/);
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  assert.match(await text(`{"text":"x","more":${deep}}`), /nested deeper than 64 levels/);
  const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, 1]));
  assert.match((await tool("echo_text", wide)).text, /^invalid_input: .*more than 10000 keys/);
});

tools("are limited like every other face", async () => {
  const rate = { count: 1, perMs: 60_000 };
  const { tool } = serve({ rateLimits: { create: rate, publish: rate, other: rate } });
  assert.is((await tool("echo_text", { text: "x" })).isError, undefined);
  const second = await tool("echo_text", { text: "x" });
  assert.match(second.text, /^rate_limited: Too many requests: at most 1 per minute; try again in \d+ s/);
  assert.is(second._meta.retryable, true);
});

tools("may take 35 seconds", async () => {
  const { tool, clock, log } = serve();
  const answer = tool("be_slow", {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  await clock.advance(34_999);
  assert.equal(log.lines, []);
  await clock.advance(1);
  assert.equal((await answer).structuredContent, { ok: true });
});

tools.run();

const http = suite("POST /mcp");

http("serves the SDK's own client", async () => {
  const { client, mint } = serve();
  const sdk = await client();
  assert.equal(sdk.getServerVersion(), { name: "millrace", title: "Millrace", version: "1.2.3" });
  assert.equal(sdk.getServerCapabilities(), { tools: {} });
  assert.is((await sdk.listTools()).tools.length, 7);
  await sdk.ping();
  const publish_token = await mint("publish", "a");
  const opened = await sdk.callTool({ name: "open_box", arguments: { publish_token, box_id: "a" } });
  assert.equal(opened.structuredContent, { box_id: "a" });
  const failed = await sdk.callTool({ name: "echo_text", arguments: { text: 5 } });
  assert.is(failed.isError, true);
  assert.match(JSON.stringify(failed.content), /text is 5; send a string/);
  const unknown = await rejection(sdk.callTool({ name: "echo_txt", arguments: {} }));
  assert.is(unknown.code, -32602);
  assert.match(unknown.message, /There is no tool \\?"echo_txt\\?"; did you mean echo_text\?/);
  await sdk.close();
});
