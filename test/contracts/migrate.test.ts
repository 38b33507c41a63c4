/**
 * What the migrator promises, on the server that TEST_DATABASE_URL names, each test in a schema of its own.
 */
import process from "node:process";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type MigrateOptions,
  type Migration,
  migrateDown,
  migrateUp,
  migrationStatus,
  readMigrations,
} from "../../adapters/postgres/migrate.ts";
import { openPostgres, refuseUnsafe } from "../../adapters/postgres/mod.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { promises } from "../support/promises.ts";

const url = process.env.TEST_DATABASE_URL;

interface Harness {
  options: MigrateOptions & { schema: string; connection: { connectionString: string } };
  sql(text: string): Promise<pg.QueryResultRow[]>;
  close(): Promise<void>;
}

async function openHarness(): Promise<Harness> {
  const schema = `t_${crypto.randomUUID().replaceAll("-", "")}`;
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  return {
    options: { connection: { connectionString: url! }, schema, log: memoryLog("error") },
    sql: async (text) => (await client.query(text)).rows,
    async close() {
      await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      await client.end();
    },
  };
}

function step(version: string, sql: string, down: string | null = null): Migration {
  return { version, name: `step_${version}`, checksum: `sum of ${sql}`, sql, down };
}

/** The words with which it fails; success is an error. */
async function failure(attempt: Promise<unknown>): Promise<string> {
  const result = await attempt.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  if (result === null) throw new Error("it did not fail");
  return result;
}

/** How often the server is asked meanwhile. */
async function roundTrips(work: () => Promise<unknown>): Promise<number> {
  const { query } = pg.Client.prototype;
  let sent = 0;
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: unknown[]) {
    sent += 1;
    return Reflect.apply(query, this, args);
  } as typeof query;
  await work().finally(() => {
    pg.Client.prototype.query = query;
  });
  return sent;
}

function keepsPromises(): void {
  promises("migrate", openHarness, (keeps) => {
    keeps("migrators at once apply each step exactly once", async ({ options, sql }) => {
      const migrations = [
        step("0001", "CREATE TABLE runs (version text)"),
        step("0002", "INSERT INTO runs VALUES ('0002'); SELECT pg_sleep(0.1)"),
        step("0003", "INSERT INTO runs VALUES ('0003')"),
      ];
      const applied = await Promise.all(Array.from({ length: 8 }, () => migrateUp({ ...options, migrations })));
      assert.equal(applied.flat().sort(), ["0001", "0002", "0003"]);
      assert.equal(await sql("SELECT version FROM runs ORDER BY version"), [{ version: "0002" }, { version: "0003" }]);
    });

    keeps("a step that fails leaves nothing of itself, and those before it stand", async ({ options, sql }) => {
      const migrations = [
        step("0001", "CREATE TABLE one (x int)"),
        step("0002", "CREATE TABLE two (x int); SELECT 1 / 0"),
        step("0003", "CREATE TABLE three (x int)"),
      ];
      assert.match(await failure(migrateUp({ ...options, migrations })), /zero/);
      const tables = await sql("SELECT to_regclass('one')::text AS one, to_regclass('two') AS two");
      assert.equal(tables, [{ one: "one", two: null }]);
      assert.equal(await migrateUp({ ...options, migrations: [migrations[0]!, step("0002", "SELECT 1")] }), ["0002"]);
    });

    keeps(
      "a file that changed after it was applied is refused by name, and nothing is applied",
      async ({ options }) => {
        await migrateUp({ ...options, migrations: [step("0001", "SELECT 1")] });
        const migrations = [step("0001", "SELECT 2"), step("0002", "SELECT 3")];
        assert.match(await failure(migrateUp({ ...options, migrations })), /0001_step_0001 was changed/);
        const states = await migrationStatus({ ...options, migrations });
        assert.equal(
          states.map(({ version, state }) => `${version} ${state}`),
          ["0001 changed", "0002 pending"],
        );
      },
    );

    keeps("status says what is applied, pending and unknown, and changes nothing", async ({ options, sql }) => {
      const migrations = [step("0001", "SELECT 1"), step("0002", "SELECT 2")];
      const before = await migrationStatus({ ...options, migrations });
      assert.ok(before.every(({ state, appliedAt }) => state === "pending" && appliedAt === null));
      assert.equal(await sql("SELECT to_regclass('schema_migrations') AS present"), [{ present: null }]);
      await migrateUp({ ...options, migrations });
      const after = await migrationStatus({ ...options, migrations: [migrations[0]!, step("0003", "SELECT 3")] });
      assert.equal(
        after.map(({ version, state }) => `${version} ${state}`),
        ["0001 applied", "0002 unknown", "0003 pending"],
      );
    });

    keeps(
      "a step that is applied costs a start nothing, and a pending one a single round trip",
      async ({ options }) => {
        const migrations = Array.from({ length: 20 }, (_, i) => step(`${i}`.padStart(4, "0"), "SELECT 1; SELECT 2"));
        const start = (steps: number) =>
          roundTrips(() => migrateUp({ ...options, migrations: migrations.slice(0, steps) }));
        await start(1);
        const idle = await start(1);
        assert.ok(idle > 0);
        assert.is(await start(20), idle + 19);
        assert.is(await start(20), idle);
      },
    );

    keeps("a step that cannot be recorded leaves nothing of itself", async (h) => {
      const migrations = [step("0001", "CREATE TABLE one (x int)")];
      await migrateUp({ ...h.options, migrations: [] });
      await h.sql("ALTER TABLE schema_migrations ADD CHECK (version <> '0001')");
      assert.match(await failure(migrateUp({ ...h.options, migrations })), /check constraint/);
      assert.equal(await h.sql("SELECT to_regclass('one') AS one"), [{ one: null }]);
    });

    keeps("down takes back one step, the newest, and only when told that data goes", async ({ options, sql }) => {
      const migrations = [
        step("0001", "CREATE TABLE one (x int)", "DROP TABLE one"),
        step("0002", "CREATE TABLE two (x int)", "DROP TABLE two"),
      ];
      await migrateUp({ ...options, migrations });
      assert.match(await failure(migrateDown({ ...options, migrations, destructive: false })), /destructive/);
      assert.is(await migrateDown({ ...options, migrations, destructive: true }), "0002");
      const tables = await sql("SELECT to_regclass('one')::text AS one, to_regclass('two') AS two");
      assert.equal(tables, [{ one: "one", two: null }]);
      assert.is(await migrateDown({ ...options, migrations, destructive: true }), "0001");
      assert.is(await migrateDown({ ...options, migrations, destructive: true }), null);
    });

    keeps("down of a step without a way back is refused", async ({ options }) => {
      const migrations = [step("0001", "SELECT 1")];
      await migrateUp({ ...options, migrations });
      assert.match(await failure(migrateDown({ ...options, migrations, destructive: true })), /cannot be taken back/);
    });

    keeps("every step of this release can be applied, taken back to nothing, and applied again", async (h) => {
      const versions = (await readMigrations()).map(({ version }) => version);
      assert.equal(await migrateUp(h.options), versions);
      for (const version of versions.toReversed()) {
        assert.is(await migrateDown({ ...h.options, destructive: true }), version);
      }
      const left =
        await h.sql(`SELECT relname AS name FROM pg_class WHERE relnamespace = '${h.options.schema}'::regnamespace
        AND relkind IN ('r', 'v', 'S') UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = '${h.options.schema}'::regnamespace`);
      assert.equal(left, [{ name: "schema_migrations" }]);
      assert.equal(await migrateUp(h.options), versions);
    });

    keeps("ready() names the steps that are missing, and accepts those of a newer release", async (h) => {
      const steps = await readMigrations();
      const newest = steps.at(-1)!.version;
      const { database, bus } = await openPostgres(h.options);
      const before = await database.ready();
      assert.is(before.ready, false);
      assert.is(before.schema, null);
      await migrateUp({ ...h.options, migrations: steps.slice(0, -1) });
      const between = await database.ready();
      assert.is(between.ready, false);
      assert.match(between.reason ?? "", newest);
      await migrateUp({ ...h.options, migrations: [...steps, step("9999", "SELECT 1")] });
      assert.equal(await database.ready(), { ready: true, schema: "9999" });
      await bus.close();
      await database.close();
    });

    keeps("refuseUnsafe() names a setting that is off, or only warns when allowed to", async ({ options }) => {
      await refuseUnsafe(options);
      const risky = { connection: { ...options.connection, options: "-c synchronous_commit=off" } };
      const log = memoryLog("warn");
      assert.match(await failure(refuseUnsafe({ ...risky, log })), /synchronous_commit off/);
      await refuseUnsafe({ ...risky, allow: true, log });
      assert.is(log.lines.length, 1);
    });
  });
}

const files = suite("migrations");

files("have versions that count up by one, and a way back each", async () => {
  const steps = await readMigrations();
  assert.ok(steps.length > 0);
  for (const [index, { version, name, down }] of steps.entries()) {
    assert.is(Number(version), index, `${version}_${name}`);
    assert.ok(down, `${version}_${name} has a way back`);
  }
});

files("name no schema", async () => {
  for (const { name, sql, down } of await readMigrations()) {
    assert.not.match(`${sql}${down}`, /\bpublic\.|SCHEMA (?!(IF EXISTS )?%I)|search_path\s*=/, name);
  }
});

files.run();

if (url) keepsPromises();
else console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
