/** A PostgreSQL that loses in a crash what it has acknowledged: refused in words, unless the operator insists. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createClient } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own_postgres.ts";
import { runtimeName } from "../support/runtime.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const test = suite(`unsafe database on ${runtimeName}`);
let postgres: OwnPostgres;
let env: Record<string, string>;

test.before(async () => {
  postgres = await startOwnPostgres();
  env = { DATABASE_URL: postgres.url, TOKEN_SECRET_SALT: "the salt of these tests" };
});

test.after(() => postgres.stop());

for (const name of ["fsync", "full_page_writes", "synchronous_commit"]) {
  test(`${name} off is refused in words, with exit code 1, and nothing is written`, async () => {
    await postgres.set(name, "off");
    const directory = await temporaryDirectory();
    const words = await startServerProcess({ dataDir: directory.path, env }).then(
      async (server) => {
        await server.end("SIGTERM");
        return "it started";
      },
      (error: Error) => error.message,
    );
    await postgres.set(name, "on");
    assert.match(words, /ended with code 1 before it was ready/);
    assert.match(words, `The database has ${name} off: what it acknowledges can be lost. Turn on ${name}.`);
    assert.not.match(words, /\bat .+:\d+:\d+/);
    assert.equal(await postgres.query("SELECT to_regclass('schema_migrations') AS found"), [{ found: null }]);
    await directory.remove();
  });
}

test("with MILLRACE_ALLOW_UNSAFE_DATABASE=true it starts, and says so loudly", async () => {
  await postgres.set("fsync", "off");
  const directory = await temporaryDirectory();
  const server = await startServerProcess({
    dataDir: directory.path,
    env: { ...env, MILLRACE_ALLOW_UNSAFE_DATABASE: "true", LOG_LEVEL: "error" },
  });
  const channel = await createClient(server.url).createChannel();
  assert.is((await createClient(server.url).publish(channel, 1)).status, 201);
  await eventually("the loud line", () => server.output().includes("database_unsafe"));
  const line = server
    .output()
    .split("\n")
    .find((one) => one.includes("database_unsafe"))!;
  const { level, off, meaning } = JSON.parse(line);
  assert.equal([level, off, meaning], ["error", ["fsync"], "acknowledged writes can be lost in a crash"]);
  assert.is((await server.end("SIGTERM")).code, 0);
  await postgres.set("fsync", "on");
  await directory.remove();
});

test("a safe database is taken without a word", async () => {
  const directory = await temporaryDirectory();
  const server = await startServerProcess({ dataDir: directory.path, env });
  assert.is((await createClient(server.url).send("GET", "/readyz")).status, 200);
  assert.not.match(server.output(), /database_unsafe/);
  assert.is((await server.end("SIGTERM")).code, 0);
  await directory.remove();
});

test.run();
