import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capabilities as everyCapability } from "../../core/capabilities/mod.ts";
import { instructions } from "../../core/faces/mcp/about.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { jsonOf, serveSamples as serve } from "../support/mcp_samples.ts";

const VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26"];
const hello = { capabilities: {}, clientInfo: { name: "test", version: "1" } };

async function rejection(promise: Promise<unknown>): Promise<{ code: number; message: string }> {
  return promise.then(
    () => assert.unreachable("it was not rejected"),
    (error) => error,
  ) as Promise<{ code: number; message: string }>;
}

const http = suite("POST /mcp");

http("serves the SDK's own client", async () => {
  const { connect, mint } = serve({ version: "1.2.3" });
  const client = await connect();
  assert.equal(client.getServerVersion(), { name: "millrace", title: "Millrace", version: "1.2.3" });
  assert.equal(client.getServerCapabilities(), { tools: {} });
  assert.is(client.getInstructions(), instructions);
  assert.is((await client.listTools()).tools.length, 7);
  await client.ping();
  const publish_token = await mint("publish", "a");
  const opened = await client.callTool({ name: "open_box", arguments: { publish_token, box_id: "a" } });
  assert.equal(opened.structuredContent, { box_id: "a" });
  const failed = await client.callTool({ name: "echo_text", arguments: { text: 5 } });
  assert.is(failed.isError, true);
  assert.match(JSON.stringify(failed.content), /text is 5; send a string/);
  const unknown = await rejection(client.callTool({ name: "echo_txt", arguments: {} }));
  assert.is(unknown.code, -32602);
  assert.match(unknown.message, 'There is no tool "echo_txt"; did you mean echo_text?');
  await client.close();
});

http("negotiates the versions it speaks, and offers the newest for any other", async () => {
  const { ask } = serve();
  const negotiated = async (protocolVersion: string) =>
    (await ask("initialize", { ...hello, protocolVersion })).result.protocolVersion;
  for (const version of VERSIONS) assert.is(await negotiated(version), version);
  for (const version of ["2026-07-28", "2024-11-05", "soon"]) assert.is(await negotiated(version), "2025-11-25");
});

http("gives instructions below 2 KB that name tools which exist", () => {
  assert.ok(new TextEncoder().encode(instructions).length < 2_048);
  const tools = operationsOf(everyCapability).flatMap((one) => (one.kind === "call" && one.tool ? [one.tool] : []));
  const named = instructions
    .match(/\b[a-z]+(_[a-z]+)+\b/g)!
    .filter((word) => /^(create|publish|read)_\w+_?/.test(word));
  const order = ["create_channel", "publish_message", "read_channel_messages"].map((tool) =>
    instructions.indexOf(tool),
  );
  assert.equal(
    order,
    [...order].sort((a, b) => a - b),
  );
  for (const name of named) assert.ok(tools.includes(name) || /_token$/.test(name), name);
});

http("answers under its alias, and GET and DELETE with 405", async () => {
  const { send } = serve();
  for (const path of ["/mcp", "/sse"]) {
    const ping = JSON.stringify({ jsonrpc: "2.0", id: "a", method: "ping" });
    assert.equal(await jsonOf(await send(path, { method: "POST", body: ping })), {
      jsonrpc: "2.0",
      id: "a",
      result: {},
    });
    for (const method of ["GET", "DELETE"]) {
      const response = await send(path, { method, headers: { Accept: "text/event-stream" } });
      assert.is(response.status, 405);
      assert.is(response.headers.get("allow"), "OPTIONS, POST");
      assert.is((await jsonOf(response)).error.code, "method_not_allowed");
    }
  }
});

http("refuses foreign origins before the body is read", async () => {
  const { send } = serve({ allowedOrigins: ["https://friend.test"], mcpBase: "https://mcp.test" });
  let reads = 0;
  const from = (origin: string | null) => {
    const body = new ReadableStream(
      {
        pull(controller) {
          reads += 1;
          controller.enqueue(new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"ping"}'));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const headers: Record<string, string> = origin === null ? {} : { Origin: origin };
    return send("/mcp", { method: "POST", headers, body, duplex: "half" } as RequestInit);
  };
  for (const origin of [
    "https://evil.test",
    "null",
    "http://localhost",
    "https://mcp.test.evil.test",
    "http://127.0.0.1",
  ]) {
    const response = await from(origin);
    assert.is(response.status, 403, origin);
    assert.is((await jsonOf(response)).error.code, "forbidden");
  }
  assert.is(reads, 0);
  for (const origin of [null, "https://friend.test", "https://mcp.test"]) assert.is((await from(origin)).status, 200);
});

http("refuses a body above twice the payload limit and 128 KiB", async () => {
  const { post } = serve({ payloadMaxBytes: 1_000 });
  const message = (size: number) => {
    const head = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"pad":"';
    return `${head}${"x".repeat(size - head.length - 4)}"}}}`;
  };
  assert.is((await post(message(133_072))).status, 200);
  const response = await post(message(133_073));
  assert.is(response.status, 413);
  assert.is((await jsonOf(response)).error.details.limit_bytes, 133_072);
});

http("answers what is no message with 400, a code and words", async () => {
  const { post, send } = serve();
  const refused = async (body: unknown, code: number, words: RegExp, id: unknown = null) => {
    const response = await post(body);
    const answer = await jsonOf(response);
    assert.is(response.status, 400, JSON.stringify(body));
    assert.is(answer.error.code, code, JSON.stringify(body));
    assert.match(answer.error.message, words);
    assert.is(answer.id, id);
    assert.is(answer.jsonrpc, "2.0");
  };
  await refused("{", -32700, /not valid JSON/);
  await refused("", -32700, /empty/);
  const latin = await send("/mcp", { method: "POST", body: new Uint8Array([0x22, 0xe9, 0x22]) });
  assert.equal([latin.status, (await jsonOf(latin)).error.code], [400, -32700]);
  await refused(
    [{ jsonrpc: "2.0", id: 1, method: "ping" }],
    -32600,
    /batches were removed from MCP in 2025-06-18; send one message/,
  );
  await refused("[]", -32600, /batches/);
  await refused("null", -32600, /no JSON object/);
  await refused({ id: 3, method: "ping" }, -32600, /"jsonrpc": "2.0"/, 3);
  await refused({ jsonrpc: "1.0", id: 3, method: "ping" }, -32600, /"jsonrpc": "2.0"/, 3);
  await refused({ jsonrpc: "2.0", id: 3 }, -32600, /no method/, 3);
  await refused({ jsonrpc: "2.0", id: 3, method: 4 }, -32600, /method: expected string/, 3);
  await refused({ jsonrpc: "2.0", id: null, method: "ping" }, -32600, /id must be a string or a whole number/);
  await refused({ jsonrpc: "2.0", id: 1.5, method: "ping" }, -32600, /id must be/);
  await refused({ jsonrpc: "2.0", id: 1, method: "ping", params: [1] }, -32600, /params: expected object/, 1);
  await refused({ jsonrpc: "2.0", id: 1, method: "ping", secret: 1 }, -32600, /members that nobody knows/, 1);
  await refused(
    { jsonrpc: "2.0", id: 1, method: "ping", params: { _meta: Array(10_001).fill(0) } },
    -32600,
    /10000 keys/,
    1,
  );
  await refused(
    '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{}}}',
    -32600,
    /__proto__ is not allowed/,
    1,
  );
  await refused('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', -32600, /id is beyond 2\^53/);
  await refused({ jsonrpc: "2.0", method: "notifications/x", params: 3 }, -32600, /params: expected object/);
  await refused({ jsonrpc: "2.0", id: 1, result: {}, error: {} }, -32600, /no method/, 1);
});

http("takes notifications and responses without a word", async () => {
  const { post } = serve();
  for (const message of [
    { method: "notifications/initialized" },
    { method: "notifications/cancelled", params: { requestId: 7, reason: "no" } },
    { method: "of/our/own", params: {} },
    { id: 1, result: {} },
    { id: 1, error: { code: -1, message: "no" } },
  ]) {
    const response = await post({ jsonrpc: "2.0", ...message });
    assert.is(response.status, 202, JSON.stringify(message));
    assert.is(await response.text(), "");
  }
});

http("answers unknown methods and wrong parameters with 200 and an error in words", async () => {
  const { ask } = serve();
  const refused = async (method: string, params: unknown, code: number, words: RegExp) => {
    const { status, id, error } = await ask(method, params);
    assert.equal([status, id, error.code], [200, 7, code]);
    assert.match(error.message, words);
  };
  await refused(
    "resources/list",
    {},
    -32601,
    /no method "resources\/list" here; there are initialize, ping, tools\/list, tools\/call/,
  );
  await refused("__proto__", undefined, -32601, /no method/);
  await refused("tools/call", undefined, -32602, /params is missing/);
  await refused("tools/call", { arguments: {} }, -32602, /params\.name is missing/);
  await refused(
    "tools/call",
    { name: "echo_text", arguments: [] },
    -32602,
    /params\.arguments: expected object, received array/,
  );
  await refused(
    "tools/call",
    { name: "no_such_thing_at_all" },
    -32602,
    /no tool "no_such_thing_at_all"; tools\/list shows/,
  );
  await refused("tools/call", { name: "__proto__" }, -32602, /no tool/);
  await refused("tools/list", { cursor: "2" }, -32602, /one page/);
  await refused("initialize", { protocolVersion: "2025-11-25" }, -32602, /params\.capabilities is missing/);
});

http("ignores the wish for a task, and what clients accept", async () => {
  const { ask } = serve();
  const params = { name: "echo_text", arguments: { text: "x" }, task: { ttl: 1 } };
  for (const Accept of ["*/*", "application/json", "text/html", "text/event-stream"]) {
    const { status, result } = await ask("tools/call", params, { Accept, "Content-Type": "text/plain" });
    assert.equal([status, result.structuredContent.text], [200, "x"]);
  }
});

http("refuses versions it does not speak in the header", async () => {
  const { ask, post } = serve();
  for (const version of VERSIONS) assert.is((await ask("ping", {}, { "MCP-Protocol-Version": version })).status, 200);
  for (const version of ["2026-07-28", "2024-11-05", "2025-11-25, 2025-06-18"]) {
    const { status, id, error } = await ask("ping", {}, { "MCP-Protocol-Version": version });
    assert.equal([status, id, error.code], [400, 7, -32600]);
    assert.match(error.message as string, VERSIONS.join(", "));
    assert.equal(error.data.supported, VERSIONS);
  }
  const notification = { jsonrpc: "2.0", method: "notifications/initialized" };
  assert.is((await post(notification, { "MCP-Protocol-Version": "soon" })).status, 400);
});

http("sends the probe of 2026-07-28 back to initialize", async () => {
  const { ask } = serve();
  const modern = { "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "server/discover" };
  for (const headers of [{}, modern]) {
    const { status, id, error } = await ask("server/discover", { _meta: {} }, headers as Record<string, string>);
    assert.equal([status, id, error.code], [400, 7, -32601]);
    assert.match(error.message, /begin with initialize \(2025-11-25/);
  }
});

http("keeps callers with the same id apart", async () => {
  const { ask } = serve();
  const texts = Array.from({ length: 50 }, (_, index) => `t${index}`);
  const answers = await Promise.all(texts.map((text) => ask("tools/call", { name: "echo_text", arguments: { text } })));
  assert.equal(
    answers.map(({ result }) => result.structuredContent.text),
    texts,
  );
});

http("is found by the discovery document, which names no tools", async () => {
  const read = async (mcpBase: string | null) =>
    jsonOf(await serve({ version: "1.2.3", mcpBase }).send("/.well-known/mcp-server"));
  const document = await read(null);
  assert.equal([document.name, document.title, document.version], ["millrace", "Millrace", "1.2.3"]);
  const remote = { type: "streamable-http", url: "http://mcp.test/mcp", supportedProtocolVersions: VERSIONS };
  assert.equal(document.remotes, [remote]);
  assert.equal(Object.keys(document), ["name", "title", "description", "version", "remotes"]);
  assert.is((await read("https://millrace.test")).remotes[0].url, "https://millrace.test/mcp");
});

http.run();
