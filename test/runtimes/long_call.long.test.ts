/**
 * Nothing between a caller and an operation buffers or times out: a tool call of 35 s answers, asked by hand and by the SDK's client, while a stream
 * beside it gets its heartbeats. The adapter of the runtime that runs this file listens, over memory.
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import type { Listen, Listener } from "../../adapters/boot.ts";
import { systemClock } from "../../adapters/system.ts";
import { type App, createApp } from "../../core/app.ts";
import { channels } from "../../core/capabilities/channels/mod.ts";
import type { Capability } from "../../core/kernel/capability.ts";
import { call } from "../../core/kernel/operation.ts";
import { appNames } from "../../core/ports/host.ts";
import { createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { memoryPorts, memorySettings } from "../support/memory_house.ts";
import { runtimeName } from "../support/runtime.ts";

const LONG_MS = 35_000;
const HEARTBEAT_MS = 15_000;
const test = suite(`long call on ${runtimeName}`);

const sleep = call({
  summary: "Sleep for 35 seconds.",
  http: "POST /v1/sleep",
  tool: "sleep_long",
  needs: "nobody",
  limit: "other",
  input: v.strictObject({}),
  output: v.object({ slept_ms: v.number(), gone: v.boolean() }),
  async handle({ clock, signal }) {
    const began = clock.elapsed();
    await clock.sleep(LONG_MS);
    return { slept_ms: Math.round(clock.elapsed() - began), gone: signal.aborted };
  },
});

const sleeping: Capability = {
  name: "sleeping",
  title: "Sleeping",
  about: "For this test.",
  operations: { sleep },
  duties: [],
};

async function listenHere(): Promise<Listen> {
  if (runtimeName === "bun") return (await import("../../adapters/bun.ts")).listenOnBun;
  if (runtimeName === "deno") return (await import("../../adapters/deno.ts")).listenOnDeno;
  return (await import("../../adapters/node.ts")).listenOnNode;
}

let app: App;
let listener: Listener;
let base: string;

test.before(async () => {
  const ports = { ...memoryPorts(), clock: systemClock };
  app = createApp(ports, memorySettings({ heartbeatMs: HEARTBEAT_MS }), [channels, sleeping]);
  listener = await (await listenHere())(app, { host: "127.0.0.1", port: 0, apps: new Set(appNames) });
  base = `http://127.0.0.1:${listener.port}`;
});

test.after(async () => {
  const closed = listener.close();
  await app.stop();
  await closed;
});

/** The tool's result and how long it took, asked by hand. */
async function askByHand(): Promise<{
  result: { structuredContent: { slept_ms: number; gone: boolean } };
  ms: number;
}> {
  const began = performance.now();
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "sleep_long", arguments: {} } };
  const response = await fetch(`${base}/mcp`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json, text/event-stream" },
    body: JSON.stringify(message),
  });
  assert.is(response.status, 200);
  const { result } = (await response.json()) as { result: never };
  return { result, ms: performance.now() - began };
}

async function askByClient() {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${base}/mcp`)) as Parameters<typeof client.connect>[0],
  );
  const result = await client.callTool({ name: "sleep_long", arguments: {} }, undefined, { timeout: 60_000 });
  await client.close();
  return result as unknown as { isError?: boolean; structuredContent: { slept_ms: number; gone: boolean } };
}

async function askOverRest(): Promise<{ slept_ms: number; gone: boolean }> {
  const { status, body } = await createClient(base).send("POST", "/v1/sleep", { body: {} });
  assert.is(status, 200);
  return body;
}

/** Follows a silent channel until `done`; the moments of its comments, in milliseconds from the first. */
async function heartbeats(done: Promise<unknown>): Promise<number[]> {
  const client = createClient(base);
  const channel = await client.createChannel();
  const stream = await openEvents(`${base}/v1/public/${channel.id}`);
  const moments: number[] = [];
  const watch = setInterval(() => {
    while (moments.length < stream.comments.length) moments.push(performance.now());
  }, 20);
  await done;
  await client.publish(channel, "still open");
  assert.is(JSON.parse((await stream.until(1))[0]!.data).payload, "still open");
  clearInterval(watch);
  stream.close();
  return moments.map((moment) => moment - moments[0]!);
}

test("a call of 35 s answers over MCP and REST, and a stream beside it beats every 15 s", async () => {
  const calls = Promise.all([askByHand(), askByClient(), askOverRest()]);
  const [[byHand, byClient, overRest], beats] = await Promise.all([calls, heartbeats(calls)]);
  assert.ok(byHand.ms >= LONG_MS - 50 && byHand.ms < LONG_MS + 5_000, `it took ${byHand.ms} ms`);
  assert.not(byClient.isError);
  for (const { slept_ms, gone } of [byHand.result.structuredContent, byClient.structuredContent, overRest]) {
    assert.ok(slept_ms >= LONG_MS - 50, `it slept ${slept_ms} ms`);
    assert.not(gone, "the request was given up while the tool was at work");
  }
  assert.is(beats.length, 3, `comments after ${beats.map(Math.round).join(", ")} ms`);
  // The house looks at its subjects each second, and beats at the first look that is late enough.
  for (const [index, at] of beats.entries()) {
    const wanted = index * HEARTBEAT_MS;
    assert.ok(at > wanted - 500 && at < wanted + 4_000, `comment ${index} came after ${Math.round(at)} ms`);
  }
});

test.run();
