/**
 * sqlmap (a Debian package) against every place of the tables' routes that takes text, on a server and a database of this test's own: nothing is
 * injectable. A route that splices text into SQL stands beside it, so that it is known that sqlmap finds what there is.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

const TOKEN = "service-token-of-the-sqlmap-test";
/** Its verdict; what it suspects on the way there it takes back once it has looked again. */
const FOUND = /identified the following injection point/;
const NONE = /do(?:es)? not (?:appear|seem) to be injectable/;

/** How many run side by side; each keeps what it finds in a directory of its own. */
const TOGETHER = 2;

interface Target {
  method: string;
  /** `*` marks where sqlmap puts what it tries. */
  path: string;
  body?: string;
  type?: string;
}

const rows = "/sql/tables/target/rows";
const cursor = btoa(JSON.stringify({ o: "id+l", k: [0] })).replaceAll("=", "");

const TARGETS: readonly Target[] = [
  ...["t=eq.one*", "n=gt.0*", "t=like.o*", "id=in.(1*)", "t=in.(%22one*%22)", "u=is.null*", "j-%3E%3Ea=eq.x*"].map(get),
  ...["t=isdistinct.one*", "j=cs.%7B%22a%22:%22x*%22%7D", "t=like(any).%7Bo*%7D", "n=gt(all*).%7B0%7D"].map(get),
  ...[
    "t*=eq.one",
    "t=eq*.one",
    "j-%3E%3Ea*=eq.x",
    "or=(t.eq.one*,n.eq.1)",
    "or=(t.eq.one,n*.eq.1)",
    "and=(t.not*.eq.x)",
  ].map(get),
  ...[
    "select=t*,n",
    "select=x*:t",
    "select=t,n.sum*()",
    "select=j-%3E%3Ea*",
    "order=t*",
    "order=n.desc*",
    "limit=1*",
  ].map(get),
  ...[`cursor=${cursor}*`, "count=exact*", "select=t,count()&order=t*"].map(get),
  { method: "GET", path: "/sql/tables/target*/rows" },
  { method: "GET", path: `${rows}.csv?select=t*` },
  { method: "GET", path: `${rows}.ndjson?t=eq.one*` },
  { method: "GET", path: "/sql/tables?cursor=x*" },
  { method: "POST", path: `${rows}?return=minimal`, body: '{"t":"one*","n":"1*","w":"2026-01-01*","j":{"a*":"b*"}}' },
  { method: "POST", path: `${rows}?return=minimal`, body: '{"t*":"one"}' },
  { method: "POST", path: `${rows}?on_conflict=u*&resolution=ignore`, body: '{"u":"x*"}' },
  { method: "PATCH", path: `${rows}?id=eq.1*`, body: '{"t":"one*","n*":1}' },
  { method: "DELETE", path: `${rows}?id=eq.0*` },
  { method: "DELETE", path: `${rows}?t=eq.nobody*&n=gt*.7` },
  { method: "POST", path: "/sql/tables/target/import", body: "t,n*\none*,1*\n", type: "text/csv" },
  {
    method: "POST",
    path: "/sql/tables",
    body: '{"name":"new*","columns":[{"name":"a*","type":"text*","default":"x*"}]}',
  },
  {
    method: "POST",
    path: "/batch",
    body: '[{"op":"table.insert","table":"target*","rows":[{"t":"x*"}],"return":"minimal"}]',
  },
];

function get(query: string): Target {
  return { method: "GET", path: `${rows}?${query}` };
}

const test = suite("sqlmap");
let database: TestDatabase;
let server: ServerProcess;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

/** What sqlmap prints about one target. */
function sqlmap(base: string, { method, path, body, type = "application/json" }: Target): Promise<string> {
  const sent = body === undefined ? [] : ["--data", body, "-H", `Content-Type: ${type}`];
  const args = ["-u", base + path, "--method", method, "-H", `Authorization: Bearer ${TOKEN}`, ...sent];
  const how = ["--batch", "--level", "3", "--risk", "3", "--dbms", "PostgreSQL", "--technique", "BEUSTQ", "--skip-waf"];
  const bounds = ["--flush-session", "--timeout", "10", "--retries", "0", "--time-sec", "2", "--disable-coloring"];
  return run([...args, ...how, ...bounds, "--output-dir", join(directory.path, crypto.randomUUID())]);
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("sqlmap", args, { stdio: ["ignore", "pipe", "pipe"], timeout: 300_000 });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (output += String(chunk)));
    child.once("error", reject);
    child.once("close", () => resolve(output));
  });
}

async function send(method: string, path: string, body?: unknown): Promise<string> {
  const headers = { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  return (await fetch(server.url + path, init)).text();
}

test.before(async () => {
  database = await createTestDatabase(testServer!);
  directory = await temporaryDirectory();
  server = await startServerProcess({ dataDir: directory.path, env: { ...database.env, DATASTORE_TOKEN: TOKEN } });
  const types = { t: "text", n: "integer", w: "timestamptz", j: "jsonb" };
  const columns: object[] = Object.entries(types).map(([name, type]) => ({ name, type }));
  columns.push({ name: "u", type: "text", unique: true });
  await send("POST", "/sql/tables", { name: "target", columns });
  await send("POST", "/sql/tables", { name: "victim", columns: [{ name: "secret", type: "text" }] });
  await send("POST", "/sql/tables/victim/rows", [{ secret: "one" }, { secret: "two" }]);
  await send("POST", rows, [
    { t: "one", n: 1, j: { a: "x" }, u: "x" },
    { t: "two", n: 2 },
  ]);
});

test.after(async () => {
  await server?.end("SIGTERM");
  await database?.drop();
  await directory?.remove();
});

test("what splices text into SQL is found", async () => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const [home] = await database.query("SELECT schema_name FROM table_home");
  const spliced = createServer((request, response) => {
    const value = new URL(request.url!, "http://localhost").searchParams.get("t");
    client
      .query(`SELECT t FROM ${home!.schema_name}.sql_target WHERE t = '${value}'`)
      .then(({ rows: found }) => response.end(JSON.stringify(found)))
      .catch((error: Error) => response.writeHead(500).end(error.message));
  });
  await new Promise<void>((resolve) => spliced.listen(0, "127.0.0.1", resolve));
  try {
    const base = `http://127.0.0.1:${(spliced.address() as AddressInfo).port}`;
    assert.match(await sqlmap(base, { method: "GET", path: "/?t=one*" }), FOUND);
  } finally {
    spliced.close();
    await client.end();
  }
});

test("nothing of the tables is injectable", async () => {
  const base = server.url.replace("localhost", "127.0.0.1");
  const victim = await send("GET", "/sql/tables/victim/rows");
  const injectable: string[] = [];
  const waiting = [...TARGETS];
  const worker = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const output = await sqlmap(base, target);
      const told = `${target.method} ${target.path} ${target.body ?? ""}`;
      if (FOUND.test(output)) injectable.push(`${told}\n${output}`);
      else assert.match(output, NONE, `${told}: sqlmap came to no end\n${output}`);
      assert.not.match(output, /5\d\d \([A-Z][\w ]+\) - \d+ times/, `${told}\n${output}`);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
  console.log(`sqlmap: ${TARGETS.length} targets, ${injectable.length} injectable`);
  assert.equal(injectable, []);
  assert.is(await send("GET", "/sql/tables/victim/rows"), victim);
});

const isThere = await run(["--version"]).then(
  () => true,
  () => false,
);
if (testServer === null) console.log("skipped: TEST_DATABASE_URL is not set, so no server was attacked");
else if (!isThere) console.log("skipped: sqlmap is not installed (Debian: apt-get install sqlmap)");
else test.run();
