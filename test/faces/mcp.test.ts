import { ListToolsResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { capabilities as everyCapability } from "../../core/capabilities/mod.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import type { Declared, Operation } from "../../core/kernel/operation.ts";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { done, echo, jsonOf, owned, samples, serveSamples as serve } from "../support/mcp_samples.ts";

const HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] as const;

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
  assert.equal((await tool("peek_box", { read_token: ` ${read_token}\n`, box_id: "a" })).structuredContent, {
    holder: "a",
  });
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
  assert.match(
    (await tool("echo_text", { text: "x", tmies: 2 })).text,
    /the field "tmies" is unknown; did you mean times\?/,
  );
  assert.match((await tool("open_box", { box_id: "a" })).text, /^unauthorized: .*the argument publish_token/);
  assert.match((await tool("open_box", { publish_token: "", box_id: "a" })).text, /^unauthorized: .*missing/);
  assert.is((await tool("be_busy", {}))._meta.retryable, true);
});

tools("never repeat a secret, nor the words of what broke", async () => {
  const { tool, ask } = serve();
  for (const publish_token of ["pub_canary", ["pub_canary"], { pub_canary: 1 }, 42]) {
    const { text } = await tool("open_box", { publish_token, box_id: "a" });
    assert.match(
      text,
      typeof publish_token === "string" ? /^unauthorized: .*malformed/ : /^invalid_input: publish_token is .*string/,
    );
    assert.not.match(text, /canary|42/);
  }
  const wrong = await ask("tools/call", { name: "open_box", arguments: "pub_canary" });
  assert.is(wrong.error.code, -32602);
  assert.not.match(wrong.error.message, /canary/);
  assert.match((await tool("crash", {})).text, /^internal: Something went wrong on our side/);
  assert.match((await tool("crash", { how: "unwritable" })).text, /^internal: Something went wrong on our side/);
  assert.not.match((await tool("be_busy", {})).text, /words of the store/);
});

tools("refuse hostile arguments by name", async () => {
  const { post, tool } = serve({ payloadMaxBytes: 1_000_000 });
  const raw = (args: string) =>
    post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo_text","arguments":${args}}}`);
  const text = async (args: string) => (await jsonOf(await raw(args))).result.content[0].text;
  assert.match(
    await text('{"text":"x","__proto__":{"times":3}}'),
    /^invalid_input: __proto__: the key __proto__ is not allowed/,
  );
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  assert.match(await text(`{"text":"x","more":${deep}}`), /nested deeper than 64 levels/);
  const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, 1]));
  assert.match((await tool("echo_text", wide)).text, /^invalid_input: .*more than 10000 keys/);
});

tools("are limited like every other face", async () => {
  const rate = { count: 1, perMs: 60_000 };
  const { tool } = serve({ rateLimits: { ...defaultRateLimits, create: rate, publish: rate, other: rate } });
  assert.is((await tool("echo_text", { text: "x" })).isError, undefined);
  const second = await tool("echo_text", { text: "x" });
  assert.match(second.text, /^rate_limited: Too many requests: at most 1 per minute; try again in \d+ s/);
  assert.is(second._meta.retryable, true);
});

tools("may take 35 seconds", async () => {
  const { tool, house } = serve();
  const { sleep } = house.clock;
  const asleep = new Promise<void>((resolve) => {
    house.clock.sleep = (ms, signal) => {
      resolve();
      return sleep(ms, signal);
    };
  });
  const answer = tool("be_slow", {});
  await asleep;
  await house.clock.advance(34_999);
  assert.equal(house.log.lines, []);
  await house.clock.advance(1);
  assert.equal((await answer).structuredContent, { ok: true });
});

tools.run();
