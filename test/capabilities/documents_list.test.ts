/** Lists of documents: pages, prefixes, and filters on declared fields. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encode } from "../../core/capabilities/documents/index_fields.ts";
import { writeCursor } from "../../core/kernel/page.ts";
import { byteOrder } from "../../core/ports/byte_order.ts";
import { type DocumentApp, openDocuments } from "../support/document_client.ts";

const test = suite("documents: list");

/** The keys of all pages. */
async function keys(app: DocumentApp, query = ""): Promise<string[]> {
  const found: string[] = [];
  for (let cursor = "", pages = 0; ; pages += 1) {
    assert.ok(pages < 100, "there is always another page");
    const { status, body } = await app.ask("GET", `/document/n?${query}${cursor}`);
    assert.is(status, 200, JSON.stringify(body));
    found.push(...body.documents.map(({ key }: { key: string }) => key));
    if (body.next_cursor === null) return found;
    cursor = `&cursor=${body.next_cursor}`;
  }
}

test("GET /document/:namespace lists newest versions by key, a page at a time, and null ends it", async () => {
  const app = openDocuments();
  assert.equal((await app.ask("GET", "/document/n")).body, { documents: [], next_cursor: null });
  for (const key of ["b", "a", "ä", "B", "a/1"]) await app.put(key, key);
  await app.put("a", "again");
  const { body } = await app.ask("GET", "/document/n?limit=2");
  assert.equal(
    body.documents.map(({ key, version, payload }: Record<string, unknown>) => [key, version, payload]),
    [
      ["B", 1, undefined],
      ["a", 2, undefined],
    ],
  );
  assert.equal(await keys(app, "limit=2"), ["B", "a", "a/1", "b", "ä"]);
  assert.equal(await keys(app, "limit=5"), ["B", "a", "a/1", "b", "ä"]);
  assert.equal(await keys(app, "prefix=a"), ["a", "a/1"]);
  const full = await app.ask("GET", "/document/n?payload=true&prefix=a&limit=1");
  assert.equal(full.body.documents[0].payload, "again");
  assert.is((await app.ask("GET", "/document/n?cursor=nonsense")).status, 400);
  assert.is((await app.ask("GET", "/document/n?limit=0")).status, 400);
});

test("pages with payloads end where there are 4 MiB of them", async () => {
  const app = openDocuments();
  for (const key of ["a", "b", "c", "d", "e", "f"]) await app.put(key, "x".repeat(1_000_000));
  const { body } = await app.ask("GET", "/document/n?payload=true");
  assert.is(body.documents.length, 5);
  assert.equal(await keys(app, "payload=true"), ["a", "b", "c", "d", "e", "f"]);
});

async function shop(): Promise<DocumentApp> {
  const app = openDocuments();
  await app.declare({ indexes: ["status", "age", "owner.name"] });
  const documents: [string, unknown][] = [
    ["1", { status: "open", age: 5, owner: { name: "ann" } }],
    ["2", { status: "open", age: 18, owner: { name: "anton" } }],
    ["3", { status: "on hold", age: -3, owner: { name: "bo" } }],
    ["4", { status: null, age: 18.5 }],
    ["5", { status: true, age: "18" }],
    ["6", { status: 'a"b,c', age: 1e15 }],
    ["7", ["no", "object"]],
    ["8", { status: { nested: 1 }, age: [] }],
  ];
  for (const [key, payload] of documents) await app.put(key, payload);
  return app;
}

test("filters on declared fields find by value and order, and all of them must hold", async () => {
  const app = await shop();
  const cases: [string, string[]][] = [
    ["status=eq.open", ["1", "2"]],
    ["where=status=eq.open", ["1", "2"]],
    ["where=status%3Deq.open&where=age%3Dgt.5", ["2"]],
    ["status=eq.null", ["4"]],
    ["status=eq.true", ["5"]],
    ['status=eq."on hold"', ["3"]],
    ["status=eq.on hold", ["3"]],
    ["status=in.(open,null)", ["4", "1", "2"]],
    ['status=in.("on hold","a\\"b,c")', ["6", "3"]],
    ["age=eq.18", ["2", "5"]],
    ['age=eq."18"', ["5"]],
    ["age=gte.18", ["2", "4", "6"]],
    ["age=gt.18", ["4", "6"]],
    ["age=lt.18", ["3", "1"]],
    ["age=lte.18", ["3", "1", "2"]],
    ["age=gt.-3&age=lt.18.5", ["1", "2"]],
    ['age=gte."1"', ["5"]],
    ["owner.name=like.an*", ["1", "2"]],
    ["owner.name=like.an*&status=eq.open&age=gt.5", ["2"]],
    ["status=eq.open&prefix=2", ["2"]],
    ["status=eq.nothing", []],
    ["age=gt.5&age=lt.5", []],
  ];
  for (const [query, expected] of cases) {
    assert.equal(await keys(app, query), expected, query);
    assert.equal(await keys(app, `limit=1&${query}`), expected, `${query}, one at a time`);
  }
});

test("filters follow what is put, patched and deleted", async () => {
  const app = await shop();
  await app.ask("PATCH", "/document/n/1", { status: "closed" });
  await app.ask("DELETE", "/document/n/2");
  assert.equal(await keys(app, "status=eq.open"), []);
  assert.equal(await keys(app, "status=eq.closed"), ["1"]);
});

test("a wrong filter is 400 and says what to send", async () => {
  const app = await shop();
  for (const query of [
    "status=open",
    "status=is.open",
    "status=",
    "colour=eq.red",
    "status=like.a*b",
    "status=like.*",
    "status=in.open",
    "status=in.(a",
    `status=eq.${"x".repeat(991)}`,
    Array(11).fill("status=eq.open").join("&"),
    `status=in.(${Array(101).fill("a").join(",")})`,
  ]) {
    const { status, body } = await app.ask("GET", `/document/n?${query}`);
    assert.is(status, 400, query);
    assert.match(body.error.message, /^Cannot list (the )?documents/);
  }
});

test("a long text is found by its beginning and by order, and never by eq", async () => {
  const app = openDocuments();
  await app.declare({ indexes: ["t"] });
  const beginning = "y".repeat(980);
  await app.put("long", { t: beginning + "z".repeat(5_000) });
  await app.put("emoji", { t: "😀".repeat(1_000) });
  assert.equal(await keys(app, "t=like.yyy*"), ["long"]);
  assert.equal(await keys(app, `t=gt.${beginning}`), ["long", "emoji"]);
  assert.equal(await keys(app, `t=eq.${beginning}`), []);
  assert.equal(await keys(app, `t=like.${encodeURIComponent("😀")}*`), ["emoji"]);
});

test("index entries sort as their values do", () => {
  const values = [
    null,
    false,
    true,
    -1e300,
    -5,
    -0.5,
    -5e-324,
    0,
    5e-324,
    0.1,
    1,
    2,
    10,
    1e15,
    "",
    "1",
    "a",
    "ab",
    "b",
    "ä",
    "😀",
  ];
  const encoded = values.map(encode);
  assert.equal([...encoded].sort(byteOrder), encoded);
  assert.is(encode(-0), encode(0));
});

test("a new index takes in what is stored, and filters wait until it is complete", async () => {
  const app = openDocuments();
  const many = 4_500;
  for (let from = 0; from < many; from += 500) {
    const lines = Array.from({ length: 500 }, (_, n) =>
      JSON.stringify({ key: String(from + n).padStart(5, "0"), payload: { kind: (from + n) % 2 ? "odd" : "even" } }),
    );
    assert.is((await app.raw("POST", "/document-namespaces/n/import", lines.join("\n"))).body.stored, 500);
  }
  const declared = await app.declare({ indexes: ["kind"] });
  assert.equal(declared.indexes, [{ field: "kind", ready: false }]);
  const early = await app.ask("GET", "/document/n?kind=eq.odd");
  assert.equal([early.status, early.body.error.code], [409, "conflict"]);
  app.app.start();
  await app.put("00001", { kind: "even" });
  await app.advance(5_000);
  assert.equal((await app.ask("GET", "/document-namespaces/n/schema")).body.indexes, [{ field: "kind", ready: true }]);
  const odd = await keys(app, "kind=eq.odd&limit=1000");
  assert.is(odd.length, many / 2 - 1);
  await app.stop();
});

test("an index that is declared while others put has every document", async () => {
  const app = openDocuments();
  const put = (n: number) => app.put(`k${n}`, { kind: "x" });
  const before = Array.from({ length: 30 }, (_, n) => put(n));
  const declared = app.declare({ indexes: ["kind"] });
  await Promise.all([...before, declared, ...Array.from({ length: 30 }, (_, n) => put(30 + n))]);
  assert.is((await keys(app, "kind=eq.x")).length, 60);
});

test("a cursor that no page gave is refused, wherever it is sent", async () => {
  const { ask } = await openDocuments();
  await ask("PUT", "/document/n/k", 1);
  for (const place of [1e300, 0, -1, 1.5, "2", null, {}, { value: 1, id: 2 }]) {
    const cursor = writeCursor(place);
    for (const path of ["/document/n/k/history", "/document/n"])
      assert.is((await ask("GET", `${path}?cursor=${cursor}`)).status, 400, `${path} ${JSON.stringify(place)}`);
  }
});

test.run();
