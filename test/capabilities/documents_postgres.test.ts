/** Documents on PostgreSQL, by two processes at once: what is promised of writes that meet. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPostgres, type Postgres } from "../../adapters/postgres/mod.ts";
import { systemClock, systemIds } from "../../adapters/system.ts";
import { memoryHashes } from "../../core/ports/memory/hashes.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { memoryObjects } from "../../core/ports/memory/objects.ts";
import { type DocumentApp, openDocuments } from "../support/document_client.ts";
import type { MemoryPorts } from "../support/memory_house.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

const test = suite("documents on PostgreSQL");

let database: TestDatabase;
let opened: Postgres[];
let here: DocumentApp;
let there: DocumentApp;

test.before(async () => {
  database = await createTestDatabase(testServer!);
  const connection = { connectionString: database.url };
  const log = memoryLog("warn");
  await migrateUp({ connection, log });
  opened = await Promise.all([openPostgres({ connection, log }), openPostgres({ connection, log })]);
  const apps = opened.map((postgres) =>
    openDocuments({
      ports: {
        ...postgres,
        objects: memoryObjects(systemClock),
        hashes: memoryHashes,
        clock: systemClock,
        ids: systemIds,
        log,
      } as unknown as MemoryPorts,
    }),
  );
  [here, there] = apps as [DocumentApp, DocumentApp];
});

test.after(async () => {
  await Promise.all([here.stop(), there.stop()]);
  for (const { bus, database } of opened) {
    await bus.close();
    await database.close();
  }
  await database.drop();
});

const either = (n: number) => (n % 2 ? there : here);

test("patches of one document by both at once all take effect", async () => {
  await here.put("patched", {});
  const replies = await Promise.all(
    Array.from({ length: 40 }, (_, n) => either(n).ask("PATCH", "/document/n/patched", { [`m${n}`]: n })),
  );
  for (const { status, body } of replies) assert.is(status, 200, JSON.stringify(body));
  const { body } = await here.ask("GET", "/document/n/patched");
  assert.equal([Object.keys(body.payload).length, body.version], [40, 41]);
});

test("of puts with one condition by both exactly one is stored, and all changes are told once, in order", async () => {
  const reader = await there.follow();
  const replies = await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      either(n).ask("POST", "/document", { namespace: "n", key: "once", payload: n }, { "If-None-Match": "*" }),
    ),
  );
  assert.equal(replies.map(({ status }) => status).sort(), [201, ...Array(29).fill(412)]);
  await Promise.all(Array.from({ length: 60 }, (_, n) => either(n).put(`k${n % 3}`, n)));
  const told = (await reader.until(61)).map(({ data }) => JSON.parse(data));
  for (const key of ["k0", "k1", "k2"])
    assert.equal(
      told.filter((change) => change.key === key).map(({ version }) => version),
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
  const ids = told.map(({ id }) => id);
  assert.equal([...ids].sort(), ids);
  reader.close();
});

test("a schema and an index that are declared while both put hold for all that comes after, and the index has all", async () => {
  const path = "/document-namespaces/busy/schema";
  const put = (n: number) =>
    either(n).ask("POST", "/document", {
      namespace: "busy",
      key: `k${n}`,
      payload: n % 4 < 2 ? { kind: "x" } : "none",
    });
  const early = Array.from({ length: 60 }, (_, n) => put(n));
  const declared = here.ask("PUT", path, { schema: { type: "object" }, indexes: ["kind"] });
  const late = Array.from({ length: 60 }, (_, n) => put(60 + n));
  assert.equal((await declared).body.indexes, [{ field: "kind", ready: true }]);
  const after = await Promise.all(Array.from({ length: 40 }, (_, n) => put(120 + n)));
  assert.equal(
    after.map(({ status }) => status),
    Array.from({ length: 40 }, (_, n) => (n % 4 < 2 ? 201 : 400)),
  );
  const all = [...(await Promise.all([...early, ...late])), ...after];
  const stored = all.flatMap(({ status, body }) => (status === 201 && body.payload.kind ? [body.key] : []));
  const found = await there.ask("GET", "/document/busy?kind=eq.x&limit=1000");
  assert.equal(found.body.documents.map(({ key }: { key: string }) => key).sort(), stored.sort());
});

test("2,000 lines come in while others put, and go out again by pages of the index", async () => {
  const lines = Array.from({ length: 2_000 }, (_, n) =>
    JSON.stringify({ key: `line${String(n).padStart(5, "0")}`, payload: { n } }),
  );
  const [imported] = await Promise.all([
    here.raw("POST", "/document-namespaces/lines/import", lines.join("\n")),
    ...Array.from({ length: 50 }, (_, n) =>
      there.ask("POST", "/document", { namespace: "lines", key: `other${n}`, payload: n }),
    ),
  ]);
  assert.equal([imported.body.stored, imported.body.failed], [2_000, 0]);
  const exported = await there.ask("GET", "/document-namespaces/lines/export?prefix=line");
  const keys = exported.body
    .trimEnd()
    .split("\n")
    .map((line: string) => JSON.parse(line).key);
  assert.equal(
    keys,
    lines.map((line) => JSON.parse(line).key),
  );
});

if (testServer === null) console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
else test.run();
