/**
 * Over 2,000 requests made from the declared schemas: inputs that fit must be taken, broken ones and wrong rights refused, and every answer keeps
 * the rules of `answer_rules.ts`. TEST_SEED=… repeats a run.
 */
import process from "node:process";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Sent } from "../support/broken_request.ts";
import { brokenRequests } from "../support/broken_requests.ts";
import { openRestFuzz, type RestFuzz, show } from "../support/fuzz_rest.ts";
import { declared, holdsFor, polls, seedOf, shots } from "../support/fuzz_shots.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { logText } from "../support/memory_house.ts";
import { oddTexts } from "../support/schema_values.ts";

/** Some say what HTTP cannot carry; more than 2,000 requests are left. */
const SHOTS = 3_000;
const INTERNAL = "the-internal-token-of-the-fuzz";
const seed = seedOf(process.env);
const test = suite("fuzz/rest");
const onHttp = [...declared.filter(({ http }) => http !== false), ...polls];
let app: MemoryApp;
let fuzz: RestFuzz;

test.before(async () => {
  app = openApp({ settings: { internalToken: INTERNAL } });
  const base = app.client.base;
  // What is stored comes at once; nothing more comes without a publisher.
  const [silence, second] = [0, 1_000].map((ms) => () => app.advance(ms)) as [() => Promise<void>, () => Promise<void>];
  fuzz = await openRestFuzz({ fetcher: app.fetcher, base, internalToken: INTERNAL, silence, second });
});

test.after(async () => {
  await app.stop();
  console.log(`fuzz: ${fuzz.counts.requests} requests, ${fuzz.counts.server} of 5xx, seed ${seed}`);
});

test("inputs that fit are taken, broken ones and wrong rights are refused", async () => {
  await holdsFor(shots(onHttp), { seed, runs: SHOTS }, fuzz.fire);
  const { requests, taken, refused, events } = fuzz.counts;
  assert.ok(requests > 2_000, `only ${requests} requests`);
  assert.ok(taken > 400 && refused > 400 && events > 20, JSON.stringify(fuzz.counts));
  assert.not.match(logText(app.ports.log), /"internal"/);
});

test("what a request may be, whatever it is, is answered without a 5xx", async () => {
  const bits = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom(...oddTexts, "v1", "channels", "..", "%", "%zz", "%00", "a?b#c", "//"),
  );
  const methods = fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW");
  const types = fc.constantFrom(
    "",
    "application/json",
    "APPLICATION/JSON ; x",
    "application/json, text/plain",
    "text/plain; charset=utf-16",
    "multipart/form-data; boundary=a",
    ";",
    "a/b/c",
  );
  const starts = [
    "/",
    "/v1/channels/",
    "/v1/public/",
    "/channel/v1/private/",
    "/internal/v1/channels/",
    "/mcp",
    "/openapi.json",
    "/reference",
  ];
  const wild = fc.record({
    method: methods,
    path: fc
      .tuple(fc.constantFrom(...starts), fc.array(bits, { maxLength: 4 }))
      .map(([start, rest]) => start + rest.map((bit) => bit.replaceAll(/\s|\p{Surrogate}/gu, "+")).join("/")),
    type: types,
    body: fc.oneof(
      fc.constant(new Uint8Array()),
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
    ),
    token: fc.constantFrom("", "Basic YTpi", "Bearer", "Bearer  ", "Bearer pub_a b", "Digest x=y"),
  });
  await holdsFor(wild, { seed, runs: 600 }, async ({ method, path, type, body, token }) => {
    const headers: Record<string, string> = {
      ...(type === "" ? {} : { "Content-Type": type }),
      ...(token === "" ? {} : { Authorization: token }),
    };
    const none = method === "GET" || method === "HEAD";
    const exchange = await fuzz.send({ method, path, headers, ...(none ? {} : { body: Uint8Array.from(body) }) });
    const isProtocol = /^\/(mcp|sse)\/?(\?|#|$)/.test(path);
    if (exchange.status >= 400 && method !== "HEAD" && !isProtocol) fuzz.rules.refusal(exchange);
  });
});

test("a secret in the wrong place is refused without being repeated", async () => {
  const secret = (await fuzz.world.client.createChannel()).publish_token;
  const { id, publish_token } = await fuzz.world.client.createChannel({ visibility: "private" });
  const headers = { "X-Publish-Token": publish_token, "Content-Type": "application/json" };
  const tries: Sent[] = [
    { method: "GET", path: `/v1/channels/${secret}`, headers },
    { method: "GET", path: `/v1/public/${secret}` },
    { method: "GET", path: `/v1/public/${id}?after=${secret}` },
    { method: "GET", path: `/v1/public/${id}?token=${secret}` },
    { method: "GET", path: `/v1/public/${id}?${secret}=1` },
    { method: "GET", path: `/v1/public/${id}?${secret}=1&${secret}=1` },
    { method: "GET", path: `/v1/public/${id}/${secret}` },
    { method: "GET", path: `/v1/public/${id}`, headers: { "Last-Event-ID": secret } },
    { method: "POST", path: "/v1/channels", body: JSON.stringify({ name: "a", visibility: secret }) },
    { method: "POST", path: "/v1/channels", body: JSON.stringify({ name: "a", visibility: "public", [secret]: 1 }) },
    { method: "POST", path: "/v1/channels", body: JSON.stringify({ name: { a: secret }, visibility: "public" }) },
    {
      method: "POST",
      path: `/v1/channels/${id}/publish`,
      headers,
      body: JSON.stringify({ payload: { [secret]: "\u0000" } }),
    },
    {
      method: "POST",
      path: `/v1/channels/${id}/publish`,
      headers,
      body: JSON.stringify({ payload: 1, metadata: secret }),
    },
    { method: "POST", path: `/v1/channels/${id}/read-grants`, headers, body: JSON.stringify({ expires_at: secret }) },
    { method: "POST", path: `/v1/channels/${id}/read-grants/${secret}/revoke`, headers },
  ];
  const repeated: string[] = [];
  for (const sent of tries) {
    const response = await app.fetcher(new Request(`http://millrace.test${sent.path}`, sent as RequestInit));
    const text = await response.text();
    assert.ok(response.status >= 400 && response.status < 500, `${response.status} for ${show(sent)}`);
    if (text.includes(secret)) repeated.push(`${show(sent).replace(secret, "SECRET")} → ${text}`);
  }
  assert.equal(repeated, []);
});

test("every case of the list of broken requests is refused in its own words", async () => {
  const scene = await fuzz.scene();
  for (const { name, send: build, code, says } of brokenRequests) {
    const error = fuzz.rules.refusal(await fuzz.send(build(scene)));
    assert.is(error.code, code, `${name}: ${error.message}`);
    assert.match(error.message, says, `${name}: ${error.message}`);
  }
});

test("the internal route answers 503 not_configured, before anything is read, when it is not configured", async () => {
  const closed = openApp();
  for (const path of ["/internal/v1/channels/x/messages", "/internal/v1/channels/x/messages?limit=no"]) {
    const { status, body } = await closed.client.send("GET", path, { headers: { Authorization: "Bearer x" } });
    assert.equal([status, body.error.code], [503, "not_configured"]);
  }
});

test.run();
