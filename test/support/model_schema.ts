/**
 * What the models of stores run on: the memory twin, which proves the harness, and where TEST_DATABASE_URL names a server, PostgreSQL in a schema of this
 * run's own, over one connection whose clock the test moves.
 */
import process from "node:process";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPool, type Pool } from "../../adapters/postgres/pool.ts";
import type { Database } from "../../core/ports/database.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";

/** A store under a model's eyes, and its clock. */
export interface ModelStore<Stores extends keyof Database> {
  readonly database: Pick<Database, Stores>;
  /** The store's clock. */
  now(): number;
  advance(ms: number): Promise<void>;
  /** Lets at least a millisecond pass. */
  tick(): Promise<void>;
  /** Empties the store and sets its clock to where it began. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

interface OnPostgres<Stores extends keyof Database> {
  /** The stores over the one connection. */
  over(pool: Pool): Pick<Database, Stores>;
  /** The tables that hold all that a sequence may leave. */
  tables: readonly string[];
}

/** Calls `run` with each twin there is, and how it is opened. */
export function onEveryModel<Stores extends keyof Database>(
  postgres: OnPostgres<Stores>,
  run: (twin: string, open: () => Promise<ModelStore<Stores>>) => void,
): void {
  run("memory", openMemory);
  const url = process.env.TEST_DATABASE_URL;
  if (url) run("postgres", () => openSchema(url, postgres));
  else console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
}

async function openMemory(): Promise<ModelStore<keyof Database>> {
  let clock = memoryClock();
  let database = memoryDatabase(clock);
  return {
    get database() {
      return database;
    },
    now: () => clock.now().getTime(),
    advance: async (ms) => clock.jump(ms),
    tick: async () => clock.jump(1),
    async reset() {
      clock = memoryClock();
      database = memoryDatabase(clock);
    },
    close: async () => undefined,
  };
}

async function openSchema<Stores extends keyof Database>(
  url: string,
  { over, tables }: OnPostgres<Stores>,
): Promise<ModelStore<Stores>> {
  const schema = `model_${crypto.randomUUID().replaceAll("-", "")}`;
  const log = memoryLog();
  await migrateUp({ connection: { connectionString: url }, schema, log });
  // What it stores need not last.
  const connection = { connectionString: url, options: "-c synchronous_commit=off" };
  const pool = openPool({ connection, schema, clockOffsetMs: 0, size: 1, log });
  const run = (name: string, text: string, values: unknown[] = []) => pool.query<object>({ name, text }, values);
  const clockAt = (ms: number) => run("clock_at", "SELECT set_config('millrace.clock_offset', $1, false)", [`${ms}`]);
  const emptied = tables.map((table) => `${table} AS (DELETE FROM ${table})`).join(", ");
  let offset = 0;
  return {
    database: over(pool),
    now: () => Date.now() + offset,
    async advance(ms) {
      offset += ms;
      await clockAt(offset);
    },
    async tick() {
      for (const now = Date.now(); Date.now() === now; ) await new Promise(setImmediate);
    },
    async reset() {
      await run("empty", `WITH ${emptied} SELECT`);
      offset = 0;
      await clockAt(0);
    },
    async close() {
      await run("drop", `DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}
