import { suite } from "uvu";
import * as assert from "uvu/assert";
import { patterned } from "../support/byte_streams.ts";
import { openFiles, SERVICE, sha256 } from "../support/file_client.ts";
import { memoryPorts } from "../support/memory_house.ts";

const test = suite("files: download");

const HOUR = 3_600_000;

async function refusal(answer: Response, status: number) {
  const body = await answer.json();
  assert.is(answer.status, status, JSON.stringify(body));
  return (body as { error: { code: string; message: string; details?: Record<string, unknown> } }).error;
}

const bytesOf = async (answer: Response) => new Uint8Array(await answer.arrayBuffer());
const etagOf = async (bytes: string) => `"${await sha256(bytes)}"`;

test("whoever has the URL downloads the file, as an attachment that runs nothing", async () => {
  const { ask, put } = openFiles();
  const file = await put("hello", "?name=a%20note.txt", { "Content-Type": "text/plain" });
  const answer = await ask("GET", file.url, { token: null });
  assert.is(answer.status, 200);
  const { "x-request-id": _, "last-modified": modified, sunset, ...headers } = Object.fromEntries(answer.headers);
  assert.equal(headers, {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-disposition": 'attachment; filename="a note.txt"',
    "content-length": "5",
    "content-security-policy": "sandbox; default-src 'none'",
    "content-type": "text/plain",
    "cross-origin-resource-policy": "same-origin",
    etag: `"${file.sha256}"`,
    "referrer-policy": "no-referrer",
    "repr-digest": "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
    "x-content-sha256": file.sha256,
    "x-content-type-options": "nosniff",
    ...(headers.vary === undefined ? {} : { vary: headers.vary }),
  });
  assert.is(Date.parse(sunset!), Math.floor(Date.parse(file.expires_at) / 1_000) * 1_000);
  assert.is(Date.parse(modified!), Math.floor(Date.parse(file.created_at) / 1_000) * 1_000);
  assert.is(await answer.text(), "hello");
});

test("any name comes back as it was, to those who read RFC 8187 and in ASCII to the others", async () => {
  const { ask, put } = openFiles();
  const names: [string, string][] = [
    ["plain.txt", 'attachment; filename="plain.txt"'],
    ["ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"],
    ["漢字 😀", "attachment; filename=\"__ _\"; filename*=UTF-8''%E6%BC%A2%E5%AD%97%20%F0%9F%98%80"],
    ['a"b', "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"],
    ["%41.txt", "attachment; filename=\"_41.txt\"; filename*=UTF-8''%2541.txt"],
    ["it's (1)*;a=b!~", 'attachment; filename="it\'s (1)*;a=b!~"'],
    ["é'(*)", "attachment; filename=\"_'(*)\"; filename*=UTF-8''%C3%A9%27%28%2A%29"],
  ];
  for (const [name, header] of names) {
    const { url } = await put("x", `?name=${encodeURIComponent(name)}`);
    assert.is((await ask("GET", url, { token: null })).headers.get("content-disposition"), header);
  }
});

const SIZE = 300_000;
const ranges: [range: string, start: number, end: number][] = [
  ["bytes=0-0", 0, 0],
  ["bytes=0-99", 0, 99],
  ["bytes=100-199999", 100, 199_999],
  ["bytes=299999-", 299_999, 299_999],
  ["bytes=5-", 5, 299_999],
  ["bytes=-1", 299_999, 299_999],
  ["bytes=-300000", 0, 299_999],
  ["bytes=-999999", 0, 299_999],
  ["bytes=299990-999999", 299_990, 299_999],
  ["Bytes= 7-8 ", 7, 8],
];

test("one range of the file is sent as a 206", async () => {
  const { ask, put } = openFiles();
  const { url } = await put(patterned(0, SIZE));
  for (const [range, start, end] of ranges) {
    const answer = await ask("GET", url, { headers: { Range: range }, token: null });
    assert.is(answer.status, 206, range);
    assert.is(answer.headers.get("content-range"), `bytes ${start}-${end}/${SIZE}`);
    assert.is(answer.headers.get("content-length"), String(end - start + 1));
    assert.equal(await bytesOf(answer), patterned(start, end - start + 1), range);
  }
});

test("a range that begins after the end is a 416 that says the size", async () => {
  const { ask, put } = openFiles();
  const { url } = await put(patterned(0, SIZE));
  for (const range of ["bytes=300000-", "bytes=300000-300001", "bytes=-0", "bytes=99999999999999999999-"]) {
    const answer = await ask("GET", url, { headers: { Range: range }, token: null });
    assert.is(answer.headers.get("content-range"), `bytes */${SIZE}`, range);
    assert.is((await refusal(answer, 416)).code, "range_not_satisfiable");
  }
  const { url: empty } = await put("");
  assert.is((await ask("GET", empty, { headers: { Range: "bytes=0-" }, token: null })).status, 416);
  assert.is((await ask("GET", empty, { token: null })).headers.get("content-length"), "0");
});

test("several ranges, other units and what is no range are ignored: all of the file is sent", async () => {
  const { ask, put } = openFiles();
  const { url } = await put("hello");
  for (const range of [
    "bytes=0-1,3-4",
    "bytes=3-1",
    "bytes=",
    "bytes=-",
    "lines=0-1",
    "bytes=a-b",
    "bytes 0-1",
    "0-1",
  ]) {
    const answer = await ask("GET", url, { headers: { Range: range }, token: null });
    assert.equal([answer.status, await answer.text()], [200, "hello"], range);
  }
});

test("If-Range gives the range only of the very same bytes", async () => {
  const { ask, put } = openFiles();
  const { url } = await put("hello");
  const etag = await etagOf("hello");
  const modified = (await ask("HEAD", url)).headers.get("last-modified")!;
  const status = async (condition: string) =>
    (await ask("GET", url, { headers: { Range: "bytes=1-2", "If-Range": condition }, token: null })).status;
  assert.equal([await status(etag), await status(modified)], [206, 206]);
  assert.equal(
    [await status(`W/${etag}`), await status('"x"'), await status(new Date(0).toUTCString())],
    [200, 200, 200],
  );
});

test("If-None-Match answers 304 without a body to who has the bytes", async () => {
  const { ask, put, ports } = openFiles();
  const { url, id } = await put("hello");
  const etag = await etagOf("hello");
  for (const held of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    const answer = await ask("GET", url, { headers: { "If-None-Match": held }, token: null });
    assert.equal([answer.status, answer.headers.get("etag"), await answer.text()], [304, etag, ""], held);
  }
  assert.is((await ask("GET", url, { headers: { "If-None-Match": '"x"' }, token: null })).status, 200);
  assert.is((await ports.database.files.get(id))?.downloads, 1);
});

test("HEAD says all that GET does, of the whole file, and counts nothing", async () => {
  const { ask, put, ports } = openFiles();
  const { url, id } = await put(patterned(0, SIZE), "?max_downloads=1");
  for (const headers of [{}, { Range: "bytes=0-1" }]) {
    const head = await ask("HEAD", url, { headers, token: null });
    assert.equal([head.status, head.headers.get("content-length"), await head.text()], [200, String(SIZE), ""]);
    assert.is(head.headers.get("content-range"), null);
  }
  assert.is((await ports.database.files.get(id))?.downloads, 0);
  assert.is((await ask("GET", url, { token: null })).status, 200);
});

test("a file may be downloaded as often as it was said, whole each time, and is gone then", async () => {
  const { ask, put } = openFiles();
  const { url } = await put("hello", "?max_downloads=2");
  const part = await ask("GET", url, { headers: { Range: "bytes=1-2" }, token: null });
  assert.equal([part.status, await part.text(), part.headers.get("accept-ranges")], [200, "hello", "none"]);
  assert.is(part.headers.get("cache-control"), "no-store");
  assert.is((await ask("GET", url, { token: null })).status, 200);
  for (const method of ["GET", "HEAD"]) assert.is((await ask(method, url, { token: null })).status, 410);
  assert.is((await refusal(await ask("GET", url, { token: null }), 410)).code, "gone");
});

test("of downloads at once no more are served than the file was meant for", async () => {
  const { ask, put } = openFiles();
  const { url } = await put("hello", "?max_downloads=3");
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask("GET", url, { token: null })));
  assert.is(answers.filter(({ status }) => status === 200).length, 3);
  assert.is(answers.filter(({ status }) => status === 410).length, 17);
});

test("downloads are counted by their first byte", async () => {
  const { ask, put } = openFiles();
  const { url, id } = await put("hello");
  for (const range of ["bytes=0-1", "bytes=2-", "bytes=-1", "bytes=-5"])
    await (await ask("GET", url, { headers: { Range: range }, token: null })).text();
  await (await ask("GET", url, { token: null })).text();
  const { files } = (await (await ask("GET", "/files/temp")).json()) as { files: { id: string; downloads: number }[] };
  assert.equal(
    files.map((file) => [file.id, file.downloads]),
    [[id, 3]],
  );
});

test("a file that is downloaded for the last time stays for those who are still receiving it", async () => {
  const server = openFiles();
  server.app.start();
  const { url, id } = await server.put(patterned(0, SIZE), "?max_downloads=1");
  const reader = (await server.ask("GET", url, { token: null })).body!.getReader();
  let got = (await reader.read()).value!.length;
  await server.advance(50 * 60_000);
  for (let read = await reader.read(); !read.done; read = await reader.read()) got += read.value.length;
  assert.is(got, SIZE);
  await server.advance(HOUR);
  assert.is(await server.ports.database.files.get(id), null);
  assert.equal((await server.held()).objects, []);
  await server.stop();
});

test("a wrong secret, a missing file and an expired one look alike", async () => {
  const { ask, put, advance } = openFiles();
  const { id, url } = await put("hello", "?ttl_seconds=60");
  const other = new URL((await put("other")).url).searchParams.get("secret")!;
  const seen = async (method: string, path: string) => {
    const answer = await ask(method, path, { token: null });
    const { request_id: _, ...error } = ((await answer.json()) as { error: Record<string, unknown> }).error;
    const { "x-request-id": __, ...headers } = Object.fromEntries(answer.headers);
    return JSON.stringify({ status: answer.status, error, headers }).replaceAll(/[0-9a-f-]{36}/g, "ID");
  };
  const nowhere = id.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
  for (const method of ["GET", "DELETE"]) {
    const missing = await seen(method, `/files/temp/${nowhere}?secret=${other}`);
    assert.match(missing, '"status":404');
    for (const secret of [other, "wrong", `fil_${"0".repeat(49)}`, ""])
      assert.is(await seen(method, `/files/temp/${id}?secret=${secret}`), missing, secret);
  }
  assert.is((await ask("HEAD", `/files/temp/${id}?secret=wrong`, { token: null })).status, 404);
  await advance(60_000);
  assert.is(await seen("GET", url), await seen("GET", `/files/temp/${nowhere}?secret=${other}`));
});

test("the secret travels in the query or as a header; a wrong one is not helped by a right token", async () => {
  const { ask, put } = openFiles();
  const { id, url } = await put("hello");
  const secret = new URL(url).searchParams.get("secret")!;
  const status = async (path: string, headers: Record<string, string>, token: string | null) =>
    (await ask("GET", path, { headers, token })).status;
  assert.is(await status(`/files/temp/${id}`, { "X-File-Secret": secret }, null), 200);
  assert.is(await status(`/files/temp/${id}`, { "X-File-Secret": "wrong" }, SERVICE), 404);
  assert.is(await status(`/files/temp/${id}`, {}, SERVICE), 200);
  assert.is(await status(`/files/temp/${id}`, {}, null), 401);
  assert.is(await status(`/files/temp/${id}?secret=${secret}`, { "X-File-Secret": secret }, null), 400);
});

test("a token with files:read downloads and does not delete, one with files:write the other way round", async () => {
  const { ask, put, token } = openFiles();
  const { id } = await put("hello");
  const [read, write] = [await token("files:read"), await token("files:write")];
  const status = async (method: string, one: string) => (await ask(method, `/files/temp/${id}`, { token: one })).status;
  assert.equal([await status("GET", read), await status("DELETE", read)], [200, 403]);
  assert.equal([await status("GET", write), await status("DELETE", write)], [403, 200]);
  assert.is(await status("GET", read), 404);
});

test("damaged bytes never pass for the file: the answer breaks off before its end, and the log says why", async () => {
  for (const [bytes, why] of [
    [patterned(1, SIZE), "its sum is another"],
    [patterned(0, SIZE - 1), "it has only 299999 of 300000 bytes"],
    [patterned(0, SIZE + 1), "300001"],
  ] as const) {
    const { ask, put, ports } = openFiles();
    const { url, id } = await put(patterned(0, SIZE));
    const file = await ports.database.files.get(id);
    await ports.objects.put(file!.objectKey, bytes);
    let got = 0;
    const failed = await (async () => {
      for await (const chunk of (await ask("GET", url, { token: null })).body!) got += chunk.length;
    })().then(
      () => null,
      (error: unknown) => error,
    );
    assert.ok(failed, `${why}: the answer ended as if it were whole`);
    assert.ok(got < SIZE, `${why}: all ${got} bytes were sent`);
    assert.match(JSON.stringify(ports.log.lines.filter(({ event }) => event === "file_damaged")), why);
  }
});

test("a file whose bytes are gone says so, and uses up no download", async () => {
  const { ask, put, ports } = openFiles();
  const { url, id } = await put("hello", "?max_downloads=1");
  await ports.objects.remove((await ports.database.files.get(id))!.objectKey);
  assert.is((await refusal(await ask("GET", url, { token: null }), 410)).code, "gone");
  assert.is((await ports.database.files.get(id))?.downloads, 0);
});

test("a store that cannot be read uses up no download", async () => {
  const ports = memoryPorts();
  const { get } = ports.objects;
  let broken = true;
  ports.objects = {
    ...ports.objects,
    get: (key, range) => (broken ? Promise.reject(new Error("down")) : get(key, range)),
  };
  const { ask, put } = openFiles({ ports });
  const { url } = await put("hello", "?max_downloads=1");
  assert.is((await ask("GET", url, { token: null })).status, 500);
  broken = false;
  assert.is((await ask("GET", url, { token: null })).status, 200);
});

test("a reader who leaves lets go of the object", async () => {
  const ports = memoryPorts();
  let released = 0;
  const { get } = ports.objects;
  ports.objects = {
    ...ports.objects,
    async get(key, range) {
      const reader = (await get(key, range))!.getReader();
      return new ReadableStream<Uint8Array>({
        async pull(controller) {
          controller.enqueue((await reader.read()).value!);
        },
        cancel() {
          released += 1;
        },
      });
    },
  };
  const { ask, put } = openFiles({ ports });
  const { url } = await put(patterned(0, SIZE));
  const reader = (await ask("GET", url, { token: null })).body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.is(released, 1);
});

test.run();
