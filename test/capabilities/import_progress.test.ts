/** Imports of documents and of table rows tell each stored batch, by the schema that they declare, and go on after they broke off. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { importLines } from "../../core/capabilities/documents/import.ts";
import { importRows } from "../../core/capabilities/tables/import.ts";
import type { CallOperation } from "../../core/kernel/operation.ts";
import { Fault } from "../../core/ports/fault.ts";
import { TOKEN as DOCUMENTS_TOKEN, openDocuments } from "../support/document_client.ts";
import { type EventReader, openEvents } from "../support/event_stream.ts";
import type { MemoryApp } from "../support/memory_app.ts";
import { memoryPorts } from "../support/memory_house.ts";
import { openTables, TOKEN as TABLES_TOKEN } from "../support/tables_app.ts";

const test = suite("import: progress");
const DOCUMENTS = "/document-namespaces/n/import";
const ROWS = "/sql/tables/people/import";
const encoder = new TextEncoder();

const documents = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `{"key":"k${from + n}","payload":${from + n}}\n`).join("");

/** Rows that the people's table takes once only. */
const rows = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `p${from + n},mail${from + n}\n`).join("");

interface Upload {
  path: string;
  token: string;
  type: string;
}

/** An upload that is held open: what is sent is sent, and the answer is read beside it. */
function openUpload({ fetcher }: MemoryApp, { path, token, type }: Upload) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const withBody = (request: Request) =>
    fetcher(new Request(request, { method: "POST", body: readable, duplex: "half" } as RequestInit));
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": type };
  return {
    send: (text: string) => writer.write(encoder.encode(text)),
    end: () => writer.close(),
    events: openEvents(`http://millrace.test${path}`, headers, withBody),
  };
}

/** The data of the events of a name, as the declaration has it. */
function told({ events }: EventReader, operation: CallOperation, name: "progress" | "result") {
  const schema = name === "progress" ? operation.progress! : operation.output;
  return events
    .filter(({ event }) => event === name)
    .map(({ data }) => v.parse(v.strictObject(entriesOf(schema)), JSON.parse(data)));
}

const entriesOf = (schema: unknown) => (schema as { entries: v.ObjectEntries }).entries;

const NDJSON = "application/x-ndjson";

test("an import of documents tells each stored batch while the upload is still open", async () => {
  const app = openDocuments();
  await app.put("k1", "mine");
  const path = `${DOCUMENTS}?existing=keep`;
  const { send, end, events } = openUpload(app, { path, token: DOCUMENTS_TOKEN, type: NDJSON });
  await send(`{\n${documents(0, 200)}`);
  const reader = await events;
  await reader.until(1);
  assert.equal(told(reader, importLines, "progress"), [{ lines_done: 201, stored: 199, kept: 1, failed: 1 }]);
  await send(documents(200, 500));
  await reader.until(2);
  await end();
  await reader.ended();
  const progress = told(reader, importLines, "progress");
  assert.equal(progress[1], { lines_done: 401, stored: 399, kept: 1, failed: 1 });
  assert.equal(progress.at(-1), { lines_done: 501, stored: 499, kept: 1, failed: 1 });
  const [result] = told(reader, importLines, "result");
  assert.equal([result!.lines_done, result!.stored, result!.failed], [501, 499, 1]);
  assert.is(reader.events.at(-1)!.event, "result");
});

test("lines of which none is taken are told too, a thousand at a time", async () => {
  const app = openDocuments();
  const { send, end, events } = openUpload(app, { path: DOCUMENTS, token: DOCUMENTS_TOKEN, type: NDJSON });
  await send("{}\n".repeat(1_000));
  const reader = await events;
  await reader.until(1);
  assert.equal(told(reader, importLines, "progress"), [{ lines_done: 1_000, stored: 0, kept: 0, failed: 1_000 }]);
  await end();
  await reader.ended();
  assert.is(told(reader, importLines, "result")[0]!.failed, 1_000);
});

test("an import of rows does the same, and its end is an event also when it is an error", async () => {
  const app = await openTables();
  const { send, end, events } = openUpload(app, { path: ROWS, token: TABLES_TOKEN, type: "text/csv" });
  await send(`name,email\n${rows(0, 1_000)}`);
  const reader = await events;
  await reader.until(1);
  assert.equal(told(reader, importRows, "progress"), [{ rows_done: 1_000, rows_written: 1_000 }]);
  await send(rows(1_000, 1_500));
  await send(rows(7, 8));
  await end();
  await reader.ended();
  assert.equal(
    reader.events.map(({ event }) => event),
    ["progress", "error"],
  );
  const { error } = JSON.parse(reader.events[1]!.data);
  assert.equal([error.code, error.details.rows_done, error.details.rows_written], ["conflict", 1_000, 1_000]);
});

test("an import that is refused before anything is stored is an error answer as ever", async () => {
  const app = await openTables();
  const headers = { Authorization: `Bearer ${TABLES_TOKEN}`, "Content-Type": "text/csv", Accept: "text/event-stream" };
  const wrong = await app.client.send("POST", ROWS, { raw: "nmae\nx\n", headers });
  assert.equal([wrong.status, wrong.body.error.code], [400, "invalid_input"]);
  const missing = await app.client.send("POST", "/sql/tables/nothing/import", { raw: "name\nx\n", headers });
  assert.is(missing.status, 404);
  const empty = await app.client.send("POST", ROWS, { raw: "", headers });
  assert.equal([empty.status, empty.body], [201, { rows_done: 0, rows_written: 0 }]);
});

test("rows that broke off go on with skip_rows, in CSV and in NDJSON, as often as it takes, and none is stored twice", async () => {
  const csv = `name,email\n${rows(0, 4_000)}`;
  const ndjson = Array.from({ length: 4_000 }, (_, n) => `{"name":"p${n}","email":"mail${n}"}\n\n`).join("");
  for (const [body, type] of [
    [csv, "text/csv"],
    [ndjson, NDJSON],
  ] as const) {
    const ports = memoryPorts();
    let commits = 0;
    const { commit } = ports.database;
    const database: typeof ports.database = {
      ...ports.database,
      commit(unit, then) {
        commits += 1;
        if (commits === 3 || commits === 5) throw new Fault("unavailable", "The database is away");
        return commit(unit, then);
      },
    };
    const { upload, call } = await openTables({ ports: { ...ports, database } });
    commits = 0;
    const first = await upload(ROWS, body, type);
    const { rows_done, rows_written } = first.body.error.details;
    assert.equal([first.status, rows_done, rows_written], [503, 2_000, 2_000]);
    assert.match(first.body.error.message, /the 2000 rows before were stored, go on with skip_rows=2000$/);
    const second = await upload(`${ROWS}?skip_rows=2000`, body, type);
    assert.equal([second.status, second.body.error.details], [503, { rows_done: 3_000, rows_written: 1_000 }]);
    const third = await upload(`${ROWS}?skip_rows=3000`, body, type);
    assert.equal([third.status, third.body], [201, { rows_done: 4_000, rows_written: 1_000 }]);
    const { rows: sums } = (await call("GET", "/sql/tables/people/rows?select=count()")).body;
    assert.equal(sums, [{ count: 4_000 }]);
  }
});

test("skip_rows may end within a batch, and beyond the end nothing is left to do", async () => {
  const { upload, rows: all } = await openTables();
  const body = `name,email\n${rows(0, 6)}`;
  assert.equal((await upload(`${ROWS}?skip_rows=4`, body, "text/csv")).body, { rows_done: 6, rows_written: 2 });
  assert.equal(
    (await all("?select=name&order=id")).map(({ name }) => name),
    ["p4", "p5"],
  );
  assert.equal((await upload(`${ROWS}?skip_rows=6`, body, "text/csv")).body, { rows_done: 6, rows_written: 0 });
  assert.equal((await upload(`${ROWS}?skip_rows=9`, body, "text/csv")).body, { rows_done: 6, rows_written: 0 });
  const again = await upload(`${ROWS}?skip_rows=5`, body, "text/csv");
  assert.equal([again.status, again.body.error.details.rows_done], [409, 5]);
  assert.match(again.body.error.message, /line 7\.email .*; nothing was stored$/);
  assert.is((await upload(`${ROWS}?skip_rows=-1`, body, "text/csv")).status, 400);
});

test.run();
