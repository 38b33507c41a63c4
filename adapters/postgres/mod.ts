/**
 * The database on PostgreSQL 15 to 18: the stores, units, leases and the bus, over pools of connections.
 * It does not migrate (see `migrate.ts`) and runs no server (see `embedded.ts`).
 */
import type pg from "pg";
import type { Bus } from "../../core/ports/bus.ts";
import type { Database } from "../../core/ports/database.ts";
import type { Log } from "../../core/ports/log.ts";
import { openBus } from "./bus.ts";
import { postgresDocuments } from "./documents.ts";
import { postgresFiles } from "./files.ts";
import { postgresJournal } from "./journal.ts";
import { postgresLeases } from "./leases.ts";
import { readMigrations } from "./migrate.ts";
import { unitsOver } from "./mixed_unit.ts";
import { postgresObjectDeletions } from "./object_deletions.ts";
import { openPool, type Statement } from "./pool.ts";
import { postgresQueue } from "./queue.ts";
import { queueUnit } from "./queue_push.ts";
import { readinessOf } from "./readiness.ts";
import { postgresTables, tableUnits } from "./tables.ts";

export { refuseUnsafe, UnsafeSetting } from "./readiness.ts";
export { warnWithoutRoles } from "./tables/roles.ts";

export interface PostgresOptions {
  /** Where the database is, as the `pg` driver wants it: `{ connectionString }` or `{ host, port, user, … }`. */
  connection: pg.ClientConfig;
  /** The schema that holds everything, `[a-z_][a-z0-9_]*`, at most 48 characters. Left out: `public`. */
  schema?: string;
  /** Milliseconds added to the store's clock: for tests only. */
  clockOffsetMs?: number;
  /** The most connections for reads and units; one for each lane and one for the bus come on top. Left out: 10. */
  poolSize?: number;
  /** How many appends' batches may be under way at once. Left out: 1. */
  lanes?: number;
  /** Opens another bus for the processes that use this database. Left out: its own LISTEN and NOTIFY. */
  openBus?: (database: Database) => Promise<Bus>;
  log: Log;
}

const INSTALLATION: Statement = { name: "installation", text: "SELECT id FROM installation" };

/** A database and the bus between the processes that use it; close the bus first. */
export interface Postgres {
  readonly database: Database;
  readonly bus: Bus;
}

/**
 * Opens the database. It resolves whether or not the server can be reached: until it can, calls throw `unavailable` and `ready()` says why. Faults are
 * `unavailable`, `internal` and, for text with U+0000, `invalid_input`.
 */
export async function openPostgres(options: PostgresOptions): Promise<Postgres> {
  const { connection, schema = "public", clockOffsetMs = 0, poolSize = 10, lanes = 1, log } = options;
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) {
    throw new RangeError(`The schema is "${schema}"; it must be a lower-case name of at most 48 characters.`);
  }
  const needed = (await readMigrations()).map(({ version }) => version);
  const pool = openPool({ connection, schema, clockOffsetMs, size: poolSize, log });
  const appends = openPool({ connection, schema, clockOffsetMs, size: lanes, log });
  const { journal, drained } = postgresJournal({ pool, appends, lanes });
  const { queue, drained: queueDrained } = postgresQueue(pool);

  let closing: Promise<unknown> | null = null;
  let installation: string | null = null;

  const database: Database = {
    journal,
    documents: postgresDocuments(pool),
    files: postgresFiles(pool),
    tables: postgresTables(pool),
    queue,
    objectDeletions: postgresObjectDeletions(pool),
    commit: unitsOver(pool, [tableUnits, queueUnit]),
    lease: postgresLeases(pool),
    async installation() {
      // It never changes, and every large payload asks for it.
      installation ??= (await pool.query<{ id: string }>(INSTALLATION, []))[0]?.id ?? null;
      if (installation === null) throw new Error("the table installation is empty");
      return installation;
    },
    ready: () => readinessOf(pool, needed),
    async close() {
      closing ??= Promise.all([drained(), queueDrained()]).then(() => Promise.all([pool.end(), appends.end()]));
      await closing;
    },
  };
  const bus = await (options.openBus?.(database) ?? openBus({ connection, schema, pool, log }));
  return { database, bus };
}
