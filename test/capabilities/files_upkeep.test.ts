import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type FileApp, openFiles } from "../support/file_client.ts";

const test = suite("files: list, delete, upkeep, tools");

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function listed(server: FileApp, query = "", token?: string) {
  const answer = await server.ask("GET", `/files/temp${query}`, token === undefined ? {} : { token });
  assert.is(answer.status, 200);
  return (await answer.json()) as { files: { id: string; name: string }[]; next_cursor: string | null };
}

/** A server at work, until the proof is over. */
async function atWork(proof: (server: FileApp) => Promise<void>): Promise<void> {
  const server = openFiles();
  server.app.start();
  try {
    await proof(server);
  } finally {
    await server.stop();
  }
}

test("a token lists the files that it has put, newest first, in pages; the service token all", async () => {
  const server = openFiles();
  const [ada, bob] = [await server.token("files:read", "files:write"), await server.token("files:read", "files:write")];
  const put = async (name: string, token: string) => {
    await server.advance(5);
    assert.is((await server.ask("PUT", `/files/temp/${name}`, { body: "x", token })).status, 201);
  };
  for (const name of ["1", "2", "3", "4", "5"]) await put(name, ada);
  await put("6", bob);
  const names: string[] = [];
  for (let query = "?limit=2"; ; ) {
    const { files, next_cursor } = await listed(server, query, ada);
    assert.ok(files.length <= 2);
    names.push(...files.map(({ name }) => name));
    if (next_cursor === null) break;
    query = `?limit=2&cursor=${next_cursor}`;
  }
  assert.equal(names, ["5", "4", "3", "2", "1"]);
  assert.equal(
    (await listed(server, "", bob)).files.map(({ name }) => name),
    ["6"],
  );
  assert.equal(
    (await listed(server)).files.map(({ name }) => name),
    ["6", "5", "4", "3", "2", "1"],
  );
  for (const query of ["?cursor=x", "?limit=0", "?limit=1001", "?owner=x"])
    assert.is((await server.ask("GET", `/files/temp${query}`)).status, 400);
  assert.is((await server.ask("GET", "/files/temp", { token: await server.token("files:write") })).status, 403);
});

test("no answer but the first shows a secret", async () => {
  const server = openFiles();
  const { url } = await server.put("x");
  const secret = new URL(url).searchParams.get("secret")!;
  assert.not.match(JSON.stringify(await listed(server)), secret);
});

test("a deleted file is gone at once, and its bytes after those who are reading them", () =>
  atWork(async (server) => {
    const { url, id } = await server.put("hello");
    const deleted = await server.ask("DELETE", url, { token: null });
    assert.equal([deleted.status, await deleted.json()], [200, { id, deleted: true }]);
    for (const method of ["GET", "HEAD", "DELETE"])
      assert.is((await server.ask(method, url, { token: null })).status, 404);
    assert.equal((await listed(server)).files, []);
    await server.advance(5 * MINUTE);
    assert.is((await server.held()).objects.length, 1);
    await server.advance(10 * MINUTE);
    assert.equal((await server.held()).objects, []);
  }));

test("files whose time is over go with their objects, and the others stay", () =>
  atWork(async (server) => {
    await server.put("short", "?ttl_seconds=60");
    const { id, url } = await server.put("long", "?ttl_seconds=86400");
    await server.advance(3 * HOUR);
    const { objects, files } = await server.held();
    assert.equal([objects.length, files], [1, [id]]);
    assert.is(await server.ports.database.files.used("service"), 4);
    assert.is(await (await server.ask("GET", url, { token: null })).text(), "long");
  }));

test("what a crash left between object and row is removed after an hour, and nothing else", () =>
  atWork(async (server) => {
    const { objects } = server.ports;
    const prefix = `f/${"0".repeat(32)}/`;
    await objects.put(`${prefix}2026010100/orphan`, new Uint8Array(1));
    await objects.put("f/another-installation/2026010100/a", new Uint8Array(1));
    const { url } = await server.put("kept", "?ttl_seconds=86400");
    await server.advance(100 * MINUTE);
    await objects.put(`${prefix}2026010100/young`, new Uint8Array(1));
    await server.advance(21 * MINUTE);
    const keys = (await server.held()).objects;
    assert.equal(
      keys.filter((key) => /orphan|young|another/.test(key)),
      [`${prefix}2026010100/young`, "f/another-installation/2026010100/a"].sort(),
    );
    assert.is(await (await server.ask("GET", url, { token: null })).text(), "kept");
    assert.is(keys.length, 3);
  }));

interface Result {
  isError?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the test looks into answers of several tools
  structuredContent: any;
  content: { text: string }[];
}

/** Calls a tool on a connection with this bearer. */
async function tool(server: FileApp, name: string, args: Record<string, unknown>, token?: string) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } });
  const headers = { "Content-Type": "application/json", Accept: "application/json, text/event-stream" };
  const answer = await server.ask("POST", "/mcp", { body, headers, ...(token !== undefined && { token }) });
  return ((await answer.json()) as { result: Result }).result;
}

test("a model puts, lists and deletes small files by tools", async () => {
  const server = openFiles();
  const put = await tool(server, "file_temp_put", { content: "grüße\n", name: "hi.txt" });
  const { id, url, size, content_type } = put.structuredContent;
  assert.equal([size, content_type], [8, "text/plain"]);
  assert.is(await (await server.ask("GET", url, { token: null })).text(), "grüße\n");
  const bytes = await tool(server, "file_temp_put", { content: "/wCA", encoding: "base64", max_downloads: 1 });
  const got = await server.ask("GET", bytes.structuredContent.url, { token: null });
  assert.equal(new Uint8Array(await got.arrayBuffer()), new Uint8Array([0xff, 0, 0x80]));
  assert.is((await tool(server, "file_temp_list", {})).structuredContent.files.length, 2);
  assert.equal((await tool(server, "file_temp_delete", { id })).structuredContent, { id, deleted: true });
  assert.is((await tool(server, "file_temp_list", {})).structuredContent.files.length, 1);
});

test("a tool's file that is too large or no base64 is refused, and so is a token without the scope", async () => {
  const server = openFiles();
  const words = async (args: Record<string, unknown>, token?: string) => {
    const result = await tool(server, "file_temp_put", args, token);
    assert.ok(result.isError);
    return result.content[0]!.text;
  };
  assert.match(await words({ content: "ü".repeat(131_073) }), /^too_large: .*262146 bytes, the most is 262144/);
  assert.match(await words({ content: "x".repeat(600_000) }), /^invalid_input/);
  assert.match(await words({ content: "a*", encoding: "base64" }), /^invalid_input: .*not base64/);
  assert.match(await words({ content: "x", name: "../x" }), /^invalid_input: .*path/);
  assert.match(await words({ content: "x" }, await server.token("files:read")), /^forbidden/);
  assert.match(await words({ content: "x" }, "wrong"), /^unauthorized/);
  assert.equal((await server.held()).files, []);
  assert.not.ok((await tool(server, "file_temp_put", { content: "ü".repeat(131_072) })).isError);
});

test("a file's secret stands in for the connection's token when it is deleted by a tool", async () => {
  const server = openFiles();
  const { id, url } = await server.put("x");
  const secret = new URL(url).searchParams.get("secret")!;
  assert.ok((await tool(server, "file_temp_delete", { id, secret: `${secret}x` })).isError);
  assert.not.ok((await tool(server, "file_temp_delete", { id, secret }, "wrong")).isError);
});

test.run();
