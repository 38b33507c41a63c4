/** The database of a configuration: the embedded one or the operator's, checked for safety, migrated or only checked, then opened. */
import type pg from "pg";
import type { Bus } from "../../core/ports/bus.ts";
import type { Database } from "../../core/ports/database.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Config } from "../config.ts";
import { systemClock } from "../system.ts";
import { startEmbedded } from "./embedded.ts";
import { migrateUp } from "./migrate.ts";
import { openPostgres, refuseUnsafe, UnsafeSetting, warnWithoutRoles } from "./mod.ts";

export interface Storage {
  database: Database;
  bus: Bus;
  close(): Promise<void>;
}

type DatabaseConfig = Pick<
  Config,
  "databaseUrl" | "dataDir" | "autoMigrate" | "allowUnsafeDatabase" | "lanes" | "natsUrl"
>;

/** How long a database that does not answer yet is waited for, and how often it is asked. */
const WAIT_MS = 30_000;
const ASK_MS = 500;

export async function openStorage(config: DatabaseConfig, log: Log): Promise<Storage> {
  const { connection, close: closeServer } = await openConnection(config, log);
  try {
    await waitFor(() => refuseUnsafe({ connection, allow: config.allowUnsafeDatabase, log }), log);
    if (config.autoMigrate) await migrateUp({ connection, log });
    await warnWithoutRoles({ connection, log });
    const { database, bus } = await openPostgres({
      connection,
      lanes: config.lanes,
      log,
      ...(config.natsUrl === null ? {} : { openBus: natsBus(config.natsUrl, log) }),
    });
    return {
      database,
      bus,
      async close() {
        await bus.close();
        await database.close();
        await closeServer();
      },
    };
  } catch (error) {
    await closeServer();
    throw error;
  }
}

/** Opens the bus by NATS. Its client is loaded only here: most servers do without. */
function natsBus(url: string, log: Log): (database: Database) => Promise<Bus> {
  return async ({ installation }) => {
    const { openNats } = await import("../nats.ts");
    return openNats({ url, installation, log });
  };
}

/** How to connect, with the embedded server started when there is no other. */
export async function openConnection(
  config: DatabaseConfig,
  log: Log,
): Promise<{ connection: pg.ClientConfig; close(): Promise<void> }> {
  if (config.databaseUrl === null) {
    const { connection, stop } = await startEmbedded({ dataDir: config.dataDir, log });
    return { connection, close: stop };
  }
  // Without a connection string pg reads the PG* variables itself.
  const connection = config.databaseUrl === "environment" ? {} : { connectionString: config.databaseUrl };
  return { connection, close: async () => undefined };
}

/** A database that starts beside us, as in a compose file, may need a moment. */
async function waitFor(attempt: () => Promise<void>, log: Log): Promise<void> {
  const deadline = systemClock.elapsed() + WAIT_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof UnsafeSetting) throw error;
      const words = error instanceof Error ? error.message || (error as { code?: string }).code : String(error);
      if (systemClock.elapsed() > deadline)
        throw new Error(`The database cannot be used: ${words}; check DATABASE_URL`, { cause: error });
      log.write("warn", "database_awaited", { error: words });
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }
}
