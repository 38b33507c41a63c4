/**
 * Odd identifiers, values, filters and cursors against a real server on PostgreSQL: nothing changes but what was asked for, what is stored is what was
 * sent, no answer is of 5xx, none holds what another table has, and none takes as long as a sleep in SQL would.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { oddSql } from "../support/odd_sql.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

const TOKEN = "service-token-of-the-injection-test";
const SECRET = "the-secret-of-another-table-5e1f";
/** Shorter than the sleeps among the odd texts, longer than a busy machine takes for an answer. */
const SLOW_MS = 4_000;

const test = suite("injection into tables");

interface Answer {
  status: number;
  text: string;
}

let database: TestDatabase;
let server: ServerProcess;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const counts = { requests: 0, taken: 0, refused: 0, server: 0, leaks: 0, slow: 0 };

async function send(method: string, path: string, body?: unknown, type = "application/json"): Promise<Answer> {
  const began = performance.now();
  const response = await fetch(server.url + path, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { "Content-Type": type }) },
    ...(body === undefined ? {} : { body: type === "application/json" ? JSON.stringify(body) : String(body) }),
  });
  const text = await response.text();
  counts.requests += 1;
  counts[response.status < 300 ? "taken" : response.status < 500 ? "refused" : "server"] += 1;
  if (text.includes(SECRET)) counts.leaks += 1;
  if (performance.now() - began > SLOW_MS) counts.slow += 1;
  assert.ok(response.status < 500, `${method} ${path} ${JSON.stringify(body)}: ${response.status} ${text}`);
  return { status: response.status, text };
}

const enc = encodeURIComponent;

/** All that there is: registry, tables in the catalogue, roles, and what the other table holds. */
async function world(): Promise<string> {
  const parts = await Promise.all(
    [
      "SELECT name, version, relation, columns FROM tables WHERE name IN ('victim', 'target') ORDER BY name",
      `SELECT c.relname, c.relkind, a.attname, a.atttypid::regtype::text, a.attnotnull FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname NOT LIKE 'pg_%' AND n.nspname <> 'information_schema'
         AND c.relname !~ '^(pg_toast|sql_odd)' AND c.relname !~ '^t[0-9]+_' ORDER BY 1, 2, 3`,
      "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' ORDER BY 1",
      "SELECT rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname !~ '^(pg|millrace)_' ORDER BY 1",
      `SELECT * FROM ${home}.sql_victim ORDER BY id`,
    ].map((sql) => database.query(sql)),
  );
  return JSON.stringify(parts);
}

let home = "";

test.before(async () => {
  database = await createTestDatabase(testServer!);
  directory = await temporaryDirectory();
  server = await startServerProcess({ dataDir: directory.path, env: { ...database.env, DATASTORE_TOKEN: TOKEN } });
  const columns = [
    { name: "t", type: "text" },
    { name: "n", type: "integer" },
    { name: "b", type: "bigint" },
    { name: "d", type: "numeric(10,2)" },
    { name: "f", type: "boolean" },
    { name: "w", type: "timestamptz" },
    { name: "day", type: "date" },
    { name: "u", type: "uuid" },
    { name: "j", type: "jsonb" },
    { name: "k", type: "text", unique: true },
  ];
  assert.is((await send("POST", "/sql/tables", { name: "target", columns })).status, 201);
  assert.is(
    (await send("POST", "/sql/tables", { name: "victim", columns: [{ name: "secret", type: "text" }] })).status,
    201,
  );
  await send("POST", "/sql/tables/victim/rows", [{ secret: `${SECRET}-1` }, { secret: `${SECRET}-2` }]);
  await send("POST", "/sql/tables/target/rows", [
    { t: "one", n: 1, j: { a: 1 }, k: "k1" },
    { t: "two", n: 2 },
  ]);
  home = String((await database.query("SELECT schema_name FROM table_home"))[0]!.schema_name);
  // What has gone before counts for nothing.
  Object.assign(counts, { requests: 0, taken: 0, refused: 0, server: 0, leaks: 0, slow: 0 });
});

test.after(async () => {
  await server?.end("SIGTERM");
  await database?.drop();
  await directory?.remove();
  console.log(
    `injection: ${counts.requests} requests, ${counts.taken} taken, ${counts.refused} refused, ${counts.server} of 5xx, ${counts.leaks} leaks, ${counts.slow} slow`,
  );
});

const COLUMNS = ["id", "t", "n", "b", "d", "f", "w", "day", "u", "j", "j->a", "j->>a"];
const OPERATORS = ["eq", "neq", "gt", "like", "ilike", "in", "is", "not.eq", "isdistinct", "cs", "cd", "gt(any)"];

test("whatever a read asks, it changes nothing and gives nothing of another table", async () => {
  const before = await world();
  const target = await database.query(`SELECT * FROM ${home}.sql_target ORDER BY id`);
  for (const [turn, odd] of oddSql.entries()) {
    const o = enc(odd);
    const queries = [
      ...COLUMNS.filter((_, index) => (index + turn) % 3 === 0).map(
        (column, index) => `${enc(column)}=${OPERATORS[(index + turn) % OPERATORS.length]}.${o}`,
      ),
      `t=eq.${o}`,
      `t=like.${o}`,
      `t=in.(${o})`,
      `t=in.(%22${o}%22)`,
      `t=isdistinct.${o}`,
      `t=neq(all).{${o}}`,
      `t=like(any).{%22${o}%22}`,
      `t=eq(${o}).{a}`,
      `j=cs.${o}`,
      `j=cd.${enc(JSON.stringify({ [odd]: odd }))}`,
      `j=neq(any).{${o},1}`,
      `t=${o}`,
      `t=${o}.x`,
      `${o}=eq.1`,
      `j->${o}=eq.1`,
      `j->>${o}=eq.1`,
      `j->>%22${o}%22=eq.1`,
      `or=(t.eq.${o},n.eq.1)`,
      `or=${o}`,
      `and=(${o}.eq.1)`,
      `not.or=(t.is.${o})`,
      `select=${o}`,
      `select=x:${o}`,
      `select=${o}:t`,
      `select=t,${o}()`,
      `select=n.${o}()`,
      `select=j->${o}`,
      `select=f,count()&order=${o}`,
      `order=${o}`,
      `order=t.${o}`,
      `order=j->>${o}`,
      `limit=${o}`,
      `cursor=${o}`,
      `count=${o}`,
      `cursor=${enc(btoa(JSON.stringify({ o: "t+l,id+l", k: ["x", odd.length] })))}&order=t`,
      ...[odd, [odd], { a: odd }, 1].map((key) => `cursor=${enc(forged({ o: "id+l", k: [key] }))}`),
      `cursor=${enc(forged({ o: odd, k: [1] }))}`,
      `cursor=${enc(forged({ o: "t+l,id+l", k: [odd, 0] }))}&order=t`,
    ];
    const paths = [
      ...queries.filter((_, index) => (index + turn) % 2 === 0).map((query) => `/target/rows?${query}`),
      `/target/rows.csv?select=${o}`,
      `/target/rows.ndjson?t=eq.${o}`,
      `/${o}/rows`,
      `/${o}`,
      `/target/changes?wait=0&after=${o}`,
      `?cursor=${o}`,
    ];
    await Promise.all(paths.map((path) => send("GET", `/sql/tables${path}`)));
  }
  assert.is(await world(), before);
  assert.equal(await database.query(`SELECT * FROM ${home}.sql_target ORDER BY id`), target);
});

function forged(place: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(place));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

test("odd values are stored as they were sent, and odd names are refused", async () => {
  const before = await world();
  const wide: Record<string, unknown>[] = [];
  for (const [index, odd] of oddSql.entries()) {
    const row = { t: odd, j: { [odd === "__proto__" ? "p" : odd]: [odd] }, k: `${index} ${odd}` };
    wide.push(row);
    const put = await send("POST", "/sql/tables/target/rows", row);
    assert.is(put.status, 201, `${odd}: ${put.text}`);
    const [stored] = JSON.parse(put.text).rows;
    same([stored.t, stored.j, stored.k], [row.t, row.j, row.k]);
    const again = await send("GET", `/sql/tables/target/rows?id=eq.${stored.id}&select=t,j`);
    same(JSON.parse(again.text).rows, [{ t: row.t, j: row.j }]);
    const set = await send("PATCH", `/sql/tables/target/rows?id=eq.${stored.id}`, { t: `${odd}!` });
    assert.is(JSON.parse(set.text).count, 1);
    await Promise.all(
      ["n", "b", "d", "f", "w", "day", "u"].map((column, turn) =>
        turn % 2 === 0
          ? send("PATCH", "/sql/tables/target/rows?id=eq.1", { [column]: odd })
          : send("POST", "/sql/tables/target/rows?return=minimal", { [column]: odd, k: `${index} ${column}` }),
      ),
    );
    for (const body of [{ [odd]: 1 }, [{ t: "x", [odd]: odd }]]) await send("POST", "/sql/tables/target/rows", body);
    await send("PATCH", "/sql/tables/target/rows?id=eq.1", { [odd]: 1 });
    await send("POST", `/sql/tables/target/rows?on_conflict=${enc(odd)}`, { t: "x" });
    await send("POST", `/sql/tables/${enc(odd)}/rows`, { t: "x" });
    await send("POST", "/sql/tables/target/import", `${odd},t\n1,2\n`, "text/csv");
    await send("POST", "/sql/tables/target/import", `{"t":${JSON.stringify(odd)}}\n`, "application/x-ndjson");
    await send("POST", "/batch", [{ op: "table.insert", table: odd, rows: [{ t: odd }] }]);
  }
  await send("DELETE", "/sql/tables/target/rows?id=gt.2");
  const all = await send("POST", "/sql/tables/target/rows", wide);
  const values = (rows: Record<string, unknown>[]) => rows.map(({ t, j }) => [t, j]);
  same(values(JSON.parse(all.text).rows), values(wide));
  assert.is(await world(), before);
});

/** By text: the members of these objects have names that mislead comparisons of objects. */
function same(actual: unknown, expected: unknown): void {
  assert.is(JSON.stringify(actual), JSON.stringify(expected));
}

test("a deletion takes away what its filter finds, whatever the value", async () => {
  const before = await world();
  for (const odd of oddSql) {
    await send("DELETE", "/sql/tables/target/rows?id=not.is.null");
    await send("POST", "/sql/tables/target/rows", [{ t: odd }, { t: "stays" }, { t: null }]);
    const filter = odd === "" ? "t=eq." : `t=eq.${enc(odd)}`;
    const gone = await send("DELETE", `/sql/tables/target/rows?${filter}`);
    assert.equal(JSON.parse(gone.text), { count: 1 }, odd);
    for (const query of [`n=eq.${enc(odd)}`, `${enc(odd)}=eq.1`, `or=(${enc(odd)})`, `id=in.(${enc(odd)})`, enc(odd)])
      await send("DELETE", `/sql/tables/target/rows?${query}`);
    const left = await send("GET", "/sql/tables/target/rows?select=t");
    assert.equal(JSON.parse(left.text).rows, [{ t: "stays" }, { t: null }], odd);
  }
  assert.is(await world(), before);
});

test("odd names, defaults and enums of columns make no SQL of their own", async () => {
  const before = await world();
  for (const [index, odd] of oddSql.entries()) {
    // Some are names like any other.
    const named = await send("POST", "/sql/tables", { name: odd, columns: [{ name: odd, type: "text" }] });
    if (named.status === 201) await send("DELETE", `/sql/tables/${odd}?confirm=${odd}`);
    const column = await send("POST", "/sql/tables", { name: "odd", columns: [{ name: odd, type: "text" }] });
    if (column.status === 201) await send("DELETE", "/sql/tables/odd?confirm=odd");
    await send("POST", "/sql/tables", { name: "odd", columns: [{ name: "a", type: odd }] });
    await send("POST", "/sql/tables", {
      name: "odd",
      columns: [{ name: "a", type: "text", references: { table: odd, column: odd } }],
    });
    const columns = [
      { name: "a", type: "text", default: odd },
      { name: "e", type: "text", enum: [odd, "other"] },
      { name: "j", type: "jsonb", default: { v: odd } },
    ];
    const made = await send("POST", "/sql/tables", { name: `odd${index}`, columns });
    if (made.status !== 201) continue;
    const put = await send("POST", `/sql/tables/odd${index}/rows`, [{ e: odd }, { e: "other" }]);
    assert.equal(
      JSON.parse(put.text).rows.map(({ a, e, j }: Record<string, unknown>) => [a, e, j]),
      [odd, "other"].map((e) => [odd, e, { v: odd }]),
    );
    await send("PUT", `/sql/tables/odd${index}`, {
      columns: [{ name: "a", type: "text", default: `${odd}${odd}` }],
      confirm: odd,
    });
    assert.is((await send("DELETE", `/sql/tables/odd${index}?confirm=odd${index}`)).status, 200);
  }
  assert.is(await world(), before);
});

test("nothing of all this was a leak, slow, or of 5xx", () => {
  assert.ok(counts.requests > 3_000 && counts.taken > 300 && counts.refused > 1_000, JSON.stringify(counts));
  assert.equal([counts.server, counts.leaks, counts.slow], [0, 0, 0]);
});

if (testServer === null) console.log("skipped: TEST_DATABASE_URL is not set, so no server was attacked");
else test.run();
