/** Rows over HTTP: what is put, filtered, changed and deleted, and what is said of what is not. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTables, type TablesApp } from "../support/tables_app.ts";

const test = suite("rows of tables");
const ROWS = "/sql/tables/people/rows";

async function seeded(): Promise<TablesApp> {
  const app = await openTables();
  const people = [
    { name: "Ada", email: "ada@example.org", age: 36, pay: 12.5, data: { city: "Bonn", tags: ["x"] } },
    { name: "Bob", email: "bob@example.org", age: null },
    { name: "Cleo", email: null, age: 7, data: { city: "Ulm" } },
    { name: "dora", email: "dora@example.org", age: 36, pay: "99999999.99" },
  ];
  const { status, body } = await app.call("POST", ROWS, people);
  assert.is(status, 201, JSON.stringify(body));
  return app;
}

test("one row object is a row, and a list is rows, answered as they are stored", async () => {
  const { call } = await openTables();
  const one = await call("POST", ROWS, { name: "Ada", pay: 1 });
  assert.is(one.status, 201);
  assert.equal(one.body, {
    count: 1,
    rows: [{ id: 1, name: "Ada", email: null, age: null, pay: "1.00", data: null }],
  });
  const two = await call("POST", `${ROWS}?return=minimal`, [{ name: "B" }, { name: "C" }]);
  assert.equal(two.body, { count: 2 });
});

test("when some rows do not fit none is stored, and each mistake is named with index, column and value", async () => {
  const { call, rows } = await openTables();
  const { status, body } = await call("POST", ROWS, [
    { name: "Ada" },
    { name: "Bob", age: "old", nmae: 1 },
    { age: 1.5 },
    { name: null, id: 5 },
    "text",
  ]);
  assert.is(status, 400);
  assert.is(body.error.code, "invalid_input");
  assert.match(body.error.message, /rows\[1\]\.age is "old"; send a whole number .* \(and 6 more\)/);
  const told = body.error.details.errors.map(({ index, column }: { index: number; column: string }) => [index, column]);
  assert.equal(told, [
    [1, "age"],
    [1, "nmae"],
    [2, "age"],
    [2, "name"],
    [3, "name"],
    [3, "id"],
    [4, null],
  ]);
  assert.match(body.error.details.errors[1].message, /did you mean name\?/);
  assert.equal(await rows(), []);
  for (const [sent, words] of [
    ["text", /rows is "text"; send/],
    [7, /rows is 7; send/],
    [null, /rows is null; send/],
    [[], /rows is empty|send 1 to 10000 rows/],
    [{ name: "x", data: { n: 2 ** 60 } }, /beyond 2\^53/],
    [{ name: "\u0000" }, /U\+0000/],
  ] as const) {
    const reply = await call("POST", ROWS, sent);
    assert.is(reply.status, 400, JSON.stringify(sent));
    assert.match(reply.body.error.message, words);
  }
});

test("a value that is unique and there already is a conflict, unless the request says what becomes of it", async () => {
  const { call, rows } = await seeded();
  const again = { name: "Eve", email: "ada@example.org" };
  const refused = await call("POST", ROWS, [{ name: "Zed" }, again]);
  assert.is(refused.status, 409);
  assert.match(refused.body.error.message, /rows\[1\]\.email is "ada@example.org", which another row has already/);
  assert.equal(refused.body.error.details.errors[0].index, 1);
  const ignored = await call("POST", `${ROWS}?on_conflict=email&resolution=ignore`, again);
  assert.equal(ignored.body, { count: 0, rows: [] });
  const merged = await call("POST", `${ROWS}?on_conflict=email`, again);
  assert.equal(
    merged.body.rows.map((row: object) => Object.values(row).slice(0, 4)),
    [[1, "Eve", "ada@example.org", 36]],
  );
  assert.is((await rows()).length, 4);
  for (const [query, rows_, words] of [
    ["on_conflict=name", again, /no unique column of people; it has email/],
    ["on_conflict=emial", again, /did you mean email\?/],
    ["on_conflict=id", again, /which the server gives/],
    ["resolution=merge", again, /without on_conflict/],
    ["on_conflict=email", [again, again], /rows\[1\]\.email is "ada@example.org", as in rows\[0\]/],
    [
      "on_conflict=email",
      [again, { name: "F", email: "f", age: 1 }],
      /rows\[1\] has age, email, name and rows\[0\] has email, name/,
    ],
  ] as const) {
    const reply = await call("POST", `${ROWS}?${query}`, rows_);
    assert.is(reply.status, 400, query);
    assert.match(reply.body.error.message, words);
  }
});

test("filters, order, select and count are those of the query", async () => {
  const { call, rows } = await seeded();
  const names = async (query: string) => (await rows(query)).map(({ name }) => name);
  assert.equal(await names("?age=gte.18"), ["Ada", "dora"]);
  assert.equal(await names("?name=like.*o*&order=name.desc"), ["dora", "Cleo", "Bob"]);
  assert.equal(await names("?or=(age.is.null,and(age.lt.10,data->>city.eq.Ulm))"), ["Bob", "Cleo"]);
  assert.equal(await names("?name=eq.Ada&name=eq.Bob"), []);
  assert.equal(await names("?id=in.(1,3)&age=not.eq.7"), ["Ada"]);
  assert.equal(await names("?pay=gt.12.49&order=pay.desc"), ["dora", "Ada"]);
  const reply = await call(
    "GET",
    `${ROWS}?select=who:name,tag:data->tags->>0,age&order=age.desc.nullslast,name&count=exact`,
  );
  assert.is(
    JSON.stringify(reply.body),
    JSON.stringify({
      rows: [
        { who: "Ada", tag: "x", age: 36 },
        { who: "dora", tag: null, age: 36 },
        { who: "Cleo", tag: null, age: 7 },
        { who: "Bob", tag: null, age: null },
      ],
      next_cursor: null,
      count: 4,
    }),
  );
});

test("a list that has come to be empty changes and deletes nothing, however it is asked", async () => {
  const { call } = await openTables();
  await call("POST", ROWS, [{ name: "Ann" }, { name: "Bob" }]);
  for (const filter of ["id=neq(all).{}", "id=not.in.()", "id=in.()", "not.or=(id.in.(1),id.eq(any).{})"]) {
    for (const [method, body] of [["DELETE"], ["PATCH", { name: "x" }]] as const) {
      const reply = await call(method, `${ROWS}?${filter}`, body);
      assert.is(reply.status, 400, filter);
      assert.match(reply.body.error.message, /the filter has a list without values/);
    }
  }
  assert.is((await call("GET", `${ROWS}?id=not.in.()`)).body.rows.length, 2);
});

test("a column that has the name of a field of the request is asked inside and=, and the refusal says so", async () => {
  const { call } = await openTables();
  const names = ["limit", "cursor", "count", "select", "order", "return", "set", "table", "formulas", "filter"];
  await call("POST", "/sql/tables", { name: "odd", columns: names.map((name) => ({ name, type: "text" })) });
  const odd = "/sql/tables/odd/rows";
  await call("POST", odd, [Object.fromEntries(names.map((name) => [name, name])), { limit: "eq.limit" }]);
  const refused = async (method: string, path: string, body?: object) => {
    const reply = await call(method, path, body);
    assert.is(reply.status, 400, path);
    return reply.body.error.message;
  };
  for (const name of names) {
    const { body } = await call("GET", `${odd}?and=(${name}.eq.${name})&select=id`);
    assert.equal(body.rows, [{ id: 1 }], name);
    if (!["return", "set", "formulas", "filter", "table"].includes(name))
      assert.match(await refused("GET", `${odd}?${name}=eq.${name}`), `and=(${name}.`);
  }
  assert.match(await refused("GET", `${odd}?limit=not.in.(1)`), "for the column limit send and=(limit.not.in.(1))");
  assert.match(await refused("GET", `${odd}?limit=x`), 'limit is "x"; send a number');
  assert.match(await refused("GET", `${odd}?count=all`), /count is "all"/);
  assert.match(await refused("GET", `${odd}.csv?formulas=eq.x`), "and=(formulas.eq.x)");
  assert.match(await refused("DELETE", `${odd}?return=eq.return`), "and=(return.eq.return)");
  assert.match(await refused("PATCH", `${odd}?return=eq.return`, { limit: "x" }), "and=(return.eq.return)");
});

test("pages follow each other by cursor while rows come and go, without repeat or gap", async () => {
  const { call } = await openTables();
  await call(
    "POST",
    ROWS,
    Array.from({ length: 30 }, (_, n) => ({ name: `p${n}`, age: n % 3 === 0 ? null : n % 5 })),
  );
  const seen: string[] = [];
  let cursor: string | null = "";
  for (let page = 0; cursor !== null; page += 1) {
    const query = `order=age.desc&limit=7${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
    const reply = await call("GET", `${ROWS}?${query}`);
    assert.is(reply.status, 200, JSON.stringify(reply.body));
    seen.push(...reply.body.rows.map(({ name }: { name: string }) => name));
    cursor = reply.body.next_cursor;
    // Rows in front of the cursor shift nothing.
    await call("POST", ROWS, { name: `late${page}`, age: null });
    if (page === 1) await call("DELETE", `${ROWS}?name=eq.${seen[0]}`);
  }
  assert.is(seen.length, 30);
  assert.is(new Set(seen).size, 30);
  const reply = await call("GET", `${ROWS}?order=age.desc&limit=1`);
  const other = await call("GET", `${ROWS}?order=age&cursor=${reply.body.next_cursor}`);
  assert.is(other.status, 400);
  assert.match(other.body.error.message, /belongs to another order/);
});

test("aggregates come in groups, in the order asked for", async () => {
  const { call } = await seeded();
  const reply = await call(
    "GET",
    `${ROWS}?select=age,count(),pay:pay.sum(),mean:age.avg(),name.max()&order=count.desc,age&limit=2`,
  );
  assert.equal(reply.body.rows, [
    { age: 36, count: 2, pay: "100000012.49", mean: "36", max: "dora" },
    { age: 7, count: 1, pay: "0.00", mean: "7", max: "Cleo" },
  ]);
  const next = await call(
    "GET",
    `${ROWS}?select=age,count(),pay:pay.sum(),mean:age.avg(),name.max()&order=count.desc,age&cursor=${reply.body.next_cursor}`,
  );
  assert.equal(next.body.rows, [{ age: null, count: 1, pay: "0.00", mean: null, max: "Bob" }]);
});

test("update and delete touch what the filter finds, and never everything because nothing was said", async () => {
  const { call, rows } = await seeded();
  for (const [method, body] of [
    ["PATCH", { age: 1 }],
    ["DELETE", undefined],
  ] as const) {
    const reply = await call(method, ROWS, body);
    assert.is(reply.status, 400);
    assert.match(reply.body.error.message, /there is no filter; .* id=not.is.null for all rows/);
  }
  const updated = await call("PATCH", `${ROWS}?age=eq.36&return=representation`, { age: 40, data: null });
  assert.equal(
    updated.body.rows.map(({ id, age, data }: Record<string, unknown>) => [id, age, data]),
    [
      [1, 40, null],
      [4, 40, null],
    ],
  );
  assert.equal((await call("DELETE", `${ROWS}?age=gt.100`)).body, { count: 0 });
  assert.equal((await call("DELETE", `${ROWS}?or=(age.eq.40,name.eq.Bob)`)).body, { count: 3 });
  assert.equal(
    (await rows()).map(({ name }) => name),
    ["Cleo"],
  );
  for (const [body, words] of [
    [{}, /changes nothing/],
    [{ id: 7 }, /given by the server/],
    [{ name: null }, /may not be null/],
    [{ agee: 1 }, /did you mean age\?/],
    [[], /send an object/],
  ] as const) {
    const reply = await call("PATCH", `${ROWS}?id=eq.3`, body);
    assert.is(reply.status, 400, JSON.stringify(body));
    assert.match(reply.body.error.message, words);
  }
  assert.equal((await call("DELETE", `${ROWS}?id=not.is.null`)).body, { count: 1 });
});

test("a column that is called like a field of the request is never taken for it unheard", async () => {
  const { call } = await openTables();
  const columns = ["set", "limit", "order", "filter", "return"].map((name) => ({ name, type: "integer" }));
  await call("POST", "/sql/tables", { name: "odd", columns });
  await call("POST", "/sql/tables/odd/rows", [
    { set: 1, filter: 1 },
    { set: 2, filter: 2 },
  ]);
  const beside = await call("PATCH", "/sql/tables/odd/rows?id=gt.0&set=eq.1", { limit: 5 });
  assert.is(beside.status, 400);
  assert.is((await call("DELETE", "/sql/tables/odd/rows?return=eq.1")).status, 400);
  assert.equal((await call("PATCH", "/sql/tables/odd/rows?and=(set.eq.1)", { limit: 5 })).body, { count: 1 });
  assert.equal((await call("DELETE", "/sql/tables/odd/rows?filter=eq.2")).body, { count: 1 });
  const { body } = await call("GET", "/sql/tables/odd/rows?and=(limit.eq.5)");
  assert.equal(body.rows, [{ id: 1, set: 1, limit: 5, order: null, filter: 1, return: null }]);
});

test("a table that is not there is not found, whatever is asked of it", async () => {
  const { call, upload } = await openTables();
  const replies = [
    await call("GET", "/sql/tables/nobody/rows"),
    await call("POST", "/sql/tables/nobody/rows", { a: 1 }),
    await call("PATCH", "/sql/tables/nobody/rows?id=eq.1", { a: 1 }),
    await call("DELETE", "/sql/tables/nobody/rows?id=eq.1"),
    await call("GET", "/sql/tables/nobody/rows.csv"),
    await call("GET", "/sql/tables/nobody/changes?wait=0"),
    await upload("/sql/tables/nobody/import", "a\n1\n", "text/csv"),
  ];
  assert.equal(
    replies.map(({ status }) => status),
    replies.map(() => 404),
  );
  assert.is((await call("GET", "/sql/tables/No-Name/rows")).status, 400);
});

test("many rows at once are taken up to 10000, wide ones too", async () => {
  const { call } = await openTables();
  const many = Array.from({ length: 10_000 }, (_, n) => ({ name: `p${n}`, age: n, data: { n } }));
  const reply = await call("POST", `${ROWS}?return=minimal`, many);
  assert.equal(reply.body, { count: 10_000 });
  const over = await call("POST", ROWS, [...many, { name: "x" }]);
  assert.is(over.status, 400);
  assert.match(over.body.error.message, /10001 items, the most is 10000/);
  assert.is((await call("POST", ROWS, [])).status, 400);
});

test.run();
