/** How fields travel on HTTP beside plain JSON objects: bodies that are one field, lists, streams, free query pairs, bytes as the answer. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import type { Capability } from "../../core/kernel/capability.ts";
import { bytesStream } from "../../core/kernel/fields.ts";
import { call, content } from "../../core/kernel/operation.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("faces/rest_bodies");
const base = { needs: "nobody", limit: "other", tool: false, summary: "Try it." } as const;
const anything = v.object({ got: v.unknown() });

const whole = call({
  ...base,
  http: "PUT /things/:name",
  input: v.strictObject({ name: v.string(), value: v.unknown(), note: v.optional(v.string()) }),
  body: { whole: "value" },
  output: anything,
  handle: async (_, got) => ({ got }),
});

const rows = call({
  ...base,
  http: "POST /rows",
  input: v.strictObject({
    rows: v.union([
      v.pipe(v.array(v.record(v.string(), v.unknown())), v.maxLength(3)),
      v.record(v.string(), v.unknown()),
    ]),
    on: v.optional(v.string()),
  }),
  body: { whole: "rows", most: () => ({ json: 1_000_000, raw: 0 }) },
  output: anything,
  handle: async (_, { rows: given }) => ({ got: Array.isArray(given) ? given.length : "one" }),
});

const list = call({
  ...base,
  http: "POST /jobs/:queue",
  input: v.strictObject({
    queue: v.string(),
    payload: v.optional(v.unknown()),
    jobs: v.optional(v.pipe(v.array(v.strictObject({ payload: v.unknown() })), v.maxLength(2))),
  }),
  body: { list: "jobs" },
  output: anything,
  handle: async (_, got) => ({ got }),
});

const filtered = call({
  ...base,
  http: "GET /filtered",
  input: v.strictObject({ limit: v.optional(v.number()), filters: v.optional(v.array(v.string())) }),
  rest: "filters",
  output: anything,
  handle: async (_, got) => ({ got }),
});

const patched = call({
  ...base,
  http: "PATCH /filtered",
  input: v.strictObject({ set: v.unknown(), filters: v.optional(v.array(v.string())) }),
  body: { whole: "set" },
  rest: "filters",
  output: anything,
  handle: async (_, got) => ({ got }),
});

const beside = call({
  ...base,
  http: "POST /beside",
  input: v.strictObject({ text: v.string(), on: v.optional(v.string()) }),
  query: ["on"],
  output: anything,
  handle: async (_, got) => ({ got }),
});

const streamed = call({
  ...base,
  http: "POST /streamed",
  input: v.strictObject({ body: bytesStream("the bytes"), name: v.optional(v.string()) }),
  body: { stream: "body" },
  output: anything,
  async handle(_, { body, name }) {
    let size = 0;
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) size += chunk.length;
    return { got: [size, name ?? null] };
  },
});

const bytes = content({
  ...base,
  http: "GET /bytes",
  produces: "application/octet-stream",
  input: v.strictObject({}),
  async handle(context) {
    context.reply({ headers: { "X-More": "yes" } });
    return { status: 206, headers: { "Content-Type": "application/octet-stream" }, body: Uint8Array.from([0, 255]) };
  },
});

interface Answer {
  got?: unknown;
  error: { code: string; message: string };
}

const capability: Capability = {
  name: "samples",
  title: "Samples",
  about: "For tests.",
  duties: [],
  operations: { whole, rows, list, filtered, patched, beside, streamed, bytes },
};

async function send(
  method: string,
  target: string,
  options: { body?: string | ReadableStream<Uint8Array>; headers?: Record<string, string> } = {},
) {
  const { fetcher } = openApp({ capabilities: [capability] });
  const init = { method, ...options, duplex: "half" } as RequestInit;
  const response = await fetcher(new Request(`http://millrace.test${target}`, init));
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer };
}

test("a body that is one field is taken whole, of any type; other fields come from path and query", async () => {
  for (const value of [{ a: 1 }, [1, 2], "text", 7, null, true]) {
    const { body } = await send("PUT", "/things/x?note=n", { body: JSON.stringify(value) });
    assert.equal(body, { got: { name: "x", value, note: "n" } });
  }
  assert.is((await send("PUT", "/things/x")).status, 400);
  assert.is((await send("PUT", "/things/x", { body: "{" })).body.error.code, "invalid_json");
  assert.is((await send("PUT", "/things/x?other=1", { body: "1" })).status, 400);
  assert.is((await send("PUT", "/things/x", { body: '{"a": 9007199254740993}' })).status, 400);
});

test("a list of rows may hold as many keys as its items may, not as one value may", async () => {
  const row = Object.fromEntries(Array.from({ length: 6_000 }, (_, index) => [`k${index}`, index]));
  assert.equal((await send("POST", "/rows", { body: JSON.stringify([row, row, row]) })).body, { got: 3 });
  assert.equal((await send("POST", "/rows", { body: JSON.stringify(row) })).body, { got: "one" });
  const tooMany = await send("POST", "/rows", { body: JSON.stringify([{}, {}, {}, {}]) });
  assert.match(tooMany.body.error.message, "rows has 4 items, the most is 3");
  const wide = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`k${index}`, index]));
  assert.match((await send("POST", "/rows", { body: JSON.stringify([{}, wide]) })).body.error.message, "rows[1]");
});

test("a body that is a list is the field that takes lists, and an object is an object", async () => {
  const jobs = [{ payload: 1 }, { payload: 2 }];
  assert.equal((await send("POST", "/jobs/q", { body: JSON.stringify(jobs) })).body, { got: { queue: "q", jobs } });
  assert.equal((await send("POST", "/jobs/q", { body: '{"payload":1}' })).body, { got: { queue: "q", payload: 1 } });
  assert.match((await send("POST", "/jobs/q", { body: "[{},{},{}]" })).body.error.message, "the most is 2");
  assert.match((await send("POST", "/jobs/q", { body: '[{"paylod":1}]' })).body.error.message, "did you mean payload?");
});

test("query pairs of other names are collected in order, repeated ones too", async () => {
  const { body } = await send("GET", "/filtered?age=gte.18&limit=5&age=lt.30&or=(a.eq.1,b.eq.2)&filters=eq.x");
  assert.equal(body.got, { limit: 5, filters: ["age=gte.18", "age=lt.30", "or=(a.eq.1,b.eq.2)", "filters=eq.x"] });
  assert.equal((await send("GET", "/filtered")).body.got, {});
  const patch = await send("PATCH", "/filtered?id=eq.1", { body: '{"a":2}' });
  assert.equal(patch.body.got, { set: { a: 2 }, filters: ["id=eq.1"] });
});

test("a field that is declared for the query may stand beside a JSON body, no other may", async () => {
  assert.equal((await send("POST", "/beside?on=a", { body: '{"text":"t"}' })).body.got, { text: "t", on: "a" });
  assert.match((await send("POST", "/beside?text=a", { body: "{}" })).body.error.message, "stands in the query");
  assert.match(
    (await send("POST", "/beside?on=a", { body: '{"text":"t","on":"b"}' })).body.error.message,
    "on stands in",
  );
});

test("a streamed body is read by the handler, an absent one is empty", async () => {
  const chunks = new ReadableStream({
    start(controller) {
      for (let index = 0; index < 5; index += 1) controller.enqueue(new Uint8Array(70_000));
      controller.close();
    },
  });
  assert.equal((await send("POST", "/streamed?name=n", { body: chunks })).body.got, [350_000, "n"]);
  assert.equal((await send("POST", "/streamed")).body.got, [0, null]);
  const encoded = await send("POST", "/streamed", { body: "x", headers: { "Content-Encoding": "gzip" } });
  assert.match(encoded.body.error.message, "send the body uncompressed");
});

test("bytes are answered as they are, with the handler's status and headers", async () => {
  const { fetcher } = openApp({ capabilities: [capability] });
  const response = await fetcher(new Request("http://millrace.test/bytes"));
  assert.equal([...new Uint8Array(await response.arrayBuffer())], [0, 255]);
  assert.is(response.status, 206);
  assert.is(response.headers.get("x-more"), "yes");
  assert.is(response.headers.get("x-content-type-options"), "nosniff");
  const head = await fetcher(new Request("http://millrace.test/bytes", { method: "HEAD" }));
  assert.is(head.status, 206);
  assert.is((await head.arrayBuffer()).byteLength, 0);
});

test.run();
