/**
 * The migrator: brings a schema from version to version by the files in `migrations/`, each in a transaction of its own.
 * Files are immutable once applied, which their checksums watch. Several migrators at once are safe.
 */
import { readdir, readFile } from "node:fs/promises";
import pg from "pg";
import type { Log } from "../../core/ports/log.ts";
import { clientConfig, quoted } from "./pool.ts";

/** One step: `0001_journal.sql`, and `0001_journal.down.sql` to take it back. */
export interface Migration {
  /** `0001` */
  version: string;
  /** `journal` */
  name: string;
  /** SHA-256 of the file, lower-case hex. */
  checksum: string;
  sql: string;
  /** `null`: this step cannot be taken back. */
  down: string | null;
}

/** Where a step stands; `unknown` ones were applied by a newer release. */
export interface MigrationState {
  version: string;
  name: string;
  state: "applied" | "pending" | "changed" | "unknown";
  appliedAt: Date | null;
}

export interface MigrateOptions {
  /** Where the database is: directly, not through a pooler, since the lock belongs to a session. */
  connection: pg.ClientConfig;
  schema?: string;
  /** Steps to go by instead of those in `migrations/`. */
  migrations?: readonly Migration[];
  log: Log;
}

/** A failure in words for the operator. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

interface Applied {
  version: string;
  name: string;
  checksum: string;
  applied_at: Date;
}

const FOLDER = new URL("../../migrations/", import.meta.url);
const FILE = /^(\d{4})_([a-z0-9_]+)\.sql$/;
/** How long one migrator waits for the others. */
const WAIT_MS = 120_000;
const POLL_MS = 50;
/** A lock that live traffic does not yield within this time makes the step fail and be tried again, rather than queue everyone behind it. */
const LOCK_MS = 3_000;
const TRIES = 5;

/** Reads the steps from a folder, in order of version. */
export async function readMigrations(folder: URL = FOLDER): Promise<Migration[]> {
  const names = new Set(await readdir(folder));
  const steps = [...names].filter((name) => FILE.test(name)).sort();
  return await Promise.all(
    steps.map(async (file) => {
      const [, version = "", name = ""] = FILE.exec(file) ?? [];
      const sql = await readFile(new URL(file, folder), "utf8");
      const downFile = file.replace(/\.sql$/, ".down.sql");
      const down = names.has(downFile) ? await readFile(new URL(downFile, folder), "utf8") : null;
      return { version, name, checksum: await sha256(sql), sql, down };
    }),
  );
}

/** Applies every pending step; returns the versions that this call applied. */
export async function migrateUp(options: MigrateOptions): Promise<string[]> {
  const migrations = options.migrations ?? (await readMigrations());
  return await alone(options, async (client) => {
    const applied = await appliedIn(client);
    const changed = statesOf(migrations, applied).find(({ state }) => state === "changed");
    if (changed) throw new MigrationError(changedWords(changed));
    const done = new Set(applied.map(({ version }) => version));
    const pending = migrations.filter(({ version }) => !done.has(version));
    for (const step of pending) {
      const row = [step.version, step.name, step.checksum].map(pg.escapeLiteral).join(", ");
      const record = `INSERT INTO schema_migrations (version, name, checksum) VALUES (${row})`;
      await inTransaction(client, [step.sql, record]);
      options.log.write("info", "migration_applied", { version: step.version, name: step.name });
    }
    return pending.map(({ version }) => version);
  });
}

/** Takes back the newest step, and its data with it; returns its version, or `null` when none is applied. */
export async function migrateDown(options: MigrateOptions & { destructive: boolean }): Promise<string | null> {
  if (!options.destructive) {
    throw new MigrationError("Taking back a migration destroys data: say so with the destructive option.");
  }
  const migrations = options.migrations ?? (await readMigrations());
  return await alone(options, async (client) => {
    const newest = (await appliedIn(client)).at(-1);
    if (!newest) return null;
    const down = migrations.find(({ version }) => version === newest.version)?.down;
    if (!down) throw new MigrationError(`Migration ${newest.version}_${newest.name} cannot be taken back.`);
    const forget = `DELETE FROM schema_migrations WHERE version = ${pg.escapeLiteral(newest.version)}`;
    await inTransaction(client, [down, forget]);
    options.log.write("warn", "migration_taken_back", { version: newest.version, name: newest.name });
    return newest.version;
  });
}

/** Where each step stands, in order of version; it changes nothing. */
export async function migrationStatus(options: MigrateOptions): Promise<MigrationState[]> {
  const migrations = options.migrations ?? (await readMigrations());
  return await connected(options, async (client) => {
    const { rows } = await client.query("SELECT to_regclass('schema_migrations') IS NOT NULL AS present");
    return statesOf(migrations, rows[0].present ? await appliedIn(client) : []);
  });
}

function statesOf(migrations: readonly Migration[], applied: readonly Applied[]): MigrationState[] {
  const known = new Map(migrations.map((step) => [step.version, step]));
  const found = new Map(applied.map((row) => [row.version, row]));
  return [...new Set([...known.keys(), ...found.keys()])].sort().map((version) => {
    const step = known.get(version);
    const row = found.get(version);
    const name = row?.name ?? step?.name ?? "";
    if (!row) return { version, name, state: "pending", appliedAt: null };
    if (!step) return { version, name, state: "unknown", appliedAt: row.applied_at };
    return { version, name, state: step.checksum === row.checksum ? "applied" : "changed", appliedAt: row.applied_at };
  });
}

function changedWords({ version, name }: MigrationState): string {
  return `Migration ${version}_${name} was changed after it had been applied. Restore the file, and put the change in a new migration.`;
}

async function appliedIn(client: pg.Client): Promise<Applied[]> {
  const { rows } = await client.query<Applied>(
    "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version",
  );
  return rows;
}

async function connected<T>(options: MigrateOptions, work: (client: pg.Client) => Promise<T>): Promise<T> {
  // No limit on statements here: building an index may take its time.
  const client = new pg.Client({ ...clientConfig(options.connection), query_timeout: 0 });
  let broken: Error | undefined;
  client.on("error", (error) => {
    broken = error;
  });
  await client.connect();
  try {
    await client.query("SELECT set_config('search_path', $1, false), set_config('lock_timeout', $2, false)", [
      quoted(options.schema ?? "public"),
      `${LOCK_MS}`,
    ]);
    return await work(client);
  } finally {
    if (!broken) await client.end();
  }
}

/** Runs `work` while no other migrator of the schema does, with the schema and the list of applied steps at hand. */
async function alone<T>(options: MigrateOptions, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const schema = options.schema ?? "public";
  return await connected(options, async (client) => {
    await lock(client, schema);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}`);
    await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
      version text COLLATE "C" PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`);
    return await work(client);
  });
}

// Asked for again and again rather than waited for in the server: a statement that waits holds a snapshot, and an index that another
// session builds concurrently would wait for that. The lock goes with the session.
async function lock(client: pg.Client, schema: string): Promise<void> {
  for (let waited = 0; waited <= WAIT_MS; waited += POLL_MS) {
    const { rows } = await client.query<{ held: boolean }>(
      "SELECT pg_try_advisory_lock(hashtextextended('millrace migrations ' || $1, 0)) AS held",
      [schema],
    );
    if (rows[0]?.held) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new MigrationError(`Another migrator has been at work for more than ${WAIT_MS / 1000} s.`);
}

// In one round trip, since there are many files on a first start.
async function inTransaction(client: pg.Client, parts: readonly string[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await client.query(["BEGIN", ...parts, "COMMIT"].join("\n;\n"));
      return;
    } catch (error) {
      await client.query("ROLLBACK");
      const timedOut = error instanceof Error && "code" in error && error.code === "55P03";
      if (!timedOut || tries === TRIES) throw error;
    }
  }
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
