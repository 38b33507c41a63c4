/**
 * Over 2,000 requests made from the declared schemas: inputs that fit must be taken, broken ones and wrong rights refused, and every answer keeps
 * the rules of `answer_rules.ts`. TEST_SEED=… repeats a run.
 */
import process from "node:process";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { credentialKinds } from "../../core/kernel/credential.ts";
import { endpointsOf, namesIn, type Operation } from "../../core/kernel/operation.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { createRules, demand, type Exchange, isHelpful, type Rules } from "../support/answer_rules.ts";
import type { Sent } from "../support/broken_request.ts";
import { brokenRequests } from "../support/broken_requests.ts";
import { declared, holdsFor, type Shot, seedOf, shots } from "../support/fuzz_shots.ts";
import { type Aim, aimed, openWorld, repaired, type World } from "../support/fuzz_world.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { logText } from "../support/memory_house.ts";
import { oddTexts } from "../support/schema_values.ts";

/** Some say what HTTP cannot carry; more than 2,000 requests are left. */
const SHOTS = 3_000;
const INTERNAL = "the-internal-token-of-the-fuzz";
const seed = seedOf(process.env);
const test = suite("fuzz/rest");
const onHttp = declared.filter(({ http }) => http !== false);
const counts = { requests: 0, server: 0, taken: 0, refused: 0, events: 0 };
let app: MemoryApp;
let world: World;
let rules: Rules;

test.before(async () => {
  app = openApp({ settings: { internalToken: INTERNAL } });
  world = await openWorld(app.fetcher, "http://millrace.test", INTERNAL);
  rules = createRules((await world.client.send("GET", "/openapi.json")).body, world.isSecret);
});

test.after(async () => {
  await app.stop();
  console.log(`fuzz: ${counts.requests} requests, ${counts.server} of 5xx, seed ${seed}`);
});

/** Sends a request and holds its answer against what is true of every answer. */
async function send({ method, path, headers = {}, body }: Sent): Promise<Exchange> {
  const gone = new AbortController();
  const init = { method, headers, signal: gone.signal, ...(body === undefined ? {} : { body }) };
  const began = performance.now();
  const request = new Request(`http://millrace.test${path}`, init);
  const response = await app.fetcher(request);
  const text = await textOf(response);
  gone.abort();
  const exchange = {
    method,
    path: new URL(request.url).pathname,
    status: response.status,
    headers: response.headers,
    text,
    ms: performance.now() - began,
  };
  counts.requests += 1;
  if (response.status >= 500) counts.server += 1;
  rules.always(exchange);
  return exchange;
}

/** All of an answer, or the beginning of an endless one. */
async function textOf(response: Response): Promise<string> {
  if (response.body === null) return "";
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response.text();
  const reader = response.body.getReader();
  let text = "";
  for (;;) {
    // What is stored comes at once; nothing more comes without a publisher.
    const part = await Promise.race([reader.read(), app.advance(0)]);
    if (part === undefined || part.done) return text;
    text += new TextDecoder().decode(part.value);
  }
}

test("inputs that fit are taken, broken ones and wrong rights are refused", async () => {
  await holdsFor(shots(onHttp), { seed, runs: SHOTS }, async (shot) => {
    const aim = await world.aim(shot.operation, shot.standing, shot.pick);
    const request = aim === null ? null : requestOf(shot, aim);
    if (aim === null || request === null) return;
    await judge(shot, aim, request).catch((error: Error) => {
      const { operation, standing, broken } = shot;
      throw new Error(`${operation.name}, ${standing}, ${broken?.why ?? "fits"}: ${error.message}\n${show(request)}`);
    });
  });
  assert.ok(counts.requests > 2_000, `only ${counts.requests} requests`);
  assert.ok(counts.taken > 400 && counts.refused > 400 && counts.events > 20, JSON.stringify(counts));
  assert.not.match(logText(app.ports.log), /"internal"/);
});

async function judge(shot: Shot, aim: Aim, request: Sent): Promise<void> {
  const { operation, broken } = shot;
  const exchange = await send(request);
  if (exchange.status < 400) {
    demand(broken === null && aim.refusal === null, `taken with ${exchange.status}: ${exchange.text.slice(0, 300)}`);
    counts.taken += 1;
    if (operation.kind === "feed") counts.events += exchange.text.split("\ndata: ").length - 1;
    return request.method === "HEAD" ? undefined : taken(shot, aim, exchange);
  }
  if (request.method === "HEAD")
    return demand(broken !== null || aim.refusal !== null, `refused with ${exchange.status}`);
  const error = rules.refusal(exchange);
  counts.refused += 1;
  demand(broken !== null || aim.refusal !== null, `refused: ${exchange.text.slice(0, 300)}`);
  if (error.code === "invalid_input") demand(isHelpful(error, operation), `no advice: ${error.message}`);
  if (broken === null) demand(error.code === aim.refusal, `${error.code} instead of ${aim.refusal}: ${error.message}`);
  else if (aim.refusal === null && !isInPath(shot))
    demand(["invalid_input", "too_large"].includes(error.code), `${error.code}: ${error.message}`);
}

function taken({ operation }: Shot, aim: Aim, { status, text }: Exchange): void {
  if (operation.kind === "page") return;
  if (operation.kind === "feed") {
    demand(text.startsWith(": open\n\n"), `it begins with ${text.slice(0, 40)}`);
    for (const [, data] of text.matchAll(/^event: message\ndata: ([^\n]*)/gm))
      rules.shape(operation.event, JSON.parse(data!));
    return;
  }
  demand(status === (operation.status ?? 200), `a ${status}`);
  const answer = JSON.parse(text) as JsonObject;
  rules.shape(operation.output, answer);
  world.learn(operation, aim, answer);
}

const isInPath = ({ operation, broken }: Shot) =>
  namesIn(endpointsOf(operation)[0]!.path).includes(broken?.field ?? "");

/** The request that carries the shot, or null when HTTP cannot say it. */
function requestOf({ operation, input: fits, broken, pick }: Shot, aim: Aim): Sent | null {
  const endpoints = endpointsOf(operation);
  const endpoint = endpoints[pick % endpoints.length]!;
  const input = broken === null ? aimed(fits, aim, pick) : repaired(broken.input, aimed(fits, aim, pick), broken.field);
  const inPath = namesIn(endpoint.path);
  if (inPath.some((name) => !Object.hasOwn(input, name))) return null;
  const path = endpoint.path.replace(/:([a-z_]+)(\{[^}]*\})?/g, (_, name: string) =>
    encodeURIComponent(asText(input[name])),
  );
  const headers: Record<string, string> = { ...secretHeaders(aim, pick) };
  const rest = new Map(Object.entries(input).filter(([name]) => !inPath.includes(name)));
  for (const [field, header] of Object.entries(operation.headers ?? {})) {
    const text = rest.has(field) ? asText(rest.get(field)) : null;
    if (text === null) continue;
    if (!/^[\x21-\x7e]+$/.test(text)) return null;
    headers[header] = text;
    rest.delete(field);
  }
  const { method } = endpoint;
  if (method === "GET" || method === "DELETE") {
    const query = [...rest]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(asText(value))}`)
      .join("&");
    return {
      method: method === "GET" && pick % 16 === 0 ? "HEAD" : method,
      path: query === "" ? path : `${path}?${query}`,
      headers,
    };
  }
  const asItIs = operation.kind === "call" && operation.body?.raw !== undefined && pick % 4 === 0;
  if (asItIs && broken === null) return rawRequest({ method, path, headers }, rest, operation);
  if (rest.size === 0 && broken === null && pick % 2 === 0) return { method, path, headers };
  return {
    method,
    path,
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(rest)),
  };
}

function rawRequest(to: Sent, rest: Map<string, unknown>, operation: Operation): Sent {
  const raw = operation.kind === "call" ? operation.body!.raw! : "";
  const ttl = rest.has("ttl_seconds") ? `?ttl_seconds=${rest.get("ttl_seconds")}` : "";
  const headers = { ...to.headers, "Content-Type": "application/octet-stream" };
  return { ...to, path: to.path + ttl, headers, body: asText(rest.get(raw)) };
}

/** Half a surrogate pair cannot be sent as UTF-8. */
function asText(value: unknown): string {
  return (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(/\p{Surrogate}/gu, "\ufffd");
}

function secretHeaders({ secret }: Aim, pick: number): Record<string, string> {
  if (secret === null) return {};
  if (secret.kind === "internal") return { Authorization: `Bearer ${secret.token}` };
  const { header, bearer } = credentialKinds[secret.kind];
  return bearer && pick % 2 === 0 ? { Authorization: `Bearer ${secret.token}` } : { [header]: secret.token };
}

function show({ method, path, headers, body }: Sent): string {
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers)} ${String(body).slice(0, 600)}`;
}

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
    const exchange = await send({ method, path, headers, ...(none ? {} : { body: Uint8Array.from(body) }) });
    const isProtocol = /^\/(mcp|sse)\/?(\?|#|$)/.test(path);
    if (exchange.status >= 400 && method !== "HEAD" && !isProtocol) rules.refusal(exchange);
  });
});

test("a secret in the wrong place is refused without being repeated", async () => {
  const secret = (await world.client.createChannel()).publish_token;
  const { id, publish_token } = await world.client.createChannel({ visibility: "private" });
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
  const { client } = world;
  const deleted = await client.createChannel();
  await client.send("DELETE", `/v1/channels/${deleted.id}`, { headers: { "X-Publish-Token": deleted.publish_token } });
  const scene = {
    public: await client.createChannel(),
    private: await client.createChannel({ visibility: "private" }),
    deleted,
    internalToken: INTERNAL,
    payloadMaxBytes: 1_048_576,
  };
  for (const { name, send: build, code, says } of brokenRequests) {
    const error = rules.refusal(await send(build(scene)));
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
