/** The queue's model on memory, which proves the harness, and on the server that TEST_DATABASE_URL names, in a schema of this run's own. */
import process from "node:process";
import pg from "pg";
import { migrateUp, readMigrations } from "../../adapters/postgres/migrate.ts";
import { openPool } from "../../adapters/postgres/pool.ts";
import { postgresQueue } from "../../adapters/postgres/queue.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { memoryQueue } from "../../core/ports/memory/queue.ts";
import { modelRuns } from "../support/model_runs.ts";
import { queueModel } from "./queue_model.ts";

const RUNS = modelRuns();
const url = process.env.TEST_DATABASE_URL;

queueModel("memory", RUNS, async () => {
  let clock = memoryClock();
  let { queue } = memoryQueue(clock);
  return {
    get queue() {
      return queue;
    },
    now: () => clock.now().getTime(),
    advance: async (ms) => clock.jump(ms),
    tick: async () => clock.jump(1),
    async reset() {
      clock = memoryClock();
      ({ queue } = memoryQueue(clock));
    },
    close: async () => undefined,
  };
});

if (url) {
  queueModel("postgres", RUNS, async () => {
    const schema = `queue_model_${crypto.randomUUID().replaceAll("-", "")}`.slice(0, 40);
    const connection = { connectionString: url };
    const log = memoryLog();
    const own = ["0000", "0003"];
    const migrations = (await readMigrations()).filter(({ version }) => own.includes(version));
    await migrateUp({ connection, schema, migrations, log });
    // One connection, whose clock the test moves; what it stores need not last.
    const quick = { ...connection, options: "-c synchronous_commit=off" };
    const pool = openPool({ connection: quick, schema, clockOffsetMs: 0, size: 1, log });
    const run = (name: string, text: string, values: unknown[] = []) => pool.query<object>({ name, text }, values);
    let offset = 0;
    const clockAt = (ms: number) => run("clock_at", "SELECT set_config('millrace.clock_offset', $1, false)", [`${ms}`]);
    return {
      queue: postgresQueue(pool).queue,
      now: () => Date.now() + offset,
      async advance(ms) {
        offset += ms;
        await clockAt(offset);
      },
      async tick() {
        for (const now = Date.now(); Date.now() === now; ) await new Promise(setImmediate);
      },
      async reset() {
        await run(
          "empty",
          `WITH j AS (DELETE FROM queue_jobs), e AS (DELETE FROM queue_ended), g AS (DELETE FROM queue_groups), w AS (DELETE FROM queue_windows),
            m AS (DELETE FROM queue_minutes), s AS (DELETE FROM queue_schedules) DELETE FROM queues`,
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
