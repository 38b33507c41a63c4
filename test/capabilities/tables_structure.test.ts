import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Reply } from "../support/client.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("tables: defining, changing and dropping them");

const SERVICE = "the-service-token";

function openTables(options: Parameters<typeof openApp>[0] = {}) {
  const app = openApp({ ...options, settings: { datastoreToken: SERVICE, ...options.settings } });
  const ask = (method: string, path: string, body?: unknown, token = SERVICE): Promise<Reply> =>
    app.client.send(method, path, {
      headers: { Authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body }),
    });
  return {
    ...app,
    ask,
    make: (name: string, columns: unknown) => ask("POST", "/sql/tables", { name, columns }),
    change: (name: string, body: object, query = "") => ask("PUT", `/sql/tables/${name}${query}`, body),
    put: (name: string, rows: unknown) => ask("POST", `/sql/tables/${name}/rows`, rows),
    async token(...scopes: string[]): Promise<string> {
      return (await ask("POST", "/tokens", { label: "a token", scopes })).body.token;
    },
  };
}

function refusal({ status, body }: Reply): [number, string] {
  return [status, body.error?.code];
}

const text = { name: "a", type: "text" };

test("what GET shows of a table can be sent back by PUT, and changes nothing", async () => {
  const { make, change, ask } = openTables();
  const made = await make("people", [
    { name: "name", type: "text", nullable: false },
    { name: "state", type: "text", enum: ["on", "off"], default: "on" },
    { name: "price", type: "numeric(10, 2)", default: 1.5, unique: true },
    { name: "boss", type: "bigint", references: { table: "people" } },
  ]);
  assert.is(made.status, 201);
  assert.is(made.body.columns[2].type, "numeric(10,2)");
  assert.is(made.body.columns[2].default, "1.50");
  assert.equal(made.body.columns[3].references, { table: "people", column: "id" });
  const { body } = await ask("GET", "/sql/tables/people");
  const changed = await change("people", { columns: body.columns });
  assert.equal([changed.status, changed.body.plan, changed.body.version], [200, [], 1]);
});

test("what GET shows can be changed and sent back whole, and is a condition of the change", async () => {
  const { make, change, ask, advance } = openTables();
  await make("t", [text]);
  advance(1_000);
  const { body: shown } = await ask("GET", "/sql/tables/t");
  const more = { ...shown, columns: [...shown.columns, { name: "b", type: "date" }] };
  const planned = await change("t", more, "?dry_run=true");
  assert.equal([planned.status, planned.body.applied], [200, false], JSON.stringify(planned.body));
  const changed = await change("t", more);
  assert.equal([changed.status, changed.body.version], [200, 2], JSON.stringify(changed.body));
  const again = await change("t", more);
  assert.equal(refusal(again), [412, "precondition_failed"]);
  assert.match(again.body.error.message, /its version is 2; read it again/);
  assert.is(again.body.error.details.current_version, 2);
  const { body: now } = await ask("GET", "/sql/tables/t");
  const wrong: [object, [number, string], RegExp][] = [
    [{ ...now, name: "u" }, [400, "invalid_input"], /name is "u"; a table keeps its name, so send t/],
    [{ ...now, if_version: 1 }, [400, "invalid_input"], /version is 2 and if_version is 1; send one of them/],
    [{ columns: [text], version: 1 }, [412, "precondition_failed"], /its version is 2/],
    [{ columns: [text], updated_at: shown.updated_at }, [412, "precondition_failed"], /its updated_at is .*, not /],
    [{ ...now, created_at: "2001-01-01T00:00:00Z" }, [412, "precondition_failed"], /its created_at is .*, not 2001/],
    [{ ...now, created_at: "yesterday" }, [400, "invalid_input"], /created_at is "yesterday"; send a time/],
    [{ ...now, rows: [{ a: "x" }] }, [400, "invalid_input"], /rows/],
    [{ ...now, versoin: 2 }, [400, "invalid_input"], /did you mean version/],
  ];
  for (const [body, expected, told] of wrong) {
    const refused = await change("t", body);
    assert.equal(refusal(refused), expected, JSON.stringify(refused.body));
    assert.match(refused.body.error.message, told);
  }
  assert.equal((await ask("GET", "/sql/tables/t")).body, now);
  const same = await change("t", { ...now, if_version: 2 });
  assert.equal([same.status, same.body.plan], [200, []]);
});

test("tables are listed by name, in pages", async () => {
  const { make, ask, put } = openTables();
  for (const name of ["c", "a", "b"]) await make(name, [text]);
  await put("a", [{ a: "1" }, { a: "2" }]);
  const first = (await ask("GET", "/sql/tables?limit=2")).body;
  assert.equal(
    first.tables.map(({ name, rows }: { name: string; rows: number }) => [name, rows]),
    [
      ["a", 2],
      ["b", 0],
    ],
  );
  const second = (await ask("GET", `/sql/tables?limit=2&cursor=${first.next_cursor}`)).body;
  assert.equal([second.tables.length, second.tables[0].name, second.next_cursor], [1, "c", null]);
});

test("names that could be anything but a plain name are refused, and nothing is made", async () => {
  const { make, ask } = openTables();
  const odd = [
    "",
    "A",
    "1a",
    "a-b",
    "a b",
    "a.b",
    'a"b',
    "a;drop",
    "pg_class",
    "pg_",
    "ä",
    "аbc",
    "a\u0000",
    `a${"b".repeat(48)}`,
    "_a",
    "a\n",
  ];
  for (const name of odd) {
    assert.equal(refusal(await make(name, [text])), [400, "invalid_input"], name);
    assert.equal(refusal(await make("t", [{ name, type: "text" }])), [400, "invalid_input"], name);
    const references = { table: name, column: "id" };
    assert.equal(refusal(await make("t", [{ name: "r", type: "bigint", references }])), [400, "invalid_input"], name);
  }
  for (const name of ["id", "ctid", "xmin", "or"])
    assert.equal(refusal(await make("t", [{ name, type: "text" }])), [400, "invalid_input"], name);
  assert.equal((await ask("GET", "/sql/tables")).body.tables, []);
});

test("no text is taken for a name unless it is a plain one", async () => {
  const { make } = openTables();
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.stringMatching(/^[a-z][a-z0-9_"'; -]{0,60}$/)),
      async (name) => {
        const { status } = await make(name, [text]);
        const isPlain = /^[a-z][a-z0-9_]{0,47}$/.test(name) && !name.startsWith("pg_");
        assert.is(isPlain ? [201, 409].includes(status) : status === 400, true, `${JSON.stringify(name)}: ${status}`);
      },
    ),
    { numRuns: 150 },
  );
});

test("columns that contradict themselves or each other are refused, and the fault names their place", async () => {
  const { make } = openTables();
  const wrong: [object[], string][] = [
    [[{ name: "a", type: "varchar" }], "columns[0].type"],
    [[{ name: "a", type: "numeric" }], "columns[0].type"],
    [[{ name: "a", type: "numeric(39,2)" }], "columns[0].type"],
    [[{ name: "a", type: "numeric(2,3)" }], "columns[0].type"],
    [[{ name: "a", type: "text); drop table x" }], "columns[0].type"],
    [[text, text], "columns[1].name"],
    [[text, { name: "b", type: "integer", enum: ["x"] }], "columns[1].enum"],
    [[{ ...text, enum: ["x", "x"] }], "columns[0].enum"],
    [[{ ...text, enum: ["x"], default: "y" }], "columns[0].default"],
    [[{ name: "a", type: "integer", default: "now()" }], "columns[0].default"],
    [[{ name: "a", type: "integer", default: 2147483648 }], "columns[0].default"],
    [[{ name: "a", type: "numeric(4,2)", default: 1.234 }], "columns[0].default"],
    [[{ name: "a", type: "date", default: "2026-02-30" }], "columns[0].default"],
    [[{ name: "a", type: "jsonb", unique: true }], "columns[0].unique"],
    [[{ ...text, unique: true, default: "x".repeat(2_001) }], "columns[0].default"],
    [[{ ...text, references: { table: "t" } }], "columns[0].references"],
  ];
  for (const [columns, field] of wrong) {
    const refused = await make("t", columns);
    assert.equal(refusal(refused), [400, "invalid_input"], JSON.stringify(columns));
    assert.is(refused.body.error.details.field, field, JSON.stringify(refused.body));
  }
  assert.is((await make("t", [])).status, 400);
  const many = Array.from({ length: 65 }, (_, index) => ({ name: `c${index}`, type: "text" }));
  assert.is((await make("t", many)).status, 400);
  assert.is((await make("t", many.slice(1))).status, 201);
});

test("a name that is taken is a conflict, and so is one table too many", async () => {
  const { make } = openTables();
  for (let number = 0; number < 100; number += 1) assert.is((await make(`t${number}`, [text])).status, 201);
  assert.equal(refusal(await make("t5", [text])), [409, "conflict"]);
  const full = await make("t100", [text]);
  assert.equal(refusal(full), [409, "conflict"]);
  assert.is(full.body.error.details.limit, 100);
  assert.match(full.body.error.message, /this server's owner has 100 tables already, which is the most; drop one/);
});

test("a dry run shows the SQL and what would be lost, and changes nothing", async () => {
  const { make, change, put, ask } = openTables();
  await make("t", [text, { name: "b", type: "integer" }]);
  await put("t", [{ a: "x", b: 1 }, { a: "y" }]);
  const shown = await change(
    "t",
    { columns: [{ name: "z", type: "text", renamed_from: "a", nullable: false }] },
    "?dry_run=true",
  );
  assert.is(shown.status, 200);
  assert.is(shown.body.applied, false);
  assert.equal(shown.body.plan, [
    'ALTER TABLE "sql_t" DROP COLUMN "b"',
    'ALTER TABLE "sql_t" RENAME COLUMN "a" TO "z"',
    'ALTER TABLE "sql_t" ALTER COLUMN "z" SET NOT NULL',
  ]);
  assert.equal(shown.body.destructive, [{ column: "b", kind: "dropped", rows: 1 }]);
  assert.equal([shown.body.version, shown.body.columns.length], [1, 2]);
  assert.equal((await ask("GET", "/sql/tables/t/rows")).body.rows, [
    { id: 1, a: "x", b: 1 },
    { id: 2, a: "y", b: null },
  ]);
});

test("values are lost only when the table's name is typed again", async () => {
  const { make, change, put, ask } = openTables();
  await make("t", [text, { name: "n", type: "numeric(5,2)" }]);
  await put("t", [{ a: "x", n: "1.25" }]);
  const columns = [{ name: "n", type: "numeric(5,1)" }];
  const refused = await change("t", { columns });
  assert.equal(refusal(refused), [409, "conflict"]);
  assert.match(refused.body.error.message, /a goes with 1 row; n would be altered in 1 row/);
  assert.is(refused.body.error.details.confirm, "t");
  assert.equal(refusal(await change("t", { columns, confirm: "T" })), [400, "invalid_input"]);
  assert.equal((await ask("GET", "/sql/tables/t/rows")).body.rows, [{ id: 1, a: "x", n: "1.25" }]);
  const done = await change("t", { columns, confirm: "t" });
  assert.equal([done.status, done.body.applied, done.body.version], [200, true, 2]);
  assert.equal((await ask("GET", "/sql/tables/t/rows")).body.rows, [{ id: 1, n: "1.3" }]);
});

test("rows that stand against a change are told, and confirm does not help", async () => {
  const { make, change, put } = openTables();
  await make("t", [text]);
  await put("t", [{ a: "x" }, { a: "x" }, { a: null }]);
  const refused = await change("t", { columns: [{ ...text, nullable: false, unique: true }], confirm: "t" });
  assert.equal(refusal(refused), [409, "conflict"]);
  assert.match(refused.body.error.message, /a has no value in 1 row; a repeats the value of another row in 1 row/);
});

test("if_version refuses a change that was made of an older version", async () => {
  const { make, change } = openTables();
  await make("t", [text]);
  assert.is((await change("t", { columns: [text, { name: "b", type: "date" }], if_version: 1 })).status, 200);
  const stale = await change("t", { columns: [text], if_version: 1 });
  assert.equal(refusal(stale), [412, "precondition_failed"]);
  assert.is(stale.body.error.details.current_version, 2);
});

test("a table is dropped only with its name typed again, and not while others refer to it", async () => {
  const { make, ask } = openTables();
  await make("t", [text]);
  await make("u", [{ name: "t_id", type: "bigint", references: { table: "t" } }]);
  assert.equal(refusal(await ask("DELETE", "/sql/tables/t")), [400, "invalid_input"]);
  assert.equal(refusal(await ask("DELETE", "/sql/tables/t?confirm=u")), [400, "invalid_input"]);
  const referred = await ask("DELETE", "/sql/tables/t?confirm=t");
  assert.equal(refusal(referred), [409, "conflict"]);
  assert.is(referred.body.error.details.referenced_by, "u");
  assert.is((await ask("DELETE", "/sql/tables/u?confirm=u")).status, 200);
  assert.is((await ask("DELETE", "/sql/tables/t?confirm=t")).status, 200);
  assert.equal(refusal(await ask("GET", "/sql/tables/t")), [404, "not_found"]);
  assert.equal(refusal(await ask("DELETE", "/sql/tables/t?confirm=t")), [404, "not_found"]);
});

test("those who follow a table learn of a change of its columns, and its feed ends with it", async () => {
  const { make, change, ask, events } = openTables();
  await make("t", [text]);
  const reader = await events("/sql/tables/t/changes", { Authorization: `Bearer ${SERVICE}` });
  await change("t", { columns: [text, { name: "b", type: "date" }] });
  const [event] = await reader.until(1);
  assert.is(JSON.parse(event!.data).op, "alter");
  await ask("DELETE", "/sql/tables/t?confirm=t");
  await make("t", [text]);
  const { body } = await ask("GET", "/sql/tables/t/changes?from=earliest&wait=0");
  assert.equal(body.changes, []);
  reader.close();
});

test("a token for some tables defines and sees those alone, and one for reading defines none", async () => {
  const { ask, token, make } = openTables();
  await make("other", [text]);
  const writes = await token("tables:write:app_*");
  const reads = await token("tables:read:app_*");
  assert.equal(refusal(await ask("POST", "/sql/tables", { name: "mine", columns: [text] }, writes)), [
    403,
    "forbidden",
  ]);
  assert.is((await ask("POST", "/sql/tables", { name: "app_a", columns: [text] }, writes)).status, 201);
  assert.equal(refusal(await ask("POST", "/sql/tables", { name: "app_b", columns: [text] }, reads)), [
    403,
    "forbidden",
  ]);
  assert.equal(refusal(await ask("DELETE", "/sql/tables/app_a?confirm=app_a", undefined, reads)), [403, "forbidden"]);
  assert.equal(refusal(await ask("DELETE", "/sql/tables/other?confirm=other", undefined, writes)), [403, "forbidden"]);
  assert.is((await ask("GET", "/sql/tables/app_a", undefined, reads)).status, 200);
  assert.equal(refusal(await ask("GET", "/sql/tables/other", undefined, reads)), [403, "forbidden"]);
  assert.equal(refusal(await ask("GET", "/sql/tables", undefined, reads)), [403, "forbidden"]);
});

test("a token refers only to tables that it may write, but keeps references that are there", async () => {
  const { ask, token, make } = openTables();
  await make("other", [text]);
  const writes = await token("tables:write:app_*", "tables:read");
  const reference = { name: "r", type: "bigint", references: { table: "other", column: "id" } };
  const refused = await ask("POST", "/sql/tables", { name: "app_a", columns: [reference] }, writes);
  assert.equal(refusal(refused), [403, "forbidden"]);
  assert.is(refused.body.error.details.scope, "tables:write:other");
  await make("app_a", [reference]);
  const kept = { columns: [{ ...reference, name: "s", renamed_from: "r" }, text] };
  assert.is((await ask("PUT", "/sql/tables/app_a", kept, writes)).status, 200);
  await make("third", [text]);
  const added = {
    columns: [
      { ...reference, name: "s" },
      { name: "t", type: "bigint", references: { table: "third" } },
    ],
  };
  assert.equal(refusal(await ask("PUT", "/sql/tables/app_a", added, writes)), [403, "forbidden"]);
});

test.run();
