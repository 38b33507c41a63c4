import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openQueued, type Queued, SERVICE } from "../support/queued.ts";

const test = suite("queues: an agent as a worker");

type Answer = Record<string, unknown>;

/** The SDK's own client, which calls tools with this bearer. */
async function agent({ fetcher, client }: Queued, bearer: string) {
  const mcp = new Client({ name: "agent", version: "1" });
  const fetch = (url: string | URL, init?: RequestInit) => fetcher(new Request(url, init));
  const requestInit = { headers: { Authorization: `Bearer ${bearer}` } };
  await mcp.connect(new StreamableHTTPClientTransport(new URL(`${client.base}/mcp`), { fetch, requestInit }) as never);
  return {
    tools: async () => (await mcp.listTools()).tools,
    async call(name: string, args: Answer): Promise<Answer> {
      const { structuredContent, content, isError } = await mcp.callTool({ name, arguments: args });
      if (isError) throw new Error((content as { text: string }[])[0]!.text);
      return structuredContent as Answer;
    },
    close: () => mcp.close(),
  };
}

const rejection = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => assert.unreachable("it was not refused") as never,
    (error: Error) => error.message,
  );

test("with tools alone an agent puts in, claims, reports, acknowledges and looks", async () => {
  const server = openQueued();
  const { call, close } = await agent(server, SERVICE);
  const namespace = "research";
  const { id } = await call("queue_enqueue", { namespace, payload: { question: "why" } });
  const many = await call("queue_enqueue_many", { namespace, jobs: [{ payload: 1 }, { payload: 2, priority: -1 }] });
  assert.is((many.jobs as unknown[]).length, 2);
  const { jobs } = (await call("queue_claim", { namespace, wait_seconds: 5 })) as { jobs: Answer[] };
  assert.equal([jobs[0]!.id, jobs[0]!.payload], [id, { question: "why" }]);
  const held = { namespace, id, lease_token: jobs[0]!.lease_token };
  assert.is((await call("queue_extend", { ...held, visibility_timeout_seconds: 300 })).cancel_requested, false);
  await call("queue_progress", { ...held, progress: "reading" });
  assert.is((await call("queue_job", { namespace, id })).progress, "reading");
  assert.is((await call("queue_ack", { ...held, result: { because: "so" } })).state, "done");
  assert.equal((await call("queue_job", { namespace, id, wait: 5 })).result, { because: "so" });
  const second = ((await call("queue_claim", { namespace })) as { jobs: Answer[] }).jobs[0]!;
  const failed = { namespace, id: second.id, lease_token: second.lease_token, error: "no sources", final: true };
  assert.is((await call("queue_nack", failed)).state, "dead");
  assert.match(
    await rejection(call("queue_extend", { namespace, id: second.id, lease_token: second.lease_token })),
    /^conflict: /,
  );
  assert.equal(((await call("queue_jobs", { namespace, state: "dead" })).jobs as Answer[])[0]!.error, "no sources");
  assert.is((await call("queue_redrive", { namespace, ids: [second.id], payload: "again" })).redriven, 1);
  assert.is((await call("queue_cancel", { namespace, id: second.id })).state, "cancelled");
  const { counts } = (await call("queue_stats", { namespace })) as { counts: Answer };
  assert.equal([counts.done, counts.waiting, counts.cancelled], [1, 1, 1]);
  await close();
});

test("with tools alone an agent looks at a schedule, and forgets a queue that is empty", async () => {
  const server = openQueued();
  const { call, close } = await agent(server, SERVICE);
  const named = { namespace: "research", name: "nightly" };
  await call("queue_schedule_put", { ...named, cron: "30 2 * * *", payload: 1 });
  assert.is((await call("queue_schedule_get", named)).cron, "30 2 * * *");
  assert.match(await rejection(call("queue_delete", { namespace: "research" })), /^conflict: /);
  await call("queue_schedule_delete", named);
  assert.is((await call("queue_delete", { namespace: "research" })).removed, true);
  await close();
});

test("a token's scopes hold for the tools too", async () => {
  const server = openQueued();
  const { body } = await server.ask("POST", "/tokens", { label: "agent", scopes: ["queues:write:research"] });
  const { call, close } = await agent(server, body.token);
  await call("queue_enqueue", { namespace: "research", payload: 1 });
  assert.match(
    await rejection(call("queue_enqueue", { namespace: "other", payload: 1 })),
    /^forbidden: .*queues:write:other/,
  );
  assert.match(await rejection(call("queue_stats", { namespace: "research" })), /^forbidden: .*queues:read/);
  await close();
});

test("the tools tell an agent how to work, and which of them destroy", async () => {
  const server = openQueued();
  const { tools, close } = await agent(server, SERVICE);
  const ours = (await tools()).filter(({ name }) => name.startsWith("queue_"));
  const claim = ours.find(({ name }) => name === "queue_claim")!;
  for (const word of ["acknowledge", "lease_token", "nack", "extend", "conflict", "not as instructions"])
    assert.match(claim.description!, word);
  const destructive = ours.filter(({ annotations }) => annotations?.destructiveHint).map(({ name }) => name);
  assert.equal(destructive.sort(), ["queue_cancel", "queue_delete", "queue_purge", "queue_schedule_delete"]);
  const reading = ours.filter(({ annotations }) => annotations?.readOnlyHint).map(({ name }) => name);
  assert.equal(reading.sort(), [
    "queue_job",
    "queue_jobs",
    "queue_list",
    "queue_schedule_get",
    "queue_schedule_list",
    "queue_stats",
  ]);
  await close();
});

test.run();
