import { suite } from "uvu";
import * as assert from "uvu/assert";
import { patterned, streamed } from "../support/byte_streams.ts";
import { type FileApp, openFiles, type PutFile, parts, sha256 } from "../support/file_client.ts";
import { memoryPorts } from "../support/memory_house.ts";

const test = suite("files: put");

const NOTHING = { objects: [], files: [] };
const OURS = `f/${"0".repeat(32)}/`;

/** The error of an answer that must have this status. */
async function refusal(answer: Response, status: number) {
  const body = await answer.json();
  assert.is(answer.status, status, JSON.stringify(body));
  return (body as { error: { code: string; message: string; details?: Record<string, unknown> } }).error;
}

test("a file is put, and the answer says all about it", async () => {
  const { ask, ports } = openFiles();
  const query = "?name=a%20note.txt&ttl_seconds=60&max_downloads=3";
  const answer = await ask("POST", `/files/temp${query}`, { body: "hello", headers: { "Content-Type": "text/plain" } });
  assert.is(answer.status, 201);
  const { id, url, created_at, expires_at, ...rest } = (await answer.json()) as PutFile;
  assert.equal(rest, {
    name: "a note.txt",
    content_type: "text/plain",
    size: 5,
    sha256: await sha256("hello"),
    max_downloads: 3,
  });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.is(Date.parse(expires_at) - Date.parse(created_at), 60_000);
  assert.match(url, new RegExp(`^http://millrace.test/files/temp/${id}\\?secret=fil_[0-9A-Za-z]{49}$`));
  const file = await ports.database.files.get(id);
  assert.ok(file !== null);
  assert.match(file.objectKey, /^f\/0{32}\/\d{10}\/[0-9a-f]{32}$/);
  assert.is((await ports.objects.head(file.objectKey))?.size, 5);
  assert.is(file.owner, "service");
});

test("a file is kept for a day under a plain name and a neutral type when nobody says more", async () => {
  const { put } = openFiles();
  const { name, content_type, max_downloads, created_at, expires_at } = await put(new Uint8Array([1, 2]));
  assert.equal([name, content_type, max_downloads], ["file", "application/octet-stream", null]);
  assert.is(Date.parse(expires_at) - Date.parse(created_at), 86_400_000);
});

test("curl -T's request puts a file under the name in the path, and any PUT puts one", async () => {
  const { ask } = openFiles();
  const named = await ask("PUT", "/files/temp/%C3%BC%20%26%20x.tar.gz?ttl_seconds=5", { body: "x" });
  assert.equal([named.status, ((await named.json()) as PutFile).name], [201, "ü & x.tar.gz"]);
  for (const path of ["/files/temp", "/files/temp/"]) {
    const unnamed = await ask("PUT", path, { body: "x" });
    assert.equal([unnamed.status, ((await unnamed.json()) as PutFile).name], [201, "file"]);
  }
});

test("a body of unknown length is stored as it comes, of whatever type it says it is", async () => {
  const { ask, put, ports } = openFiles();
  const bytes = patterned(0, 3_000_001);
  const file = await put(streamed(bytes.length), "", { "Content-Type": "application/json" });
  assert.equal([file.size, file.sha256], [bytes.length, await sha256(bytes)]);
  const empty = await ask("POST", "/files/temp");
  assert.equal([empty.status, ((await empty.json()) as PutFile).size], [201, 0]);
  assert.is((await ports.objects.list(OURS, "", 10)).length, 2);
});

test("the file's type is kept where no browser runs it, without parameters, and neutral otherwise", async () => {
  const { put } = openFiles();
  const kept = async (type: string) => (await put("x", "", { "Content-Type": type })).content_type;
  for (const type of ["image/png", "video/mp4", "audio/ogg", "text/csv", "application/pdf", "application/zip"])
    assert.is(await kept(type), type);
  assert.is(await kept("TEXT/plain; charset=utf-8"), "text/plain");
  for (const type of [
    "text/html",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/javascript",
    "text/xml",
    "x",
    "text/",
  ])
    assert.is(await kept(type), "application/octet-stream", type);
});

test("names that are paths, hold control characters or are too long are refused, and nothing is stored", async () => {
  const { ask, held } = openFiles();
  const wrong = ["../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "a\\b", "a\0", "a\r\nX: y", "a\u007f", "", " "];
  for (const name of [...wrong, "ü".repeat(128), "x".repeat(256)]) {
    const error = await refusal(await ask("POST", `/files/temp?name=${encodeURIComponent(name)}`, { body: "x" }), 400);
    assert.is(error.code, "invalid_input", JSON.stringify(name));
  }
  assert.is((await ask("PUT", "/files/temp/..%2f..%2fetc%2fpasswd", { body: "x" })).status, 400);
  assert.equal(await held(), NOTHING);
});

test("names of any other characters are kept as they are", async () => {
  const { put } = openFiles();
  for (const name of [
    "漢字 😀.txt",
    "'; DROP TABLE files; --",
    'a"b',
    "..a",
    "ü".repeat(127),
    "%2e%2e",
    "con",
    "a;b=c",
  ])
    assert.is((await put("x", `?name=${encodeURIComponent(name)}`)).name, name);
});

test("a file that is said to be too large is refused before a byte of it is read", async () => {
  const { ask, held } = openFiles({ settings: { fileMaxBytes: 1_000 } });
  const { stream, pulled } = parts(["x"]);
  const error = await refusal(
    await ask("POST", "/files/temp", { body: stream, headers: { "Content-Length": "1001" } }),
    413,
  );
  assert.equal([error.code, error.details], ["too_large", { limit_bytes: 1_000 }]);
  assert.is(pulled(), 0);
  assert.equal(await held(), NOTHING);
});

test("a file that grows too large is refused while it comes in, and nothing of it stays", async () => {
  const { ask, held, put } = openFiles({ settings: { fileMaxBytes: 1_000 } });
  const { stream, pulled } = parts(Array.from({ length: 1_000 }, () => "x".repeat(100)));
  const answer = await ask("POST", "/files/temp", { body: stream });
  assert.is(answer.headers.get("connection"), "close");
  assert.equal((await refusal(answer, 413)).details, { limit_bytes: 1_000 });
  assert.ok(pulled() <= 12, `${pulled()} parts were read`);
  assert.equal(await held(), NOTHING);
  assert.is((await put(new Uint8Array(1_000))).size, 1_000);
});

test("all files of a token together have at most the quota; what is deleted makes room", async () => {
  const server = openFiles({ settings: { fileQuotaBytes: 1_000 } });
  const { ask, put, held, token } = server;
  const first = await put(new Uint8Array(600));
  const { stream, pulled } = parts(Array.from({ length: 100 }, () => new Uint8Array(100)));
  const error = await refusal(await ask("POST", "/files/temp", { body: stream }), 413);
  assert.equal([error.code, error.details], ["too_large", { quota_bytes: 1_000, used_bytes: 600 }]);
  assert.ok(pulled() <= 6, `${pulled()} parts were read`);
  await put(new Uint8Array(400));
  const none = parts(["x"]);
  await refusal(await ask("POST", "/files/temp", { body: none.stream }), 413);
  assert.is(none.pulled(), 0);
  const other = await token("files:write");
  assert.is((await ask("POST", "/files/temp", { body: new Uint8Array(1_000), token: other })).status, 201);
  assert.is((await ask("DELETE", first.url, { token: null })).status, 200);
  await put(new Uint8Array(600));
  assert.is((await held()).files.length, 3);
});

test("of files that come in at once no more are kept than the quota has room for, and no object of the others", async () => {
  const { ask, held } = openFiles({ settings: { fileQuotaBytes: 1_000 } });
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => ask("POST", "/files/temp", { body: parts([new Uint8Array(400), "x"]).stream })),
  );
  assert.equal(answers.map(({ status }) => status).sort(), [201, 201, 413, 413, 413]);
  const { objects, files } = await held();
  assert.equal([objects.length, files.length], [2, 2]);
});

test("an upload that breaks off leaves nothing", async () => {
  const { ask, held } = openFiles();
  const { stream } = parts([patterned(0, 200_000), "more"], "fail");
  assert.is((await refusal(await ask("POST", "/files/temp", { body: stream }), 400)).code, "invalid_input");
  assert.equal(await held(), NOTHING);
});

test("an upload whose sender has gone when all of it was there leaves nothing", async () => {
  const ports = memoryPorts();
  const gone = new AbortController();
  const { put } = ports.objects;
  ports.objects = {
    ...ports.objects,
    async put(key, body) {
      const info = await put(key, body);
      gone.abort();
      return info;
    },
  };
  const { ask, held } = openFiles({ ports });
  await ask("POST", "/files/temp", { body: parts(["x"]).stream, signal: gone.signal }).catch(() => undefined);
  assert.equal(await held(), NOTHING);
});

test("an upload from which nothing comes for 30 s is given up and leaves nothing", async () => {
  const server = openFiles();
  const { stream, pulled } = parts(["x"], "silence");
  const answering = server.ask("POST", "/files/temp", { body: stream });
  while (pulled() < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await server.advance(29_000);
  assert.is(await Promise.race([answering, Promise.resolve("waiting")]), "waiting");
  await server.advance(31_000);
  assert.is((await refusal(await answering, 504)).code, "timeout");
  assert.equal(await server.held(), NOTHING);
});

test("with X-Content-SHA256 only these bytes are stored", async () => {
  const { ask, held } = openFiles();
  const good = { "X-Content-SHA256": await sha256("hello") };
  const error = await refusal(await ask("POST", "/files/temp", { body: "hallo", headers: good }), 400);
  assert.equal(
    [error.code, error.details],
    ["invalid_input", { field: "content_sha256", sha256: await sha256("hallo") }],
  );
  assert.equal(await held(), NOTHING);
  await refusal(await ask("POST", "/files/temp", { body: "hello", headers: { "X-Content-SHA256": "abc" } }), 400);
  assert.is((await ask("POST", "/files/temp", { body: "hello", headers: good })).status, 201);
});

test("the row comes after the object: whoever finds the file finds its bytes", async () => {
  const ports = memoryPorts();
  const seen: number[] = [];
  const { put } = ports.objects;
  ports.objects = {
    ...ports.objects,
    async put(key, body) {
      const info = await put(key, body);
      seen.push((await ports.database.files.list(null, null, 10)).length);
      return info;
    },
  };
  await openFiles({ ports }).put("x");
  assert.equal(seen, [0]);
});

test("a store that fails leaves no file, and the object of a row that may have been stored", async () => {
  const failing = async () => {
    throw new Error("the store is on fire");
  };
  const noObjects = memoryPorts();
  noObjects.objects = { ...noObjects.objects, put: failing };
  const first = openFiles({ ports: noObjects });
  assert.is((await first.ask("POST", "/files/temp", { body: "x" })).status, 500);
  assert.equal(await first.held(), NOTHING);
  const noRows = memoryPorts();
  const { files } = noRows.database;
  noRows.database = { ...noRows.database, files: { ...files, add: failing } };
  const second = openFiles({ ports: noRows });
  assert.is((await second.ask("POST", "/files/temp", { body: "x" })).status, 500);
  assert.is((await second.held()).objects.length, 1);
});

test("a body in an encoding, and fields that nobody knows or that are out of their limits, are refused", async () => {
  const { ask, held } = openFiles();
  for (const headers of [{ "Content-Encoding": "gzip" }])
    await refusal(await ask("POST", "/files/temp", { body: "x", headers }), 400);
  for (const query of [
    "ttl_seconds=0",
    "ttl_seconds=2592001",
    "ttl_seconds=a",
    "max_downloads=0",
    "size=1",
    "name=a&name=b",
  ])
    assert.is(
      (await refusal(await ask("POST", `/files/temp?${query}`, { body: "x" }), 400)).code,
      "invalid_input",
      query,
    );
  assert.equal(await held(), NOTHING);
});

test("without a token, with a wrong one or one that may only read, nothing is read", async () => {
  const server = openFiles();
  const cases: [string | null, number][] = [
    [null, 401],
    ["wrong", 401],
    [await server.token("files:read", "documents:write"), 403],
  ];
  for (const [token, status] of cases) {
    for (const [method, path] of [
      ["POST", "/files/temp"],
      ["PUT", "/files/temp/a"],
    ] as const) {
      const { stream, pulled } = parts(["x"]);
      await refusal(await server.ask(method, path, { body: stream, token }), status);
      assert.is(pulled(), 0);
    }
  }
  assert.equal(await server.held(), NOTHING);
});

test("while no service token is configured every route of the mode is closed, its secrets too", async () => {
  const { put, ports } = openFiles();
  const { url, id } = await put("x");
  const closed = openFiles({ ports, settings: { datastoreToken: null } });
  const { stream, pulled } = parts(["x"]);
  await refusal(await closed.ask("POST", "/files/temp", { body: stream }), 503);
  assert.is(pulled(), 0);
  for (const [method, path] of [
    ["GET", "/files/temp"],
    ["GET", url],
    ["DELETE", url],
    ["DELETE", `/files/temp/${id}`],
  ] as const)
    assert.is((await refusal(await closed.ask(method, path), 503)).code, "not_configured");
});

test("secrets are stored as keyed hashes and are in no log", async () => {
  const server: FileApp = openFiles();
  const { url, id } = await server.put("x");
  const secret = new URL(url).searchParams.get("secret")!;
  await server.ask("GET", url, { token: null });
  await server.ask("GET", `/files/temp/${id}?secret=${secret}&x=${secret}`, { token: null });
  const file = await server.ports.database.files.get(id);
  assert.match(file!.secretHash, /^[0-9a-f]{64}$/);
  assert.is.not(file!.secretHash, await sha256(secret));
  assert.not.match(JSON.stringify(file), secret);
  assert.not.match(JSON.stringify(server.ports.log.lines), secret);
});

test.run();
