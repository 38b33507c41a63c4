/** CSV and NDJSON, in and out: as RFC 4180 has it, streamed, and coming back as it went. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CsvRecord, csvLine, csvReader } from "../../core/capabilities/tables/csv.ts";
import { eventually } from "../support/eventually.ts";
import { openTables, TOKEN } from "../support/tables_app.ts";

const LIMITS = { recordMost: 1_000, fieldsMost: 20 };

/** Records of a text that comes in pieces of so many characters. */
function read(text: string, piece = text.length || 1): (CsvRecord | string)[] {
  const reader = csvReader(LIMITS);
  const records: CsvRecord[] = [];
  for (let at = 0; at < text.length; at += piece) {
    const trouble = reader.push(text.slice(at, at + piece), records);
    if (trouble !== null) return [...records, `${trouble.line}: ${trouble.words}`];
  }
  const trouble = reader.end(records);
  return trouble === null ? records : [...records, `${trouble.line}: ${trouble.words}`];
}

const csv = suite("CSV");

csv("records and fields are those of RFC 4180, however the text is cut into pieces", () => {
  const cases: [string, CsvRecord[]][] = [
    ["a,b\r\n1,2\r\n", [line(1, "a", "b"), line(2, "1", "2")]],
    ["a\n\nb", [line(1, "a"), line(2, null), line(3, "b")]],
    ['"a ""x"", b",\r\n,""', [line(1, 'a "x", b', null), line(2, null, "")]],
    ['"1\r\n2\n3",x\ry', [line(1, "1\r\n2\n3", "x"), line(4, "y")]],
    ["", []],
    [" a , b ", [line(1, " a ", " b ")]],
  ];
  for (const [text, records] of cases)
    for (const piece of [1, 2, 3, 100]) assert.equal(read(text, piece), records, `${JSON.stringify(text)} by ${piece}`);
});

csv("what is no CSV is told with its line", () => {
  assert.match(read('a\nb"c').at(-1) as string, /^2: has a " inside a field/);
  assert.match(read('a\n"b"c').at(-1) as string, /^2: has text after a closing "/);
  assert.match(read('a\n"b\n\n').at(-1) as string, /^2: opens a quote that nothing closes/);
  assert.match(read(`a\n${"x".repeat(1_001)}`).at(-1) as string, /^2: is longer than 1000/);
  assert.match(read(`"${"x".repeat(1_001)}`, 10).at(-1) as string, /^1: is longer than 1000/);
  assert.match(read(",".repeat(30)).at(-1) as string, /more than 20 fields/);
});

csv("whatever is written is read again, in any pieces", () => {
  const field = fc.option(
    fc.string({ unit: fc.constantFrom("a", ",", '"', "\r", "\n", " ", "\u{1F600}"), maxLength: 6 }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 5 }),
      fc.nat(5),
      (rows, piece) => {
        const records = read(rows.map(csvLine).join(""), piece + 1) as CsvRecord[];
        assert.equal(
          records.map(({ fields }) => fields),
          rows,
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

function line(number: number, ...fields: (string | null)[]): CsvRecord {
  return { line: number, fields };
}

csv.run();

const test = suite("import and export");
const IMPORT = "/sql/tables/people/import";
const ROWS = "/sql/tables/people/rows";

const people = [
  { name: 'A "quoted", name', email: "", age: -1, pay: "-12.50", data: { a: [1, "x,y"] } },
  { name: "=1+1", email: null, age: null, pay: "0.10", data: "text" },
  { name: "two\r\nlines", email: " x ", age: 7, pay: "0.00", data: null },
];

test("what is exported is imported again as it was, as CSV and as NDJSON", async () => {
  for (const [ending, type] of [
    ["csv", "text/csv; charset=utf-8; header=present"],
    ["ndjson", "application/x-ndjson; charset=utf-8"],
  ] as const) {
    const from = await openTables();
    await from.call("POST", ROWS, people);
    const exported = await from.call("GET", `${ROWS}.${ending}`);
    assert.is(exported.headers.get("content-type"), type);
    assert.is(exported.headers.get("content-disposition"), `attachment; filename="people.${ending}"`);
    const to = await openTables();
    const reply = await to.upload(IMPORT, exported.body, type);
    assert.is(reply.status, 201, JSON.stringify(reply.body));
    assert.equal(reply.body, { rows_done: 3, rows_written: 3 });
    assert.equal(await to.rows(), await from.rows());
  }
});

test("a number that would be rounded is refused in CSV as in NDJSON, with its line, and nothing is stored", async () => {
  const { upload, rows } = await openTables();
  const long = "0.1234567890123456789";
  for (const [body, type, line] of [
    [`name,data\na,1\nb,${long}\n`, "text/csv", 3],
    [`name,data\na,"{""n"":[${long}]}"\n`, "text/csv", 2],
    [`{"name":"a","data":${long}}\n`, "application/x-ndjson", 1],
  ] as const) {
    const reply = await upload(IMPORT, body, type);
    assert.is(reply.status, 400, body);
    assert.match(reply.body.error.message, `line ${line}`);
    assert.match(reply.body.error.message, /has the number 0\.1234567890123456789, which would be rounded/);
  }
  assert.equal(await rows(), []);
});

test("CSV tells no value from empty text, keeps select's order, and makes formulas harmless when asked", async () => {
  const { call } = await openTables();
  await call("POST", ROWS, people);
  const plain = await call("GET", `${ROWS}.csv?select=pay,name,mail:email,data&id=gt.1`);
  assert.is(plain.body, 'pay,name,mail,data\r\n0.10,=1+1,,"""text"""\r\n0.00,"two\r\nlines"," x ",\r\n');
  const safe = await call("GET", `${ROWS}.csv?select=name,pay,email&id=lt.3&formulas=escape`);
  assert.is(safe.body, `name,pay,email\r\n"A ""quoted"", name",-12.50,""\r\n'=1+1,0.10,\r\n`);
});

test("exports filter, refuse what is no export, and go through thousands of rows", async () => {
  const { call } = await openTables();
  await call(
    "POST",
    ROWS,
    Array.from({ length: 3_500 }, (_, n) => ({ name: `p${n}`, age: n })),
  );
  const { body } = await call("GET", `${ROWS}.ndjson?select=age&age=gte.500`);
  const ages = body
    .trimEnd()
    .split("\n")
    .map((text: string) => JSON.parse(text).age);
  assert.equal(
    ages,
    Array.from({ length: 3_000 }, (_, n) => n + 500),
  );
  for (const query of ["select=count()", "order=age", "age=eq.x", "limit=1"])
    assert.is((await call("GET", `${ROWS}.csv?${query}`)).status, 400, query);
});

test("a line that does not fit ends an import with its number, and what was stored before is told", async () => {
  const { upload, rows } = await openTables();
  const lines = Array.from({ length: 2_500 }, (_, n) => (n === 2_204 ? "x,not a number" : `p${n},${n}`));
  const reply = await upload(IMPORT, `name,age\n${lines.join("\n")}\n`, "text/csv");
  assert.is(reply.status, 400);
  assert.match(reply.body.error.message, /line 2206\.age is "not a number"; .*; the 2000 rows before were stored/);
  assert.is(reply.body.error.details.rows_written, 2_000);
  assert.is((await rows("?limit=1000&age=gte.1900")).length, 100);
});

test("a value that is there already ends an import at its line, and a second try passes over what is stored", async () => {
  const { call, upload, rows } = await openTables();
  await call("POST", ROWS, { name: "old", email: "b" });
  const body = '{"name":"n","email":"a"}\n\n{"name":"n","email":"b"}\n{"name":"n","email":"c"}';
  const refused = await upload(IMPORT, body, "application/x-ndjson");
  assert.is(refused.status, 409);
  assert.match(
    refused.body.error.message,
    /line 3\.email is "b", which another row has already; .*; nothing was stored/,
  );
  const ignored = await upload(`${IMPORT}?on_conflict=email&resolution=ignore`, body, "application/x-ndjson");
  assert.equal(ignored.body, { rows_done: 3, rows_written: 2 });
  assert.equal(
    (await rows("?order=email&select=name,email")).map(({ name, email }) => `${name}${email}`),
    ["na", "oldb", "nc"],
  );
});

test("a body that is neither, or is broken, is refused with what it should be", async () => {
  const { upload, rows } = await openTables();
  const cases: [string | Uint8Array, string, RegExp][] = [
    ["name\nx\n", "application/octet-stream", /Content-Type is "application\/octet-stream"; send text\/csv/],
    ["nmae\nx\n", "text/csv", /did you mean name\?/],
    ["name,name\nx,y\n", "text/csv", /names "name" twice/],
    ["name,age\nx\n", "text/csv", /line 2 has 1 fields, and the first line names 2/],
    ["name,age\n,1\n", "text/csv", /line 2\.name is missing/],
    ['name\n"x\n', "text/csv", /line 2 opens a quote/],
    ["{", "application/x-ndjson", /line 1 is not valid JSON/],
    ["[1]", "application/x-ndjson", /line 1 is \[1\]; send an object/],
    ['{"name":"x","n":1}', "application/x-ndjson", /line 1\.n is no column/],
    ['{"name":"x","data":{"n":12345678901234567890}}', "application/x-ndjson", /line 1 is not kept .* beyond 2\^53/],
    ['{"name":"x","data":{"n":0.1234567890123456789}}', "application/x-ndjson", /line 1 is not kept .* rounded/],
    ['{"name":"x","data":"\\u0000"}', "application/x-ndjson", /line 1 is not kept .* U\+0000/],
    ["name,data\nx,12345678901234567890\n", "text/csv", /line 2\.data is not kept .* beyond 2\^53/],
    [`name,email\nx,${"\u{1F600}".repeat(501)}\n`, "text/csv", /line 2\.email has 2004 bytes/],
    [Uint8Array.of(0x6e, 0x61, 0xff), "text/csv", /not valid UTF-8/],
    [Uint8Array.of(0x7b, 0x22, 0xff), "application/x-ndjson", /the body is not valid UTF-8/],
    ['\n \r\n{"name":"x"}\n{', "application/x-ndjson", /line 4 is not valid JSON/],
    [`\n"${"x".repeat(8_388_607)}"`, "application/x-ndjson", /line 2 is longer than 8388608 characters/],
    // Characters are counted, not bytes.
    [`{"name":"x","email":"${"é".repeat(4_300_000)}"}`, "application/x-ndjson", /line 1\.email has 8600000 bytes/],
  ];
  for (const [body, type, words] of cases) {
    const reply = await upload(IMPORT, body, type);
    assert.is(reply.status, 400, `${words}: ${JSON.stringify(reply.body)}`);
    assert.match(reply.body.error.message, words);
  }
  assert.equal((await upload(IMPORT, "", "text/csv")).body, { rows_done: 0, rows_written: 0 });
  assert.equal(await rows(), []);
});

test("an import stores while it is still coming in", async () => {
  const { upload, rows } = await openTables();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const done = upload(IMPORT, readable, "text/csv");
  const text = `name\n${"x\n".repeat(1_000)}`;
  await writer.write(new TextEncoder().encode(text));
  await eventually("the first thousand are stored", async () => (await rows("?limit=1000")).length === 1_000);
  await writer.write(new TextEncoder().encode("last\n"));
  await writer.close();
  assert.equal((await done).body, { rows_done: 1_001, rows_written: 1_001 });
});

test("an export that nobody reads any more reads no more rows", async () => {
  const { call, fetcher, ports } = await openTables();
  await call(
    "POST",
    ROWS,
    Array.from({ length: 5_000 }, (_, n) => ({ name: `p${n}` })),
  );
  let reads = 0;
  const { tables } = ports.database;
  const { read } = tables;
  const counted = (asked: Parameters<typeof read>[0]) => {
    reads += 1;
    return read(asked);
  };
  Object.assign(tables, { read: counted });
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const request = new Request(`http://millrace.test${ROWS}.ndjson`, { headers });
  const response = await fetcher(request);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  assert.ok(reads <= 4, `${reads} pages were read`);
});

test.run();
