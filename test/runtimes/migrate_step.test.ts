/**
 * AUTO_MIGRATE=false on a database that nobody has migrated: the server lives and says what is missing, and becomes ready when the explicit step has
 * been taken, without a restart. On a PostgreSQL given by TEST_DATABASE_URL.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readMigrations } from "../../adapters/postgres/migrate.ts";
import { writeToken } from "../../core/kernel/credential.ts";
import { type Client, createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { eventually } from "../support/eventually.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, migrate, type TestDatabase, testServer } from "../support/test_database.ts";

const test = suite(`migrate step on ${runtimeName}`);
const ID = "0190163d-8694-439b-aea5-966c26f8ad91";
const pub = writeToken("pub", new Uint8Array(32).fill(7));
const rdg = writeToken("rdg", new Uint8Array(32).fill(7));
let database: TestDatabase;
let directory: { path: string; remove(): Promise<void> };
let server: ServerProcess;
let client: Client;

async function open(url: string): Promise<void> {
  database = await createTestDatabase(url);
  directory = await temporaryDirectory();
  const env = { DATASTORE_TOKEN: "service", ...database.env, AUTO_MIGRATE: "false", INTERNAL_TOKEN: "internal" };
  server = await startServerProcess({ dataDir: directory.path, env });
  client = createClient(server.url);
}

test.after(async () => {
  assert.is((await server.end("SIGTERM")).code, 0, server.output());
  await database.drop();
  await directory.remove();
});

test("the server starts, lives, and is not ready, with the command that helps", async () => {
  assert.is((await client.send("GET", "/healthz")).status, 200);
  const { status, body } = await client.send("GET", "/readyz");
  assert.is(status, 503);
  assert.equal([body.ready, body.checks.migrations.ready, body.checks.migrations.schema], [false, false, null]);
  assert.match(body.checks.migrations.reason, /lacks migration 0000, 0001.*migrate/);
  assert.equal(body.checks.objects, { ready: true });
});

const tool = (name: string, args: object) => ({
  body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } },
});
const owner = { headers: { "X-Publish-Token": pub } };
const routes: [method: string, path: string, options: Parameters<Client["send"]>[2]][] = [
  ["POST", "/v1/channels", { body: { name: "a", visibility: "public" } }],
  ["GET", `/v1/channels/${ID}`, owner],
  ["DELETE", `/v1/channels/${ID}`, owner],
  ["POST", `/v1/channels/${ID}/publish`, { raw: "done", ...owner }],
  ["POST", `/v1/channels/${ID}/read-grants`, { body: {}, ...owner }],
  ["POST", `/v1/channels/${ID}/read-grants/${ID}/revoke`, owner],
  ["GET", `/v1/public/${ID}?wait=0`, {}],
  ["GET", `/v1/private/${ID}?wait=0`, { headers: { "X-Read-Token": rdg } }],
  ["GET", `/internal/v1/channels/${ID}/messages`, { headers: { Authorization: "Bearer internal" } }],
];

for (const [method, path, options] of routes) {
  test(`${method} ${path.replaceAll(ID, ":id")} is unavailable until then`, async () => {
    const { status, body } = await client.send(method, path, options);
    assert.equal([status, body.error?.code], [503, "unavailable"], JSON.stringify(body));
    assert.not.match(body.error.message, /relation|function|schema_migrations|SELECT/);
  });
}

test("a stream is asked to come back until then, since an EventSource gives up at a 503", async () => {
  const { status, body } = await client.send("GET", `/v1/public/${ID}`);
  assert.is(status, 200);
  assert.match(body, /^retry: \d+\n/);
});

test("tools are unavailable until then", async () => {
  for (const [name, args] of [
    ["create_channel", { name: "a", visibility: "public" }],
    ["publish_message", { channel_id: ID, publish_token: pub, payload: 1 }],
    ["read_channel_messages", { channel_id: ID }],
  ] as const) {
    const { status, body } = await client.send("POST", "/mcp", tool(name, args));
    assert.equal(
      [status, body.result.isError, body.result._meta.code],
      [200, true, "unavailable"],
      JSON.stringify(body),
    );
  }
});

test("input that is wrong is still named first", async () => {
  const { status, body } = await client.send("POST", "/v1/channels", { body: { nmae: "a" } });
  assert.equal([status, body.error.code], [400, "invalid_input"]);
});

test("status says what is pending and changes nothing", async () => {
  const { code, output } = await migrate(["status"], database.env);
  assert.is(code, 0, output);
  assert.is(output, (await readMigrations()).map(({ version, name }) => `${version} ${name} pending\n`).join(""));
  assert.equal(await database.query("SELECT to_regclass('schema_migrations') AS found"), [{ found: null }]);
});

test("a word that is no action gets the usage", async () => {
  for (const words of [[], ["upwards"]]) {
    const { code, output } = await migrate(words, database.env);
    assert.is(code, 1);
    assert.match(output, /^Usage: npm run migrate -- up \| status \| down --destructive$/m);
  }
});

test("after `up` the server becomes ready without a restart, and serves", async () => {
  const all = await Promise.all([1, 2, 3].map(() => migrate(["up"], { ...database.env, AUTO_MIGRATE: "false" })));
  for (const { code, output } of all) assert.is(code, 0, output);
  const words = all.map(({ output }) => output).join("");
  for (const { version } of await readMigrations()) assert.is(words.split(`applied ${version}\n`).length, 2, words);
  assert.is(words.split("nothing to apply").length, 3, words);
  await eventually("ready", async () => (await client.send("GET", "/readyz")).status === 200);
  const channel = await client.createChannel();
  const stream = await openEvents(channel.url);
  assert.is((await client.publish(channel, "at last")).status, 201);
  assert.is(JSON.parse((await stream.until(1))[0]!.data).payload, "at last");
  stream.close();
  assert.match((await migrate(["status"], database.env)).output, /^0001 journal applied$/m);
});

test("`down` is refused where AUTO_MIGRATE=false, and without --destructive", async () => {
  const marked = await migrate(["down", "--destructive"], { ...database.env, AUTO_MIGRATE: "false" });
  assert.is(marked.code, 1, marked.output);
  assert.match(marked.output, /AUTO_MIGRATE=false.*down is refused/);
  const careless = await migrate(["down"], database.env);
  assert.is(careless.code, 1, careless.output);
  assert.match(careless.output, /destroys data.*destructive/);
  assert.is((await client.send("GET", "/readyz")).status, 200);
});

test("`down --destructive` takes the newest back, the server says so, and `up` brings it again", async () => {
  const down = await migrate(["down", "--destructive"], database.env);
  assert.equal([down.code, /^took back \d{4}$/m.test(down.output)], [0, true], down.output);
  await eventually("not ready", async () => (await client.send("GET", "/readyz")).status === 503);
  // The newest brought the files.
  const files = () => client.send("GET", "/files/temp", { headers: { Authorization: "Bearer service" } });
  const refused = await files();
  assert.equal([refused.status, refused.body.error.code], [503, "unavailable"]);
  assert.is((await migrate(["up"], database.env)).code, 0);
  await eventually("ready again", async () => (await client.send("GET", "/readyz")).status === 200);
  assert.is((await files()).status, 200);
});

if (testServer === null) {
  console.log("skipped: no TEST_DATABASE_URL");
} else {
  const url = testServer;
  test.before(() => open(url));
  test.run();
}
