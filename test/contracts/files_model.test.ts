/** The files model on memory, and on the server that TEST_DATABASE_URL names, in a schema of this run's own. */
import process from "node:process";
import pg from "pg";
import { postgresFiles } from "../../adapters/postgres/files.ts";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPool } from "../../adapters/postgres/pool.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { modelRuns } from "../support/model_runs.ts";
import { filesModel } from "./files_model.ts";

const RUNS = modelRuns();
const url = process.env.TEST_DATABASE_URL;

filesModel("memory", RUNS, async () => {
  let clock = memoryClock();
  let database = memoryDatabase(clock);
  return {
    get files() {
      return database.files;
    },
    queued: () => database.objectDeletions.due(0, 1_000),
    advance: (ms) => clock.advance(ms),
    async reset() {
      clock = memoryClock();
      database = memoryDatabase(clock);
    },
    close: async () => undefined,
  };
});

if (url) {
  filesModel("postgres", RUNS, async () => {
    const schema = `files_model_${crypto.randomUUID().replaceAll("-", "")}`.slice(0, 40);
    const connection = { connectionString: url };
    const log = memoryLog();
    await migrateUp({ connection, schema, log });
    // One connection, whose clock the test moves.
    const pool = openPool({ connection, schema, clockOffsetMs: 0, size: 1, log });
    const run = (name: string, text: string, values: unknown[] = []) =>
      pool.query<{ key: string }>({ name, text }, values);
    let offset = 0;
    const clockAt = (ms: number) => run("clock_at", "SELECT set_config('millrace.clock_offset', $1, false)", [`${ms}`]);
    return {
      files: postgresFiles(pool),
      queued: async () => (await run("queued", "SELECT key FROM object_deletions")).map(({ key }) => key),
      async advance(ms) {
        offset += ms;
        await clockAt(offset);
      },
      async reset() {
        await run("empty", "WITH f AS (DELETE FROM files), u AS (DELETE FROM file_usage) DELETE FROM object_deletions");
        offset = 0;
        await clockAt(0);
      },
      async close() {
        await pool.end();
        const client = new pg.Client(connection);
        await client.connect();
        await client.query(`DROP SCHEMA ${schema} CASCADE`);
        await client.end();
      },
    };
  });
} else {
  console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
}
