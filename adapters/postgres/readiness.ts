/**
 * Whether the database can serve: reached, writable, migrated as far as this release needs, and told to keep what it acknowledges.
 */
import pg from "pg";
import type { Readiness } from "../../core/ports/database.ts";
import type { Log } from "../../core/ports/log.ts";
import { clientConfig, type Pool, type Statement } from "./pool.ts";

const APPLIED: Statement = {
  name: "schema_version",
  text: `SELECT coalesce(array_agg(version::text ORDER BY version), '{}') AS versions, pg_is_in_recovery() AS standby
    FROM schema_migrations`,
};

const PRESENT: Statement = {
  name: "schema_present",
  text: "SELECT to_regclass('schema_migrations') IS NOT NULL AS present",
};

/** Asks the database. Versions newer than this release's are fine: the newer release comes in step by step. */
export async function readinessOf(pool: Pool, needed: readonly string[]): Promise<Readiness> {
  try {
    const [table] = await pool.query<{ present: boolean }>(PRESENT, []);
    if (!table?.present) return notMigrated(null, needed);
    const [row] = await pool.query<{ versions: string[]; standby: boolean }>(APPLIED, []);
    const versions = row?.versions ?? [];
    const schema = versions.at(-1) ?? null;
    const missing = needed.filter((version) => !versions.includes(version));
    if (missing.length > 0) return notMigrated(schema, missing);
    if (row?.standby) return { ready: false, schema, reason: "The database is a standby: it cannot be written to." };
    return { ready: true, schema };
  } catch {
    return { ready: false, schema: null, reason: "The database cannot be reached." };
  }
}

function notMigrated(schema: string | null, missing: readonly string[]): Readiness {
  return { ready: false, schema, reason: `The schema lacks migration ${missing.join(", ")}: run the migrate command.` };
}

/** A setting under which acknowledged writes can be lost. */
export class UnsafeSetting extends Error {
  override readonly name = "UnsafeSetting";
}

/**
 * Throws, naming the setting, when the server would acknowledge what a crash can lose: `fsync`, `full_page_writes` or `synchronous_commit` off. With
 * `allow` it only warns, loudly.
 */
export async function refuseUnsafe(options: { connection: pg.ClientConfig; allow?: boolean; log: Log }): Promise<void> {
  const client = new pg.Client(clientConfig(options.connection));
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name",
    );
    if (rows.length === 0) return;
    const names = rows.map(({ name }) => name);
    if (!options.allow) {
      throw new UnsafeSetting(
        `The database has ${names.join(", ")} off: what it acknowledges can be lost. Turn on ${names.join(", ")}.`,
      );
    }
    options.log.write("error", "database_unsafe", {
      off: names,
      meaning: "acknowledged writes can be lost in a crash",
    });
  } finally {
    await client.end();
  }
}
