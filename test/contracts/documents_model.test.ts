/** The documents model on the server that TEST_DATABASE_URL names, in a schema of this run's own; and on memory itself, which proves the harness. */
import process from "node:process";
import pg from "pg";
import { postgresDocuments } from "../../adapters/postgres/documents.ts";
import { postgresJournal } from "../../adapters/postgres/journal.ts";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPool } from "../../adapters/postgres/pool.ts";
import { commitUnit } from "../../adapters/postgres/unit.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { modelRuns } from "../support/model_runs.ts";
import { documentsModel } from "./documents_model.ts";

const RUNS = modelRuns(400);
const url = process.env.TEST_DATABASE_URL;

documentsModel("memory", RUNS, async () => {
  let clock = memoryClock();
  let database = memoryDatabase(clock);
  return {
    get database() {
      return database;
    },
    now: () => clock.now().getTime(),
    advance: (ms) => clock.advance(ms),
    async reset() {
      clock = memoryClock();
      database = memoryDatabase(clock);
    },
    close: async () => undefined,
  };
});

if (url) {
  documentsModel("postgres", RUNS, async () => {
    const schema = `documents_model_${crypto.randomUUID().replaceAll("-", "")}`.slice(0, 40);
    const connection = { connectionString: url };
    const log = memoryLog();
    await migrateUp({ connection, schema, log });
    // One connection, whose clock the test moves.
    const pool = openPool({ connection, schema, clockOffsetMs: 0, size: 1, log });
    const run = (name: string, text: string, values: unknown[] = []) => pool.query<object>({ name, text }, values);
    let offset = 0;
    const clockAt = (ms: number) => run("clock_at", "SELECT set_config('millrace.clock_offset', $1, false)", [`${ms}`]);
    const { journal } = postgresJournal({ pool, appends: pool, lanes: 1 });
    return {
      database: { commit: (unit) => commitUnit(pool, unit), documents: postgresDocuments(pool), journal },
      now: () => Date.now() + offset,
      async advance(ms) {
        offset += ms;
        await clockAt(offset);
      },
      async reset() {
        await run(
          "empty",
          `WITH d AS (DELETE FROM documents), v AS (DELETE FROM document_versions), k AS (DELETE FROM document_keys),
            t AS (DELETE FROM document_tombstones), e AS (DELETE FROM journal_entries) DELETE FROM journal_subjects`,
        );
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
