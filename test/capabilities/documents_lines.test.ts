/** Export and import as NDJSON: what goes out comes in again, bad lines are told, what broke off goes on, and memory stays flat. */
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Fault } from "../../core/ports/fault.ts";
import { openDocuments } from "../support/document_client.ts";
import { memoryPorts } from "../support/memory_house.ts";

const test = suite("documents: lines");

const IMPORT = "/document-namespaces/n/import";
const EXPORT = "/document-namespaces/n/export";

test("an export has one line for each document, and an import of it elsewhere makes the same", async () => {
  const { ask, raw, put } = openDocuments();
  await put("b", { text: "two\nlines \u2028 😀" });
  await put("a", null, { ttl_seconds: 3_600 });
  await put("b", [1]);
  const exported = await ask("GET", EXPORT);
  assert.match(exported.headers.get("content-type") ?? "", /^application\/x-ndjson/);
  const lines = exported.body
    .trimEnd()
    .split("\n")
    .map((line: string) => JSON.parse(line));
  const at = "2026-01-01T00:00:00.000Z";
  assert.equal(lines, [
    { key: "a", version: 1, created_at: at, expires_at: "2026-01-01T01:00:00.000Z", payload: null },
    { key: "b", version: 2, created_at: at, payload: [1] },
  ]);
  const { body } = await raw("POST", "/document-namespaces/m/import", exported.body);
  assert.equal(body, { namespace: "m", lines_done: 2, stored: 2, kept: 0, failed: 0, errors: [] });
  const again = await ask("GET", "/document-namespaces/m/export");
  assert.is(again.body, exported.body.replace('"version":2', '"version":1'));
});

test("an export goes on after a key, and keeps to a prefix", async () => {
  const { ask, put } = openDocuments();
  for (const key of ["a", "ab", "b", "c"]) await put(key, key);
  const keys = async (query: string) =>
    (await ask("GET", EXPORT + query)).body
      .split("\n")
      .filter(Boolean)
      .map((line: string) => JSON.parse(line).key);
  assert.equal(await keys("?after=ab"), ["b", "c"]);
  assert.equal(await keys("?after=aa"), ["ab", "b", "c"]);
  assert.equal(await keys("?prefix=a"), ["a", "ab"]);
  assert.equal(await keys("?after=z"), []);
});

test("bad lines are told with their numbers, good ones are stored, empty ones are neither", async () => {
  const { ask, raw } = openDocuments({ settings: { documentMaxBytes: 1_024 } });
  const lines = [
    '{"key":"a","payload":1}',
    "",
    "{",
    '{"payload":1}',
    '{"key":"b"}',
    "[1]",
    '{"key":"","payload":1}',
    '{"key":"c","payload":0.12345678901234567890}',
    '{"key":"d","payload":9007199254740993}',
    `{"key":"e","payload":"${"x".repeat(2_000)}"}`,
    `{"key":"f","payload":"${"x".repeat(100_000)}"}`,
    '{"key":"g","payload":1,"expires_at":"2020-01-01T00:00:00Z"}',
    '{"key":"h","payload":"\ud83d"}'.replace("\ud83d", "\\ud83d"),
    "  \r",
    '{"key":"z","payload":2,"expires_at":null,"version":9,"created_at":"x"}',
  ];
  const { status, body } = await raw("POST", IMPORT, lines.join("\r\n"));
  assert.equal([status, body.lines_done, body.stored, body.failed], [200, 15, 2, 11]);
  assert.equal(
    body.errors.map(({ line }: { line: number }) => line),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
  );
  for (const [line, words] of [
    [3, /not valid JSON/],
    [4, /key is missing/],
    [5, /payload is missing/],
    [7, /key is ""/],
    [8, /would be rounded/],
    [9, /would be rounded/],
    [10, /the most is 1024/],
    [11, /longer/],
    [12, /in the past/],
    [13, /surrogate/],
  ] as const)
    assert.match(body.errors.find((error: { line: number }) => error.line === line).error, words);
  assert.equal(
    (await ask("GET", "/document/n?payload=true")).body.documents.map(
      ({ key, version }: { key: string; version: number }) => [key, version],
    ),
    [
      ["a", 1],
      ["z", 1],
    ],
  );
});

test("with existing=keep what is there stays, also for a key that comes twice; skip_lines passes over lines", async () => {
  const { ask, raw, put } = openDocuments();
  await put("a", "mine");
  const lines = '{"key":"a","payload":1}\n{"key":"b","payload":1}\n{"key":"b","payload":2}\n';
  const kept = await raw("POST", `${IMPORT}?existing=keep`, lines);
  assert.equal([kept.body.stored, kept.body.kept], [1, 2]);
  assert.is((await ask("GET", "/document/n/a")).body.payload, "mine");
  assert.is((await ask("GET", "/document/n/b")).body.payload, 1);
  const skipped = await raw("POST", `${IMPORT}?skip_lines=2`, lines);
  assert.equal([skipped.body.stored, skipped.body.lines_done], [1, 3]);
  assert.equal((await ask("GET", "/document/n/b")).body.payload, 2);
  assert.equal((await ask("GET", "/document/n/a")).body.version, 1);
});

test("with atomic=true one bad line refuses all, and so do more than 1,000 lines", async () => {
  const { ask, raw } = openDocuments();
  const good = (n: number) => `{"key":"k${n}","payload":${n}}\n`;
  const bad = await raw("POST", `${IMPORT}?atomic=true`, `${good(1)}${good(2)}{"key":"x"}\n`);
  assert.equal([bad.status, bad.body.error.details.line], [400, 3]);
  const many = await raw("POST", `${IMPORT}?atomic=true`, Array.from({ length: 1_001 }, (_, n) => good(n)).join(""));
  assert.is(many.status, 413);
  assert.equal((await ask("GET", "/document/n")).body.documents, []);
  const all = await raw("POST", `${IMPORT}?atomic=true`, Array.from({ length: 1_000 }, (_, n) => good(n)).join(""));
  assert.equal([all.status, all.body.stored], [200, 1_000]);
});

test("an import that breaks off says how many lines were done, and goes on from there", async () => {
  const ports = memoryPorts();
  let commits = 0;
  const commit = ports.database.commit;
  const database: typeof ports.database = {
    ...ports.database,
    commit(unit, then) {
      if (unit.length > 100 && [3, 4].includes(++commits)) throw new Fault("unavailable", "The database is away");
      return commit(unit, then);
    },
  };
  const { raw, ask } = openDocuments({ ports: { ...ports, database } });
  const lines = Array.from({ length: 1_000 }, (_, n) => `{"key":"${String(n).padStart(4, "0")}","payload":${n}}`).join(
    "\n",
  );
  const broken = await raw("POST", IMPORT, lines);
  assert.equal([broken.status, broken.body.error.code], [503, "unavailable"]);
  const { lines_done, stored } = broken.body.error.details;
  assert.equal([lines_done, stored], [400, 400]);
  const again = await raw("POST", `${IMPORT}?skip_lines=${lines_done}`, lines);
  assert.is(again.body.error.details.lines_done, 400, "what was skipped stays done");
  const rest = await raw("POST", `${IMPORT}?skip_lines=${lines_done}`, lines);
  assert.equal([rest.body.stored, rest.body.lines_done], [600, 1_000]);
  const versions = new Set<number>();
  for (let cursor = ""; ; ) {
    const { body } = await ask("GET", `/document/n?limit=1000${cursor}`);
    for (const { version } of body.documents) versions.add(version);
    if (body.next_cursor === null) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  assert.equal([...versions], [1]);
});

test("an import takes no more from its sender than it has stored, and 50,000 lines leave memory as it was", async () => {
  const ports = memoryPorts();
  // A store that forgets, so that what is measured is the way there.
  let stored = 0;
  const database: typeof ports.database = {
    ...ports.database,
    async commit(unit) {
      await new Promise((resolve) => setImmediate(resolve));
      const at = new Date(0);
      const outcomes = unit.map((command) => {
        if (command.op === "document.put") stored += 1;
        if (command.op === "journal.append")
          return {
            status: "appended" as const,
            entries: command.entries.map(() => ({ id: "", createdAt: at, expiresAt: at })),
            previous: "",
          };
        return command.op === "document.check"
          ? { status: "checked" as const }
          : { status: "put" as const, version: 1, isNew: true, createdAt: at, updatedAt: at };
      });
      return { committed: true, outcomes };
    },
  };
  const { raw } = openDocuments({ ports: { ...ports, database } });
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const encoder = new TextEncoder();
  const filler = "x".repeat(1_000);
  let sent = 0;
  let furthest = 0;
  const samples: number[] = [];
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const lines = Array.from({ length: 100 }, () => `{"key":"k${sent++}","payload":"${filler}"}\n`);
        controller.enqueue(encoder.encode(lines.join("")));
        furthest = Math.max(furthest, sent - stored);
        if (sent % 5_000 === 0) {
          collect();
          samples.push(process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers);
        }
        if (sent === 50_000) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  const { body: report } = await raw("POST", IMPORT, body);
  assert.equal([report.stored, report.failed, stored], [50_000, 0, 50_000]);
  assert.ok(furthest <= 600, `${furthest} lines were taken before they were stored`);
  const growth = Math.max(...samples.slice(5)) - Math.max(...samples.slice(0, 5));
  console.log(
    `documents import: 50,000 lines, 52 MB, memory grew by ${Math.round(growth / 1024)} KiB, at most ${furthest} lines ahead`,
  );
  assert.ok(growth < 8_000_000, `memory grew by ${growth} bytes`);
});

test("an export reads no further than its reader takes", async () => {
  const ports = memoryPorts();
  let pages = 0;
  const page = ports.database.documents.page;
  const documents: typeof ports.database.documents = {
    ...ports.database.documents,
    page(query) {
      pages += 1;
      return page(query);
    },
  };
  const { raw, fetcher } = openDocuments({ ports: { ...ports, database: { ...ports.database, documents } } });
  await raw("POST", IMPORT, Array.from({ length: 6_000 }, (_, n) => `{"key":"k${n}","payload":${n}}`).join("\n"));
  const response = await fetcher(
    new Request(`http://millrace.test${EXPORT}`, { headers: { Authorization: "Bearer the-service-token" } }),
  );
  const reader = response.body!.getReader();
  await reader.read();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(pages <= 4, `${pages} pages were read for one that was taken`);
  await reader.cancel();
});

test.run();
