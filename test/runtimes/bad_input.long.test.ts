/**
 * Bad input to a real server of the runtime that runs this file: every case of the list, requests made from the declared schemas, and what only a
 * socket can send. Afterwards the server is as ready as before, and hardly larger.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Scene } from "../support/broken_request.ts";
import { brokenMessages, brokenRequests } from "../support/broken_requests.ts";
import { openRestFuzz, type RestFuzz } from "../support/fuzz_rest.ts";
import { declared, holdsFor, seedOf, shots } from "../support/fuzz_shots.ts";
import { sendRaw } from "../support/raw_http.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const INTERNAL = "internal-token-of-bad-input";
const seed = seedOf(process.env);
const test = suite(`bad input on ${runtimeName}`);
let directory: { path: string; remove(): Promise<void> };
let server: ServerProcess;
let fuzz: RestFuzz;
let scene: Scene;
let before: number | null;

test.before(async () => {
  directory = await temporaryDirectory();
  server = await startServerProcess({ dataDir: directory.path, env: { INTERNAL_TOKEN: INTERNAL } });
  const silence = () => new Promise((resolve) => setTimeout(resolve, 20));
  fuzz = await openRestFuzz({ fetcher: fetch, base: server.url, internalToken: INTERNAL, silence });
  scene = await fuzz.scene();
  before = await residentMegabytes();
});

test.after(async () => {
  await server.end("SIGTERM");
  await directory.remove();
  console.log(`fuzz: ${fuzz.counts.requests} requests, ${fuzz.counts.server} of 5xx, seed ${seed}`);
});

/** What the server process holds in memory; null where the system does not tell. */
async function residentMegabytes(): Promise<number | null> {
  const status = await readFile(`/proc/${server.child.pid}/status`, "utf8").catch(() => "");
  const found = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  return found === undefined ? null : Number(found) / 1024;
}

for (const { name, send, code, says } of brokenRequests) {
  test(`${name} is ${code}`, async () => {
    const error = fuzz.rules.refusal(await fuzz.send(send(scene)));
    assert.is(error.code, code, error.message);
    assert.match(error.message, says, error.message);
  });
}

for (const [name, body, says] of brokenMessages) {
  test(`${name} as an MCP message is 400`, async () => {
    const response = await fetch(`${server.url}/mcp`, { method: "POST", body });
    const { jsonrpc, error } = (await response.json()) as { jsonrpc: string; error: { message: string } };
    assert.equal([response.status, jsonrpc], [400, "2.0"]);
    assert.match(error.message, says, error.message);
  });
}

test("inputs made from the schemas are taken or refused as they must be, by the real stores too", async () => {
  await holdsFor(shots(declared.filter(({ http }) => http !== false)), { seed, runs: 400 }, fuzz.fire);
  assert.ok(fuzz.counts.taken > 50 && fuzz.counts.refused > 50, JSON.stringify(fuzz.counts));
});

/** Closed without a word, refused as the caller's mistake, or as what no HTTP server does: 501 and 505 come from the runtime. */
const isRefusal = (status: number | null) =>
  status === null || (status >= 400 && status < 500) || status === 501 || status === 505;

const head = (line: string, ...headers: string[]) => `${[line, "Host: localhost", ...headers].join("\r\n")}\r\n\r\n`;

test("a declared body of 50 MB is 413 before a byte of it is sent", async () => {
  for (const path of ["/v1/channels", `/v1/channels/${scene.public.id}/publish`, "/mcp"]) {
    const token = `X-Publish-Token: ${scene.public.publish_token}`;
    const raw = head(`POST ${path} HTTP/1.1`, token, "Content-Type: application/json", "Content-Length: 50000000");
    const answer = await sendRaw(server.url, raw);
    assert.is(answer.status, 413, `${path}: ${answer.text}`);
    assert.match(answer.text, /"too_large".*the most is \d+; send a smaller one/);
    assert.ok(answer.ms < 5_000, `it took ${answer.ms} ms`);
  }
});

test("a body of 50 MB that is sent all the same is not taken to its end", async () => {
  const path = `/v1/channels/${scene.public.id}/publish`;
  const token = `X-Publish-Token: ${scene.public.publish_token}`;
  const raw = head(`POST ${path} HTTP/1.1`, token, "Content-Length: 50000000");
  const { status, closed, sent, text } = await sendRaw(server.url, raw, { pour: 50_000_000 });
  // A close with bytes unread resets the connection, and a reset may overtake the answer (RFC 9112, section 9.6).
  assert.ok(status === 413 || (status === null && closed), text);
  assert.ok(sent < 40_000_000, `${sent} bytes were taken`);
});

test("a body without the right to send it is refused unread", async () => {
  const raw = head(`POST /v1/channels/${scene.public.id}/publish HTTP/1.1`, "Content-Length: 1000");
  const answer = await sendRaw(server.url, raw);
  assert.is(answer.status, 401, answer.text);
});

/** What no HTTP server may take for a request. */
const malformed: [name: string, bytes: string | Uint8Array][] = [
  ["words that are no request", "HELLO THERE\r\n\r\n"],
  ["a TLS hello", Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0, 13, 10, 13, 10)],
  ["a version that is none", "GET /healthz HTTP/9.9\r\nHost: localhost\r\n\r\n"],
  ["a header without a colon", head("GET /healthz HTTP/1.1", "Broken")],
  ["a blank in a header's name", head("GET /healthz HTTP/1.1", "Bro ken: 1")],
  ["NUL in a header", head("GET /healthz HTTP/1.1", "X-Broken: a\u0000b")],
  ["a length that is no number", head("POST /v1/channels HTTP/1.1", "Content-Length: ten")],
  ["a negative length", head("POST /v1/channels HTTP/1.1", "Content-Length: -1")],
  ["two lengths", `${head("POST /v1/channels HTTP/1.1", "Content-Length: 2", "Content-Length: 30")}{}`],
  [
    "a chunk that has no length",
    `${head("POST /v1/channels HTTP/1.1", "Transfer-Encoding: chunked")}xyz\r\n{}\r\n0\r\n\r\n`,
  ],
  ["200 KB of headers", head("GET /healthz HTTP/1.1", `X-Long: ${"x".repeat(200_000)}`)],
];

for (const [name, bytes] of malformed) {
  test(`${name}: refused, the connection closed`, async () => {
    const { status, responses, text, closed } = await sendRaw(server.url, bytes, { silenceMs: 2_000 });
    assert.ok(isRefusal(status), `a ${status}: ${text.slice(0, 300)}`);
    assert.ok(closed, `still open after ${text.slice(0, 300)}`);
    assert.ok(responses <= 1, text);
    assert.not.match(text, /\bat .+:\d+:\d+|node_modules|Error:/);
  });
}

const inner = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

test("a length beside chunks smuggles no second request in", async () => {
  const body = `0\r\n\r\n${inner}`;
  for (const both of [
    [`Content-Length: ${body.length}`, "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
  ]) {
    const raw = head("POST /v1/channels HTTP/1.1", "Content-Type: application/json", ...both) + body;
    const { status, responses, text } = await sendRaw(server.url, raw);
    assert.ok(isRefusal(status), text);
    assert.ok(responses <= 1, `${both.join(", ")} got two answers:\n${text}`);
  }
});

test("an encoding that is not chunked hides no body", async () => {
  for (const encoding of ["xchunked", "chunked, identity", "gzip"]) {
    const raw = `${head("POST /v1/channels HTTP/1.1", `Transfer-Encoding: ${encoding}`)}0\r\n\r\n${inner}`;
    const { status, responses, text } = await sendRaw(server.url, raw);
    assert.ok(isRefusal(status), text);
    assert.ok(responses <= 1, `${encoding} got two answers:\n${text}`);
  }
});

test("methods that clients cannot send are refused", async () => {
  for (const method of ["BREW", "TRACE", "CONNECT", "get"]) {
    const { status, text } = await sendRaw(server.url, head(`${method} /healthz HTTP/1.1`, "Connection: close"));
    assert.ok(isRefusal(status), `${method}: ${text.slice(0, 300)}`);
  }
});

test("odd targets and hosts are answered and break nothing", async () => {
  const targets = [
    "//evil.example/healthz",
    "http://evil.example/nothing",
    "/\\evil",
    "/a b",
    "*",
    "healthz",
    "/%00",
    `/${"a".repeat(7_000)}`,
  ];
  for (const target of targets) {
    const { status, text } = await sendRaw(server.url, head(`GET ${target} HTTP/1.1`, "Connection: close"));
    assert.ok(isRefusal(status) || status === 200, `${target.slice(0, 40)}: ${text.slice(0, 300)}`);
  }
  for (const host of ["", "a b", "[::1", "evil.example:99999", "user:pass@evil.example", "é", "a/b?c#d"]) {
    const { status, text } = await sendRaw(
      server.url,
      `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    assert.ok(isRefusal(status) || status === 200, `Host: ${host}: ${text.slice(0, 300)}`);
  }
});

test("after all this it is ready, no error of its own is in the log, and it is hardly larger", async () => {
  const ready = await fuzz.world.client.send("GET", "/readyz");
  assert.is(ready.status, 200, JSON.stringify(ready.body));
  assert.is((await fuzz.world.client.publish(scene.public, "still here")).status, 201);
  assert.not.match(server.output(), /"level":"error"/);
  assert.not.match(server.output(), /(pub|rdg)_[0-9A-Za-z]{49}/);
  const after = await residentMegabytes();
  if (before !== null && after !== null) assert.ok(after - before < 250, `from ${before} to ${after} MB`);
});

test.run();
