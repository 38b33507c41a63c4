/** A server of a few small tools in memory, and ways to speak MCP to it. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as v from "valibot";
import { mcpRoutes } from "../../core/faces/mcp/mod.ts";
import { createRouter } from "../../core/faces/router.ts";
import { type Capability, operationsOf } from "../../core/kernel/capability.ts";
import { createCorridor } from "../../core/kernel/invoke.ts";
import { call, type Operation } from "../../core/kernel/operation.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Host } from "../../core/ports/host.ts";
import { memoryHouse } from "./memory_house.ts";

const ORIGIN = "http://mcp.test";

const base = { needs: "nobody", limit: "other", http: false } as const;
const box = v.pipe(v.string(), v.description("the box's id"));
export const done = v.object({ ok: v.boolean() });
export const owned = { credential: "publish", of: "box_id" } as const;

export const echo = call({
  ...base,
  summary: "Echo a text.",
  details: "Nothing is kept.",
  http: "POST /echo",
  tool: "echo_text",
  input: v.strictObject({
    text: v.string(),
    times: v.optional(
      v.pipe(
        v.number(),
        v.maxValue(9, (issue) => `is ${issue.input}, the most is 9`),
      ),
      1,
    ),
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
  input: v.strictObject({ how: v.optional(v.string()) }),
  output: v.object({ ok: v.unknown() }),
  async handle(_, { how }) {
    if (how === "unwritable") return { ok: 1n };
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

const hidden = call({
  ...base,
  summary: "Hide.",
  tool: false,
  input: v.strictObject({}),
  output: done,
  handle: async () => ({ ok: true }),
});

const operations = { echo, openBox, dropBox, peek, crash, busy, slow, hidden };
export const samples: Capability = {
  name: "samples",
  title: "Samples",
  about: "For these tests.",
  operations,
  duties: [],
};

const host: Host = {
  address: "192.0.2.1",
  apps: new Set(["mcp"]),
  stream() {
    throw new Error("no sample is a stream");
  },
};

/** Answers of many shapes, for tests to look into. */
// biome-ignore lint/suspicious/noExplicitAny: a type for each would say no more than the assertion does
type Loose = any;

export async function jsonOf(response: Response): Promise<Loose> {
  return response.json();
}

/** Serves the operations over MCP. */
export function serveSamples(changes: Partial<Settings> = {}, served: readonly Operation[] = operationsOf([samples])) {
  const house = memoryHouse(changes);
  const corridor = createCorridor(house);
  const route = createRouter(mcpRoutes(served, corridor, house), house);
  const fetch = (url: string | URL, init?: RequestInit) => route(new Request(url, init), host);
  const send = (path: string, init?: RequestInit) => fetch(`${ORIGIN}${path}`, init);

  function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return send("/mcp", { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  }

  /** Sends a request and returns the message that answers it, with the HTTP status. */
  async function ask(method: string, params?: unknown, headers: Record<string, string> = {}): Promise<Loose> {
    const message = { jsonrpc: "2.0", id: 7, method, ...(params === undefined ? {} : { params }) };
    const response = await post(message, headers);
    return { status: response.status, ...(await jsonOf(response)) };
  }

  /** Calls a tool and returns its result, with the words of it as `text`. */
  async function tool(name: string, args?: unknown): Promise<Loose> {
    const { result } = await ask("tools/call", { name, ...(args === undefined ? {} : { arguments: args }) });
    return { ...result, text: result.content[0].text };
  }

  async function mint(kind: "publish" | "read", subject: string): Promise<string> {
    const { token, command } = await house.credentials.mint(kind, subject);
    await house.database.commit([command]);
    return token;
  }

  /** The SDK's own client, connected. */
  async function connect(): Promise<Client> {
    const client = new Client({ name: "test", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${ORIGIN}/mcp`), { fetch }) as never);
    return client;
  }

  return { house, corridor, send, post, ask, tool, mint, connect };
}
