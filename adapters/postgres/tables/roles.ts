/** Whether users' rows have roles of their own: asked when the server starts. */
import pg from "pg";
import type { Log } from "../../../core/ports/log.ts";
import { clientConfig, quoted } from "../pool.ts";

/**
 * Logs a warning when users' rows cannot be read and written under roles of their own, since `CREATE ROLE` is not granted: reads are then kept from
 * writing by `READ ONLY` transactions alone. It mends what a restore on another server has left undone. A schema that is not migrated has nothing to ask.
 */
export async function warnWithoutRoles(options: {
  connection: pg.ClientConfig;
  schema?: string;
  log: Log;
}): Promise<void> {
  const ready = await rolesReady(options).catch((error: unknown) => {
    // Whether the server can serve at all is for others to say.
    options.log.write("warn", "tables_roles_unknown", {
      error: error instanceof Error ? error.message : String(error),
    });
    return true;
  });
  if (!ready)
    options.log.write("warn", "tables_without_roles", {
      meaning:
        "rows of users' tables are read and written as the server's own database user; reads are READ ONLY transactions",
      remedy: "grant CREATEROLE to the database user and start again",
    });
}

async function rolesReady({
  connection,
  schema = "public",
}: {
  connection: pg.ClientConfig;
  schema?: string;
}): Promise<boolean> {
  const client = new pg.Client(clientConfig(connection));
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query("SELECT set_config('search_path', $1, false)", [quoted(schema)]);
    const asked = await client.query<{ migrated: boolean }>("SELECT to_regclass('table_home') IS NOT NULL AS migrated");
    if (!asked.rows[0]?.migrated) return true;
    const { rows } = await client.query<{ ready: boolean }>("SELECT table_roles_ready() AS ready");
    return rows[0]?.ready ?? true;
  } finally {
    await client.end();
  }
}
