/** Imports that tell how far they are, through a real server of the runtime that runs this file: the answer begins while the upload is still open. */
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../support/eventually.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

const TOKEN = "the-service-token";
const AUTHORIZED = { Authorization: `Bearer ${TOKEN}` };
const test = suite(`imports with progress on ${runtimeName}`);
/** Ends the server, once. */
let stopping: ReturnType<ServerProcess["end"]> | null = null;
const stop = () => {
  stopping ??= server.end("SIGTERM");
  return stopping;
};
const children: ChildProcess[] = [];
let server: ServerProcess;
let database: TestDatabase | null = null;
let directory: { path: string; remove(): Promise<void> };

test.before(async () => {
  directory = await temporaryDirectory();
  database = testServer === null ? null : await createTestDatabase(testServer);
  const env = { ...database?.env, DATASTORE_TOKEN: TOKEN, DRAIN_LB: "1", DRAIN: "1" };
  server = await startServerProcess({ dataDir: join(directory.path, "data"), env });
  const columns = [{ name: "n", type: "integer" }];
  const made = await fetch(`${server.url}/sql/tables`, {
    method: "POST",
    headers: { ...AUTHORIZED, "Content-Type": "application/json" },
    body: JSON.stringify({ name: "numbers", columns }),
  });
  assert.is(made.status, 201, await made.text());
});

test.after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await stop();
  await database?.drop();
  await directory.remove();
});

interface Upload {
  child: ChildProcess;
  send(text: string): void;
  /** Everything that came back. */
  output(): string;
  ended: Promise<number | null>;
}

/** curl with an upload that stays open until the test ends it; by `-T .` it reads the answer while nothing is there to send. */
function upload(path: string, type: string): Upload {
  const headers = [`Authorization: Bearer ${TOKEN}`, `Content-Type: ${type}`, "Accept: text/event-stream"];
  const options = ["-sS", "-N", "-i", "-X", "POST", "-T", ".", ...headers.flatMap((header) => ["-H", header])];
  const child = spawn("curl", [...options, server.url + path], { stdio: ["pipe", "pipe", "ignore"] });
  children.push(child);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stdin.on("error", () => undefined);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, send: (text) => void child.stdin.write(text), output: () => output, ended };
}

const events = ({ output }: Upload) =>
  Array.from(output().matchAll(/^event: (\w+)\r?\ndata: (.*)$/gm), ([, name, data]) => ({
    name,
    ...JSON.parse(data!),
  }));

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `{"key":"k${from + n}","payload":${from + n}}\n`).join("");

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n}\n`).join("");

test("documents: an upload held open half way is told each stored batch, and its end when it comes", async () => {
  const held = upload("/document-namespaces/held/import", "application/x-ndjson");
  held.send(lines(0, 300));
  await eventually("the first batch is told", () => events(held).length === 1);
  assert.match(held.output(), /^HTTP\/1\.1 200 [\s\S]*content-type: text\/event-stream/im);
  assert.equal(events(held), [{ name: "progress", lines_done: 200, stored: 200, kept: 0, failed: 0 }]);
  held.send(lines(300, 450));
  await eventually("the second batch is told", () => events(held).length === 2);
  held.child.stdin!.end(lines(450, 500));
  assert.is(await held.ended, 0);
  const told = events(held);
  assert.equal(
    told.map(({ name, stored }) => [name, stored]),
    [
      ["progress", 200],
      ["progress", 400],
      ["progress", 500],
      ["result", 500],
    ],
  );
});

test("rows: an error in a later batch is the last event, while the rest is still to come", async () => {
  const held = upload("/sql/tables/numbers/import", "text/csv");
  held.send(`n\n${numbers(1_000)}`);
  await eventually("the first batch is told", () => events(held).length === 1);
  held.send(`${numbers(900)}not a number\n${numbers(200)}`);
  await eventually("the error is told", () => events(held).length === 2);
  const [first, last] = events(held);
  assert.equal(first, { name: "progress", rows_done: 1_000, rows_written: 1_000 });
  assert.equal([last.name, last.error.code, last.error.details.rows_done], ["error", "invalid_input", 1_000]);
  held.child.stdin!.end(numbers(1_000_000));
  assert.is(await held.ended, 0, "the uploader could send all of it");
});

/** Writes a request with a body of that many bytes, whole, and only then looks at what comes back: its status, or null when the writing got stuck. */
async function statusAfterAll(path: string, size: number): Promise<number | null> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const sent = new Promise<boolean>((resolve) => {
    socket.on("error", () => resolve(false));
    setTimeout(() => resolve(false), 5_000).unref();
    const authorized = Object.entries({ ...AUTHORIZED, Accept: "text/event-stream" });
    const headers = authorized.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: a\r\n${headers}Content-Type: text/csv\r\nContent-Length: ${size}\r\n\r\n`,
    );
    socket.write(new Uint8Array(size).fill(10), () => resolve(true));
  });
  let text = "";
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (data) => {
      text += String(data);
      resolve();
    });
  });
  const status = (await sent) ? answered.then(() => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])) : null;
  return Promise.resolve(status).finally(() => socket.destroy());
}

test("a client that writes the whole of an upload that is refused before it reads has its answer", async () => {
  const paths = ["/sql/tables/nope/import", "/sql/tables/numbers/import?format=zzz", "/files/temp?zzz=1"];
  const statuses = await Promise.all(paths.map((path) => statusAfterAll(path, 20_000_000)));
  assert.equal(statuses, [404, 400, 400]);
});

test("rows: an error before anything is stored is an answer with its status, while the rest is still to come", async () => {
  const held = upload("/sql/tables/numbers/import", "text/csv");
  held.send("nmae\nx\n");
  await eventually("the answer has come", () => held.output().includes('"invalid_input"'));
  assert.match(held.output(), /^HTTP\/1\.1 400 [\s\S]*content-type: application\/json/im);
  held.child.stdin!.end();
  await held.ended;
});

test("a caller who leaves half way ends the import, which keeps what was told", async () => {
  const importsOver = () => server.output().split('"operation":"documents.importLines"').length - 1;
  const before = importsOver();
  const held = upload("/document-namespaces/left/import", "application/x-ndjson");
  held.send(lines(0, 300));
  await eventually("the first batch is told", () => events(held).length === 1);
  assert.is(importsOver(), before);
  held.child.kill("SIGKILL");
  await eventually("the import is over", () => importsOver() === before + 1);
  const kept = await fetch(`${server.url}/document/left?limit=1000`, { headers: AUTHORIZED });
  assert.is(((await kept.json()) as { documents: unknown[] }).documents.length, 200);
});

test("a server that stops serves an import that it has begun to tell of to its end", async () => {
  const held = upload("/document-namespaces/stopped/import", "application/x-ndjson");
  held.send(lines(0, 300));
  await eventually("the first batch is told", () => events(held).length === 1);
  const ended = stop();
  await eventually("it stops", () => server.output().includes('"event":"stopping"'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  held.child.stdin!.end(lines(300, 500));
  assert.is(await held.ended, 0);
  assert.equal(events(held).at(-1).stored, 500, held.output());
  assert.is((await ended).code, 0);
});

test.run();
