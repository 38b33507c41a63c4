/** Declared schemas: checked on every way in, tried out against what is stored, and changed without a gap. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDocuments } from "../support/document_client.ts";
import { type MemoryPorts, memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("documents: schema");

const order = {
  type: "object",
  required: ["status"],
  properties: { status: { enum: ["open", "paid"] }, total: { type: "number", minimum: 0 } },
};

test("a declaration is answered, read, replaced in part and removed", async () => {
  const { ask, declare } = openDocuments();
  assert.is((await ask("GET", "/document-namespaces/n/schema")).status, 404);
  assert.equal(await declare({ schema: order, indexes: ["status"] }), {
    namespace: "n",
    schema: order,
    indexes: [{ field: "status", ready: true }],
    version: 2,
  });
  const more = await declare({ indexes: ["status", "owner.name", "status"] });
  assert.equal(more.schema, order);
  assert.equal(more.indexes, [
    { field: "status", ready: true },
    { field: "owner.name", ready: true },
  ]);
  assert.equal((await declare({ schema: null })).schema, null);
  assert.equal((await ask("DELETE", "/document-namespaces/n/schema")).body, { namespace: "n", removed: true });
  assert.equal((await ask("DELETE", "/document-namespaces/n/schema")).body.removed, false);
  assert.is((await ask("GET", "/document-namespaces/n/schema")).status, 404);
});

test("every way in is checked, and the refusal names field and what is wanted", async () => {
  const { ask, raw, put, declare } = openDocuments();
  await put("k", { status: "open" });
  await declare({ schema: order });
  const refused = [
    await ask("POST", "/document", { namespace: "n", key: "a", payload: { status: "lost", total: -1 } }),
    await raw("PUT", "/document/n/a", '{"status":"lost","total":-1}'),
    await ask("PATCH", "/document/n/k", { status: "lost", total: -1 }),
    await ask("POST", "/batch", {
      operations: [{ op: "document.put", namespace: "n", key: "a", payload: { status: "lost", total: -1 } }],
    }),
  ];
  for (const { status, body } of refused.slice(0, 3)) {
    assert.is(status, 400, JSON.stringify(body));
    assert.match(body.error.message, /status: .*"open","paid".*total: -1 is less than 0/);
    assert.equal(
      body.error.details.errors.map(({ path }: { path: string }) => path),
      ["status", "total"],
    );
  }
  assert.ok(refused[3]!.status >= 400);
  const imported = await raw(
    "POST",
    "/document-namespaces/n/import",
    '{"key":"a","payload":{}}\n{"key":"b","payload":{"status":"paid"}}\n',
  );
  assert.equal([imported.body.stored, imported.body.failed, imported.body.errors[0].line], [1, 1, 1]);
  assert.match(imported.body.errors[0].error, /status/);
  assert.is((await ask("GET", "/document/n/a")).status, 404);
  assert.is((await ask("PATCH", "/document/n/k", { status: "paid" })).status, 200);
});

test("a dry run changes nothing and says which stored documents would not fit, page by page", async () => {
  const { ask, put } = openDocuments();
  for (const n of [1, 2, 3, 4, 5]) await put(`k${n}`, n % 2 ? { status: "open" } : { status: n });
  const dry = (query: string) => ask("PUT", `/document-namespaces/n/schema?dry_run=true${query}`, { schema: order });
  const all = await dry("");
  assert.equal([all.status, all.body.checked, all.body.next_cursor], [200, 5, null]);
  assert.equal(
    all.body.failing.map(({ key }: { key: string }) => key),
    ["k2", "k4"],
  );
  assert.is(all.body.failing[0].errors[0].path, "status");
  const first = await dry("&limit=3");
  assert.equal([first.body.checked, first.body.failing.length], [3, 1]);
  const second = await dry(`&limit=3&cursor=${first.body.next_cursor}`);
  assert.equal([second.body.checked, second.body.failing.length, second.body.next_cursor], [2, 1, null]);
  assert.is((await ask("GET", "/document-namespaces/n/schema")).status, 404);
  await put("k6", "anything");
});

test("a schema that could take for ever, or is none, is 400", async () => {
  const { ask } = openDocuments();
  for (const fields of [
    { schema: { pattern: "(a+)+$" } },
    { schema: { type: "any" } },
    { schema: [] },
    { schema: 5 },
    { indexes: ["a..b"] },
    { indexes: Array.from({ length: 17 }, (_, n) => `f${n}`) },
  ]) {
    const { status, body } = await ask("PUT", "/document-namespaces/n/schema", fields);
    assert.is(status, 400, JSON.stringify(fields));
    assert.is(body.error.code, "invalid_input");
  }
});

test("once a schema has been declared, no process puts by the one before", async () => {
  const town = memoryTown();
  const here = openDocuments({ ports: memoryPorts(town, 1) });
  const there = openDocuments({ ports: deaf(memoryPorts(town, 2)) });
  await there.put("a", "anything");
  await here.declare({ schema: order });
  const { status, body } = await there.ask("POST", "/document", { namespace: "n", key: "b", payload: "anything" });
  assert.equal([status, body.error?.code], [400, "invalid_input"]);
  assert.is((await there.put("b", { status: "open" })).body.version, 1);
  await here.ask("DELETE", "/document-namespaces/n/schema");
  await here.declare({ schema: { type: "string" } });
  assert.is(
    (await there.ask("POST", "/document", { namespace: "n", key: "b", payload: { status: "open" } })).status,
    400,
  );
});

test("documents that were put while a schema was being declared fit it, or came before", async () => {
  const { ask, declare, follow } = openDocuments();
  const reader = await follow();
  const put = (n: number) =>
    ask("POST", "/document", { namespace: "n", key: `k${n}`, payload: n % 2 ? "no order" : { status: "open" } });
  const early = Array.from({ length: 20 }, (_, n) => put(n));
  const declared = declare({ schema: order });
  const late = Array.from({ length: 20 }, (_, n) => put(20 + n));
  await declared;
  const after = await Promise.all(Array.from({ length: 10 }, (_, n) => put(40 + n)));
  const replies = await Promise.all([...early, ...late]);
  assert.ok(replies.every(({ status }) => status === 201 || status === 400));
  assert.equal(
    after.map(({ status }) => status),
    Array.from({ length: 10 }, (_, n) => (n % 2 ? 400 : 201)),
  );
  reader.close();
});

/** Ports whose bus hears no other process: what it remembers of them it remembers for its whole second. */
function deaf(ports: MemoryPorts): MemoryPorts {
  const heard: Parameters<MemoryPorts["bus"]["listen"]>[0][] = [];
  const bus: MemoryPorts["bus"] = {
    ...ports.bus,
    listen: (listener) => void heard.push(listener),
    knock(subjects) {
      for (const listener of heard) listener(subjects);
    },
  };
  return { ...ports, bus };
}

test.run();
