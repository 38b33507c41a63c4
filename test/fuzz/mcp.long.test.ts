/**
 * Over 2,000 messages to `/mcp` made from the declared schemas: what fits is answered with a result of the declared shape, what is broken with a
 * tool error that says what to send, and what is no message at all with 400. TEST_SEED=… repeats a run.
 */
import process from "node:process";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { credentialKinds } from "../../core/kernel/credential.ts";
import { type CallOperation, credentialNeedOf } from "../../core/kernel/operation.ts";
import { type FaultCode, faultCodes } from "../../core/ports/fault.ts";
import type { Json, JsonObject } from "../../core/ports/json.ts";
import { createRules, demand, type Exchange, isHelpful, type Rules } from "../support/answer_rules.ts";
import { brokenMessages } from "../support/broken_requests.ts";
import { declared, holdsFor, type Shot, seedOf, shots } from "../support/fuzz_shots.ts";
import { type Aim, aimed, isRepeated, openWorld, repaired, type Sayings, type World } from "../support/fuzz_world.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { logText } from "../support/memory_house.ts";
import { anyJson, oddTexts } from "../support/schema_values.ts";

const SHOTS = 2_400;
const seed = seedOf(process.env);
const test = suite("fuzz/mcp");
const tools = declared.filter((operation) => operation.kind === "call" && operation.tool !== false);
const counts = { requests: 0, server: 0, taken: 0, refused: 0 };
let app: MemoryApp;
let world: World;
let rules: Rules;

test.before(async () => {
  app = openApp({ settings: { internalToken: "the-internal-token-of-the-fuzz" } });
  world = await openWorld(app.fetcher, "http://millrace.test", "the-internal-token-of-the-fuzz");
  rules = createRules((await world.client.send("GET", "/openapi.json")).body, () => false);
});

test.after(async () => {
  await app.stop();
  console.log(`fuzz: ${counts.requests} requests, ${counts.server} of 5xx, seed ${seed}`);
});

async function post(body: string | Uint8Array<ArrayBuffer>, path = "/mcp"): Promise<Exchange> {
  const headers = { "Content-Type": "application/json", Accept: "application/json, text/event-stream" };
  const began = performance.now();
  const response = await app.fetcher(new Request(`http://millrace.test${path}`, { method: "POST", headers, body }));
  const text = await response.text();
  const exchange = {
    method: "POST",
    path,
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

/** What `tools/call` answers. */
interface Result {
  content: { type: string; text: string }[];
  structuredContent?: JsonObject;
  isError?: boolean;
  _meta?: { code: FaultCode; request_id: string; retryable: boolean };
}

async function callTool(name: string, args: Json): Promise<{ result: Result; text: string }> {
  const message = { jsonrpc: "2.0", id: counts.requests, method: "tools/call", params: { name, arguments: args } };
  const { status, text } = await post(JSON.stringify(message), counts.requests % 5 === 0 ? "/sse" : "/mcp");
  demand(status === 200, `a ${status}: ${text}`);
  const answer = JSON.parse(text);
  demand(answer.id === message.id && answer.jsonrpc === "2.0" && answer.error === undefined, text);
  return { result: answer.result, text };
}

test("arguments that fit are taken, broken ones and wrong rights are tool errors", async () => {
  await holdsFor(shots(tools), { seed, runs: SHOTS }, async (shot) => {
    const aim = await world.aim(shot.operation, shot.standing, shot.pick);
    if (aim === null) return;
    const args = argumentsOf(shot, aim);
    await judge(shot, aim, args).catch((error: Error) => {
      const { operation, standing, broken } = shot;
      const words = JSON.stringify(args).slice(0, 600);
      throw new Error(`${operation.name}, ${standing}, ${broken?.why ?? "fits"}: ${error.message}\n${words}`);
    });
  });
  assert.ok(counts.requests > 2_000, `only ${counts.requests} requests`);
  assert.ok(counts.taken > 400 && counts.refused > 400, JSON.stringify(counts));
  assert.not.match(logText(app.ports.log), /"internal"/);
});

async function judge(shot: Shot, aim: Aim, args: JsonObject): Promise<void> {
  const { operation, broken } = shot;
  const { tool, output } = operation as CallOperation;
  const { result, text } = await callTool(tool as string, args);
  const [said] = result.content;
  demand(result.content.length === 1 && said?.type === "text", "its content is not one text");
  if (result.isError !== true) {
    demand(broken === null && aim.refusal === null, `taken: ${text.slice(0, 300)}`);
    demand(said.text === JSON.stringify(result.structuredContent), "the text does not repeat the structured content");
    rules.shape(output, result.structuredContent);
    counts.taken += 1;
    const answer = result.structuredContent!;
    if (tool === "publish_message") world.published(answer, [args as unknown as Sayings]);
    else if (tool === "publish_messages") world.published(answer, args.messages as unknown as Sayings[]);
    else if (Array.isArray(answer.messages)) for (const message of answer.messages) world.unchanged(message as never);
    return world.learn(operation, aim, answer);
  }
  if (isRepeated(shot, said.text)) return;
  counts.refused += 1;
  demand(broken !== null || aim.refusal !== null, `refused: ${said.text}`);
  demand(result.structuredContent === undefined, "an error with structured content");
  const { code, retryable, request_id } = result._meta!;
  demand(code in faultCodes && faultCodes[code].status < 500 && faultCodes[code].retryable === retryable, `${code}`);
  demand(said.text.startsWith(`${code}: `) && request_id.length === 36, said.text);
  demand(!/(pub|rdg)_[0-9A-Za-z]{20}/.test(said.text), `a token in ${said.text}`);
  const error = { code, message: said.text, details: undefined, retryable, request_id };
  if (code === "invalid_input") demand(isHelpful(error, operation), `no advice: ${said.text}`);
  if (broken === null) demand(code === aim.refusal, `${code} instead of ${aim.refusal}: ${said.text}`);
  else if (aim.refusal === null) demand(["invalid_input", "too_large"].includes(code), said.text);
}

/** The tool's arguments: the input, and the secret beside it. */
function argumentsOf({ operation, input, broken, pick }: Shot, aim: Aim): JsonObject {
  const good = aimed(input, aim, pick);
  const fields = broken === null ? good : repaired(broken.input, good, broken.field);
  const need = credentialNeedOf(operation.needs);
  if (aim.secret === null || need === null) return fields;
  return Object.fromEntries([...Object.entries(fields), [credentialKinds[need.credential].argument, aim.secret.token]]);
}

test("a token that is no text is named, and its value is not", async () => {
  const { id, publish_token } = await world.client.createChannel();
  for (const token of [null, 7, true, [publish_token], { publish_token }]) {
    const { result, text } = await callTool("get_channel", { channel_id: id, publish_token: token });
    assert.is(result._meta!.code, "invalid_input");
    assert.match(result.content[0]!.text, /publish_token is .*; send the token as a string/);
    assert.not.ok(text.includes(publish_token));
  }
  for (const args of [
    { channel_id: publish_token, publish_token },
    { channel_id: id, publish_token, [publish_token]: 1 },
  ]) {
    const { result, text } = await callTool("get_channel", args);
    assert.is(result._meta!.code, "invalid_input");
    assert.not.ok(text.includes(publish_token), text);
  }
});

test("what is no message is answered with 400 and words, and never with a 5xx", async () => {
  for (const [name, body, says] of brokenMessages) {
    const { status, text } = await post(body);
    assert.is(status, 400, name);
    const { jsonrpc, error } = JSON.parse(text);
    assert.is(jsonrpc, "2.0");
    assert.match(error.message, says, `${name}: ${error.message}`);
  }
});

test("messages of any shape get an answer that is JSON-RPC", async () => {
  const odd = fc.oneof(
    fc.constantFrom<Json>(...oddTexts, null, 0, -1, 1.5, 2 ** 53, "tools/call", "tools/list", "initialize", "ping"),
    anyJson,
  );
  const parts = fc.record(
    {
      jsonrpc: fc.oneof({ weight: 5, arbitrary: fc.constant<Json>("2.0") }, { weight: 1, arbitrary: odd }),
      id: odd,
      method: odd,
      params: fc.oneof(
        odd,
        fc.record(
          { name: odd, arguments: odd, cursor: odd, protocolVersion: odd, _meta: odd, task: odd },
          { requiredKeys: [] },
        ),
      ),
      result: odd,
      error: odd,
    },
    { requiredKeys: ["jsonrpc"] },
  );
  const bytes = fc.uint8Array({ maxLength: 100 }).map((array) => Uint8Array.from(array));
  await holdsFor(
    fc.oneof({ weight: 6, arbitrary: parts.map((message) => JSON.stringify(message)) }, bytes),
    { seed, runs: 800 },
    async (body) => {
      const { status, text } = await post(body);
      demand([200, 202, 400].includes(status), `a ${status} for ${body}`);
      if (status === 202) return demand(text === "", `202 with ${text}`);
      const answer = JSON.parse(text);
      demand(answer.jsonrpc === "2.0" && "id" in answer, text);
      const isError = "error" in answer;
      demand(isError !== "result" in answer && (status === 200 || isError), text);
      if (isError)
        demand(
          Number.isInteger(answer.error.code) && answer.error.message.length > 10 && answer.error.code !== -32603,
          `${text} for ${body}`,
        );
    },
  );
});

test.run();
