/** Putting documents: versions, conditions, patches, times, and values that are kept exactly or refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { merged } from "../../core/capabilities/documents/patch.ts";
import type { Json } from "../../core/ports/json.ts";
import { openDocuments } from "../support/document_client.ts";

const test = suite("documents: put");

test("POST /document appends a version and answers 201 with the record", async () => {
  const { ask } = openDocuments();
  const order = { namespace: "orders", key: "1042", payload: { status: "open" } };
  const first = await ask("POST", "/document", order);
  assert.is(first.status, 201);
  assert.equal(first.body, { ...order, version: 1, created_at: "2026-01-01T00:00:00.000Z" });
  const second = await ask("POST", "/document", { ...order, payload: ["any", 1, null] });
  assert.is(second.body.version, 2);
  assert.equal((await ask("GET", "/document/orders/1042")).body.payload, ["any", 1, null]);
});

test("any JSON value can be a payload", async () => {
  const { ask, put } = openDocuments();
  for (const payload of [null, false, 0, -1.5, "", "text", [], [[null]], {}, { "": { "a.b": 1 } }]) {
    await put("k", payload);
    assert.equal((await ask("GET", "/document/n/k")).body.payload, payload);
  }
});

test("PUT takes the whole body as payload, 201 when the document came to be and 200 after", async () => {
  const { raw, ask } = openDocuments();
  const first = await raw("PUT", "/document/n/k", '{"namespace":"mine"}');
  assert.is(first.status, 201);
  assert.equal(first.body.payload, { namespace: "mine" });
  const second = await raw("PUT", "/document/n/k", '"text"');
  assert.is(second.status, 200);
  assert.is((await ask("GET", "/document/n/k")).body.payload, "text");
  assert.is((await raw("PUT", "/document/n/k", "{")).body.error.code, "invalid_json");
  assert.is((await raw("PUT", "/document/n/k", "")).status, 400);
  await ask("DELETE", "/document/n/k");
  const again = await raw("PUT", "/document/n/k", "1");
  assert.equal([again.status, again.body.version], [201, 3]);
});

test("keys are any text without control characters; dots, slashes and emoji travel in the path", async () => {
  const { ask, put } = openDocuments();
  for (const key of ["a/b", "a b", "😀", "...", "%2F", "?&=#", "history", "x".repeat(512)]) {
    await put(key, key);
    const { status, body } = await ask("GET", `/document/n/${encodeURIComponent(key)}`);
    assert.equal([status, body.key, body.payload], [200, key, key]);
  }
  for (const key of ["", ".", "..", "a\nb", "x".repeat(513), "ä".repeat(257)]) {
    const { status, body } = await ask("POST", "/document", { namespace: "n", key, payload: 1 });
    assert.is(status, 400, key);
    assert.match(body.error.message, /key is /);
  }
  for (const namespace of ["", "a/b", "-a", "a b", "x".repeat(101), "ä"])
    assert.is((await ask("POST", "/document", { namespace, key: "k", payload: 1 })).status, 400, namespace);
});

test("if_version, If-Match and If-None-Match let a put through only where they hold, and 412 tells the current version", async () => {
  const { ask, put } = openDocuments();
  const first = await put("k", 1);
  const tag = first.headers.get("etag")!;
  const post = (headers: Record<string, string>, more = {}) =>
    ask("POST", "/document", { namespace: "n", key: "k", payload: 2, ...more }, headers);
  for (const refused of [
    await post({}, { if_version: 0 }),
    await post({}, { if_version: 7 }),
    await post({ "If-None-Match": "*" }),
    await post({ "If-Match": '"7"' }),
    await post({ "If-Match": '"1-other"' }),
  ]) {
    assert.is(refused.status, 412);
    assert.equal(refused.body.error.details, { current_version: 1 });
  }
  assert.is((await post({ "If-Match": tag })).body.version, 2);
  assert.is((await post({ "If-Match": tag })).status, 412);
  assert.is((await post({ "If-Match": `W/${tag}, W/"2"` })).status, 412, "a weak tag names no version of a write");
  assert.is((await post({ "If-Match": '"9-x", "2"' })).body.version, 3);
  assert.is((await post({ "If-Match": '"3"' })).body.version, 4);
  assert.is((await post({ "If-Match": "*" })).body.version, 5);
  assert.is((await post({}, { if_version: 5 })).body.version, 6);
  assert.is(
    (await ask("POST", "/document", { namespace: "n", key: "new", payload: 1 }, { "If-Match": "*" })).status,
    412,
  );
  const made = await ask("POST", "/document", { namespace: "n", key: "new", payload: 1 }, { "If-None-Match": "*" });
  assert.is(made.status, 201);
  assert.is((await post({ "If-Match": "1" })).status, 400);
  assert.is((await post({ "If-Match": "" })).status, 400, "a condition that got lost on its way");
  assert.is((await post({ "If-Match": tag }, { if_version: 1 })).status, 400);
});

test("of many puts with one condition at once exactly one is stored", async () => {
  const { ask, put } = openDocuments();
  await put("k", 0);
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      ask("POST", "/document", { namespace: "n", key: "k", payload: n, if_version: 1 }),
    ),
  );
  assert.equal(replies.map(({ status }) => status).sort(), [201, ...Array(19).fill(412)]);
});

test("an ETag never comes again, however long after a deletion the key is used anew", async () => {
  const { ask, put, advance, ports } = openDocuments();
  const tags = new Set<string | null>();
  for (let round = 0; round < 4; round += 1) {
    const { headers } = await put("k", round);
    assert.not.ok(tags.has(headers.get("etag")), headers.get("etag") ?? "");
    tags.add(headers.get("etag"));
    await ask("DELETE", "/document/n/k");
    if (round < 2) continue;
    await advance(40 * 86_400_000);
    await ports.database.documents.expire(1_000);
  }
  // Long forgotten, the key counts from 1 again; the tag still differs.
  const { body } = await put("k", "later");
  assert.is(body.version, 1);
});

test("GET answers 304 without a body to the tag of what is there, and 200 to any other", async () => {
  const { ask, put } = openDocuments();
  const tag = (await put("k", 1)).headers.get("etag")!;
  const known = await ask("GET", "/document/n/k", undefined, { "If-None-Match": `"7-x", ${tag}` });
  assert.equal([known.status, known.body, known.headers.get("etag")], [304, "", tag]);
  await put("k", 2);
  assert.is((await ask("GET", "/document/n/k", undefined, { "If-None-Match": tag })).status, 200);
  assert.is((await ask("GET", "/document/n/k?version=1", undefined, { "If-None-Match": tag })).status, 304);
});

test("DELETE takes all versions, tells the newest, and is 404 where there is nothing", async () => {
  const { ask, put } = openDocuments();
  for (const n of [1, 2, 3]) await put("k", n);
  assert.is((await ask("DELETE", "/document/n/k", undefined, { "If-Match": '"2"' })).status, 412);
  assert.is((await ask("DELETE", "/document/n/k?if_version=1")).body.error.details.current_version, 3);
  const { status, body } = await ask("DELETE", "/document/n/k");
  assert.equal([status, body], [200, { namespace: "n", key: "k", deleted: true, version: 3 }]);
  for (const path of ["/document/n/k", "/document/n/k?version=1", "/document/n/k/history"])
    assert.is((await ask("GET", path)).status, 404, path);
  assert.is((await ask("DELETE", "/document/n/k")).status, 404);
  assert.is((await put("k", 4)).body.version, 4);
});

test("PATCH merges by RFC 7396, as its appendix has it", async () => {
  const cases: [Json, Json, Json][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  const { raw, put } = openDocuments();
  for (const [index, [target, change, result]] of cases.entries()) {
    assert.equal(merged(target, change), result, JSON.stringify(change));
    await put(`k${index}`, target);
    const { status, body } = await raw("PATCH", `/document/n/k${index}`, JSON.stringify(change), {
      "Content-Type": "application/merge-patch+json",
    });
    assert.equal([status, body.payload, body.version], [200, result, 2], JSON.stringify(body));
  }
});

test("patches at once all take effect; with a condition only one does; of nothing it is 404", async () => {
  const { ask, put } = openDocuments();
  await put("k", {}, { ttl_seconds: 3_600 });
  const patches = Array.from({ length: 40 }, (_, n) => ask("PATCH", "/document/n/k", { [`m${n}`]: n }));
  for (const { status } of await Promise.all(patches)) assert.is(status, 200);
  const { body } = await ask("GET", "/document/n/k");
  assert.equal([Object.keys(body.payload).length, body.version], [40, 41]);
  assert.is(body.expires_at, "2026-01-01T01:00:00.000Z", "a patch leaves the time as it is");
  const conditional = Array.from({ length: 10 }, () => ask("PATCH", "/document/n/k?if_version=41", { x: 1 }));
  assert.equal((await Promise.all(conditional)).map(({ status }) => status).sort(), [200, ...Array(9).fill(412)]);
  assert.is((await ask("PATCH", "/document/n/missing", { x: 1 })).status, 404);
});

test("a document goes at its time with all its versions, and no sooner", async () => {
  const { ask, put, advance, ports } = openDocuments();
  await put("k", 1);
  const { body } = await put("k", 2, { ttl_seconds: 60 });
  assert.is(body.expires_at, "2026-01-01T00:01:00.000Z");
  await put("l", 1, { expires_at: "2026-01-01T00:02:00Z" });
  await advance(59_999);
  assert.is((await ask("GET", "/document/n/k")).status, 200);
  await advance(1);
  assert.is((await ask("GET", "/document/n/k")).status, 404);
  assert.is((await ask("GET", "/document/n/k/history")).status, 404);
  assert.equal(
    (await ask("GET", "/document/n")).body.documents.map(({ key }: { key: string }) => key),
    ["l"],
  );
  await ports.database.documents.expire(1_000);
  assert.is((await put("k", 3)).body.version, 3);
  for (const more of [
    { ttl_seconds: 60, expires_at: "2099-01-01T00:00:00Z" },
    { expires_at: "2025-01-01T00:00:00Z" },
    { ttl_seconds: 0 },
  ])
    assert.is((await ask("POST", "/document", { namespace: "n", key: "m", payload: 1, ...more })).status, 400);
});

test("no number is ever rounded: what a double does not hold is refused, all else comes back as it was", async () => {
  const { raw, ask } = openDocuments();
  for (const number of [
    "0.1",
    "-0.5e-7",
    "1e21".replace("21", "15"),
    "9007199254740991",
    "1.0",
    "5e-324",
    "0.30000000000000004",
    "1.7976931348623157e-300",
    "100e-2",
    "12345678.90",
  ]) {
    const { status } = await raw("PUT", "/document/n/k", `{"v":[${number}]}`);
    assert.ok(status < 300, number);
    assert.is((await ask("GET", "/document/n/k")).body.payload.v[0], Number(number), number);
  }
  for (const number of [
    "9007199254740993",
    "-9007199254740992",
    "12345678901234567890",
    "1e400",
    "-1e400",
    "1e-400",
    "0.1234567890123456789",
    "0.10000000000000001",
    "4503599627370497.3",
    "1e21",
    "123456789.123456789123",
  ]) {
    for (const reply of [
      await raw("PUT", "/document/n/k", `{"v":[${number}]}`),
      await raw("POST", "/document", `{"namespace":"n","key":"k","payload":${number}}`, {
        "Content-Type": "application/json",
      }),
      await raw("PATCH", "/document/n/k", `{"v":${number}}`),
    ]) {
      assert.is(reply.status, 400, number);
      assert.match(reply.body.error.message, /would be rounded; send it as a string/);
    }
    assert.ok(
      (await raw("PUT", "/document/n/text", `{"v":"${number}","\\"${number}":0}`)).status < 300,
      "digits in a text",
    );
  }
});

test("a payload of DOCUMENT_MAX_BYTES is taken, and one byte more is 413 on every way in", async () => {
  const { raw, ask, put } = openDocuments({ settings: { documentMaxBytes: 10_000 } });
  const text = "ä".repeat(4_999);
  assert.is((await raw("PUT", "/document/n/k", `"${text}"`)).status, 201);
  const larger = `${text}a`;
  assert.is((await raw("PUT", "/document/n/k", `"${larger}"`)).status, 413);
  assert.is((await ask("POST", "/document", { namespace: "n", key: "k", payload: larger })).status, 413);
  await put("o", { a: "x".repeat(9_000) });
  assert.is((await ask("PATCH", "/document/n/o", { b: "x".repeat(2_000) })).status, 413);
  const { body } = await raw("POST", "/document-namespaces/n/import", `{"key":"i","payload":"${larger}"}\n`);
  assert.equal([body.stored, body.failed], [0, 1]);
});

test.run();
