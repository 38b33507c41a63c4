/** Files through a real server of the runtime that runs this file: streamed in and out, whole, in parts and broken off. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bytesOf, patterned, streamed } from "../support/byte_streams.ts";
import { eventually } from "../support/eventually.ts";
import type { Bytes, PutFile } from "../support/file_client.ts";
import { sendRaw } from "../support/raw_http.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const TOKEN = "the-service-token";
const MOST = 20_000_000;
/** Bun sends whatever it is given as a stream in chunks, and drops its length (oven-sh/bun#10507). */
const LENGTHLESS = runtimeName === "bun";
const AUTHORIZED = { Authorization: `Bearer ${TOKEN}` };
const test = suite(`files on ${runtimeName}`);
let server: ServerProcess;
let directory: { path: string; remove(): Promise<void> };
let files: string;

test.before(async () => {
  directory = await temporaryDirectory();
  files = join(directory.path, "files");
  server = await startServerProcess({
    dataDir: join(directory.path, "data"),
    env: { DATASTORE_TOKEN: TOKEN, FILE_MAX_BYTES: String(MOST), FILE_TEMP_DIR: files, LOG_LEVEL: "warn" },
  });
});

test.after(async () => {
  await server.end("SIGTERM");
  await directory.remove();
});

function put(body: Bytes, query = "", headers: Record<string, string> = {}): Promise<Response> {
  const init = { method: "POST", body, headers: { ...AUTHORIZED, ...headers }, duplex: "half" };
  return fetch(`${server.url}/files/temp${query}`, init as RequestInit);
}

async function stored(body: Bytes, query = ""): Promise<PutFile> {
  const answer = await put(body, query);
  assert.is(answer.status, 201);
  return (await answer.json()) as PutFile;
}

/** Paths of all files on disk, the unfinished ones included. */
async function onDisk(): Promise<string[]> {
  const found = await readdir(files, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function ids(): Promise<string[]> {
  const answer = await fetch(`${server.url}/files/temp?limit=1000`, { headers: AUTHORIZED });
  return ((await answer.json()) as { files: PutFile[] }).files.map(({ id }) => id);
}

/** Runs a command, with `input` on its standard input. */
function run(command: string, args: string[], input?: Uint8Array): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

const sumOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const curl = (...args: string[]) => run("curl", ["-sS", "-H", `Authorization: Bearer ${TOKEN}`, ...args]);

test("a stream of unknown length comes back byte for byte, with its length and its sum", async () => {
  const size = 9_000_001;
  const file = await stored(streamed(size), "?name=%C3%BC.bin");
  assert.equal([file.size, file.name], [size, "ü.bin"]);
  const answer = await fetch(file.url);
  assert.is(answer.headers.get("content-length"), LENGTHLESS ? null : String(size));
  const bytes = (await bytesOf(answer.body))!;
  assert.is(sumOf(bytes), file.sha256);
  assert.is(sumOf(patterned(0, size)), file.sha256);
});

test("a GET whose own body never comes gets the file all the same", async () => {
  const { url, size } = await stored(patterned(0, 2_000_000));
  const { pathname, search } = new URL(url);
  const { text } = await sendRaw(
    server.url,
    `GET ${pathname}${search} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n`,
  );
  assert.match(text, /^HTTP\/1.1 200 /);
  assert.ok(text.length > size, `${text.length} bytes came`);
});

test("HEAD says the length, and sends nothing", async () => {
  const { url } = await stored("hello");
  const answer = await fetch(url, { method: "HEAD" });
  assert.equal([answer.status, answer.headers.get("content-length"), await answer.text()], [200, "5", ""]);
  assert.is((await fetch(url, { headers: { "If-None-Match": answer.headers.get("etag")! } })).status, 304);
});

test("parts of a file are sent as parts, and end where they were asked to", async () => {
  const { url } = await stored(patterned(0, 1_000_000));
  for (const [range, start, length] of [
    ["bytes=0-0", 0, 1],
    ["bytes=65535-131072", 65_535, 65_538],
    ["bytes=999999-", 999_999, 1],
    ["bytes=-500000", 500_000, 500_000],
  ] as const) {
    const answer = await fetch(url, { headers: { Range: range } });
    const said = answer.headers.get("content-length");
    assert.equal([answer.status, said], [206, LENGTHLESS && length > 65_536 ? null : String(length)], range);
    assert.is(sumOf((await bytesOf(answer.body))!), sumOf(patterned(start, length)), range);
  }
  const beyond = await fetch(url, { headers: { Range: "bytes=1000000-" } });
  assert.equal([beyond.status, beyond.headers.get("content-range")], [416, "bytes */1000000"]);
});

test("curl -T puts a file under its name and what a program prints, curl -OJ and curl -C - fetch it", async () => {
  const bytes = patterned(0, 3_000_000);
  const work = join(directory.path, "work");
  await mkdir(work);
  const [source, target] = [join(work, "a b.bin"), join(work, "half.bin")];
  await writeFile(source, bytes);
  const named = await curl("-T", source, `${server.url}/files/temp/`);
  const file = JSON.parse(named.output) as PutFile;
  assert.equal([file.name, file.size, file.sha256], ["a b.bin", bytes.length, sumOf(bytes)]);
  const piped = await run(
    "curl",
    ["-sS", "-H", `Authorization: Bearer ${TOKEN}`, "-T", "-", `${server.url}/files/temp/`],
    bytes,
  );
  assert.is((JSON.parse(piped.output) as PutFile).sha256, sumOf(bytes));
  await writeFile(target, bytes.subarray(0, 1_234_567));
  assert.is((await curl("-C", "-", "-o", target, file.url)).code, 0);
  assert.is((await run("cmp", [source, target])).code, 0);
});

test("a file that is too large is a 413 to fetch and to curl, with a length or without, and leaves nothing", async () => {
  const [disk, rows] = [(await onDisk()).length, (await ids()).length];
  const large = join(directory.path, "large.bin");
  await writeFile(large, new Uint8Array(MOST + 1));
  const known = await curl("-w", "%{http_code}", "-o", "/dev/null", "-T", large, `${server.url}/files/temp/`);
  assert.is(known.output, "413");
  const unknown = await run(
    "curl",
    [
      "-sS",
      "-w",
      "%{http_code}",
      "-o",
      "/dev/null",
      "-H",
      `Authorization: Bearer ${TOKEN}`,
      "-T",
      "-",
      `${server.url}/files/temp/`,
    ],
    new Uint8Array(MOST * 2),
  );
  assert.is(unknown.output, "413");
  assert.is((await put(streamed(MOST))).status, 201);
  assert.equal([(await onDisk()).length, (await ids()).length], [disk + 1, rows + 1]);
});

/** Sends a head and some of a body by hand, and cuts the connection. */
async function breakOff(head: string, body: Uint8Array): Promise<void> {
  const { port } = new URL(server.url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(`POST /files/temp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n${head}\r\n\r\n`);
  socket.write(body);
  // Until the server has begun to store it.
  await eventually("the upload has begun", async () => (await unfinished()).length > 0, 10_000);
  socket.destroy();
}

const unfinished = async () => (await onDisk()).filter((path) => path.includes("~tmp"));

test("an upload that breaks off leaves nothing, with a length or without", async () => {
  const [disk, rows] = [(await onDisk()).length, (await ids()).length];
  const piece = patterned(0, 300_000);
  const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);
  for (const [head, body] of [
    ["Content-Length: 1000000", piece],
    ["Transfer-Encoding: chunked", chunk],
  ] as const) {
    await breakOff(head, body);
    await eventually("nothing is left on disk", async () => (await onDisk()).length === disk, 10_000);
  }
  assert.is((await ids()).length, rows);
});

test("a reader who leaves in the middle does no harm", async () => {
  const file = await stored(patterned(0, 10_000_000));
  for (let round = 0; round < 5; round += 1) {
    const leaving = new AbortController();
    const reader = (await fetch(file.url, { signal: leaving.signal })).body!.getReader();
    await reader.read();
    leaving.abort();
  }
  const bytes = (await bytesOf((await fetch(file.url)).body))!;
  assert.is(sumOf(bytes), file.sha256);
});

test("an upload that nobody may make is refused before its body has come", async () => {
  const answer = await fetch(`${server.url}/files/temp`, {
    method: "POST",
    body: streamed(1_000_000),
    headers: { Authorization: "Bearer wrong" },
    duplex: "half",
  } as RequestInit);
  assert.is(answer.status, 401);
});

test("FILE_TEMP_DIR is where the bytes are, under no name that anybody gave", async () => {
  const { id } = await stored("hello", "?name=findme.txt");
  assert.ok((await onDisk()).length > 0);
  assert.not.ok((await onDisk()).some((path) => path.includes("findme") || path.includes(id)));
  const others = await readdir(join(directory.path, "data", "objects"), { recursive: true });
  assert.not.ok(others.some((path) => path.includes("f/")));
});

test("a damaged file ends early", async () => {
  const before = new Set(await onDisk());
  const { url } = await stored(patterned(0, 1_000_000));
  const [path] = (await onDisk()).filter((one) => !before.has(one));
  await writeFile(path!, patterned(1, 1_000_000));
  const { code, output } = await run("curl", ["-s", "-o", "/dev/null", "-w", "%{size_download}", url]);
  assert.is.not(code, 0);
  assert.ok(Number(output) < 1_000_000, output);
});

test.run();
