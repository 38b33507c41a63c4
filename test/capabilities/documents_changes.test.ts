/** The feed of changes of a namespace: streams and long-polls with the cursors, gaps and resets of a channel. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openDocuments } from "../support/document_client.ts";
import { memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("documents: changes");

const URL = "/document-namespaces/n/changes";
const told = (events: { data: string }[]) =>
  events.map(({ data }) => JSON.parse(data)).map(({ op, key, version }) => `${op} ${key} ${version}`);

test("each put, patch and deletion is told once, with the version it made", async () => {
  const { ask, put, follow } = openDocuments();
  const reader = await follow();
  await put("a", 1);
  const events = await reader.until(1);
  assert.equal(JSON.parse(events[0]!.data), {
    id: events[0]!.id,
    version: 1,
    key: "a",
    op: "put",
    created_at: "2026-01-01T00:00:00.000Z",
  });
  assert.is(events[0]!.event, "message");
  await put("a", 2, { ttl_seconds: 60 });
  await ask("PATCH", "/document/n/a", { x: 1 });
  await ask("DELETE", "/document/n/a");
  await put("a", 3);
  assert.equal(told(await reader.until(5)), ["put a 1", "put a 2", "put a 3", "delete a 3", "put a 4"]);
  assert.is(JSON.parse(reader.events[1]!.data).expires_at, "2026-01-01T00:01:00.000Z");
  reader.close();
});

test("what is refused, and what changes elsewhere, is not told", async () => {
  const { ask, put, follow } = openDocuments();
  await put("a", 1);
  const reader = await follow("?from=earliest");
  await put("a", 2, { if_version: 1 });
  await ask("POST", "/document", { namespace: "n", key: "a", payload: 3, if_version: 1 });
  await ask("DELETE", "/document/n/missing");
  await ask("POST", "/document", { namespace: "other", key: "a", payload: 1 });
  await put("b", 1);
  assert.equal(told(await reader.until(3)), ["put a 1", "put a 2", "put b 1"]);
  reader.close();
});

test("a reader resumes after Last-Event-ID without losing or doubling a change", async () => {
  const { put, follow } = openDocuments();
  for (const n of [1, 2, 3]) await put("a", n);
  const first = await follow("?from=earliest");
  const [one] = await first.until(3);
  first.close();
  await put("a", 4);
  const second = await follow("", { "Last-Event-ID": one!.id! });
  assert.equal(told(await second.until(3)), ["put a 2", "put a 3", "put a 4"]);
  await put("a", 5);
  assert.equal(told(await second.until(4)).at(-1), "put a 5");
  second.close();
});

test("a reader on another process is told, too", async () => {
  const town = memoryTown();
  const [here, there] = [
    openDocuments({ ports: memoryPorts(town, 1) }),
    openDocuments({ ports: memoryPorts(town, 2) }),
  ];
  const reader = await there.follow();
  for (const n of [1, 2, 3]) await here.put("a", n);
  assert.equal(told(await reader.until(3)), ["put a 1", "put a 2", "put a 3"]);
  reader.close();
});

test("changes that are no longer held are a gap, and a cursor of elsewhere is a reset", async () => {
  const { ask, put, advance, ports } = openDocuments();
  await put("a", 1);
  const { body } = await ask("GET", `${URL}?wait=0&from=earliest`);
  await put("a", 2);
  await advance(49 * 3_600_000);
  await ports.database.journal.expire(1_000);
  await put("a", 3);
  const gap = await ask("GET", `${URL}?wait=0&after=${body.next_cursor}`);
  assert.is(gap.body.notice.event, "gap");
  assert.equal(
    gap.body.changes.map(({ version }: { version: number }) => version),
    [3],
  );
  const foreign = await ask("GET", `${URL}?wait=0&after=0190c0de-0000-7000-8000-000000000000`);
  assert.ok(["gap", "reset"].includes(foreign.body.notice.event));
  const future = await ask("GET", `${URL}?wait=0&after=ffffffff-0000-7000-8000-000000000000`);
  assert.is(future.body.notice.event, "reset");
});

test("a long-poll waits for the first change of a namespace that nothing was put into", async () => {
  const { ask, put, advance } = openDocuments();
  // The token is hashed on another thread; once it is remembered, a poll stands where it waits after one turn.
  await ask("GET", "/document/n");
  const waiting = ask("GET", `${URL}?wait=25`);
  await advance(0);
  await put("a", 1);
  const { status, body } = await waiting;
  assert.is(status, 200);
  assert.equal([body.changes.length, body.changes[0].key, body.timed_out], [1, "a", false]);
  const next = ask("GET", `${URL}?wait=5&after=${body.next_cursor}`);
  await advance(0);
  await advance(5_000);
  assert.equal((await next).body, { changes: [], next_cursor: body.next_cursor, timed_out: true });
});

test("one import is told line by line, in order", async () => {
  const { raw, ask } = openDocuments();
  const lines = Array.from({ length: 450 }, (_, n) => JSON.stringify({ key: `k${n}`, payload: n })).join("\n");
  await raw("POST", "/document-namespaces/n/import", lines);
  const { body } = await ask("GET", `${URL}?wait=0&from=earliest&limit=1000`);
  assert.equal(
    body.changes.map(({ key, version }: { key: string; version: number }) => `${key} ${version}`),
    Array.from({ length: 450 }, (_, n) => `k${n} 1`),
  );
});

test("without a token the feed is 401, and a token for another namespace is 403", async () => {
  const { client, ask } = openDocuments();
  assert.is((await client.send("GET", URL)).status, 401);
  const { body } = await ask("POST", "/tokens", { label: "other", scopes: ["documents:read:other"] });
  const refused = await client.send("GET", `${URL}?wait=0`, { headers: { Authorization: `Bearer ${body.token}` } });
  assert.is(refused.status, 403);
});

test.run();
