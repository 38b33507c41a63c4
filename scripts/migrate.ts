/** `npm run migrate -- up | status | down --destructive`: the explicit migration step, safe with several migrators at once. */
import process from "node:process";
import { readConfig } from "../adapters/config.ts";
import { migrateDown, migrateUp, migrationStatus } from "../adapters/postgres/migrate.ts";
import { openConnection } from "../adapters/postgres/storage.ts";
import { jsonLog } from "../adapters/system.ts";

const USAGE = "Usage: npm run migrate -- up | status | down --destructive";

async function main(words: string[]): Promise<void> {
  const [action = "", ...flags] = words;
  if (!["up", "status", "down"].includes(action)) throw new Error(USAGE);
  const config = readConfig({ TOKEN_SECRET_SALT: "unused by migrations", ...process.env }, "");
  if (action === "down" && !config.autoMigrate) {
    throw new Error("AUTO_MIGRATE=false marks a production database: down is refused there, since it destroys data");
  }
  const log = jsonLog("warn", (line) => void process.stderr.write(line));
  const { connection, close } = await openConnection(config, log);
  try {
    if (action === "up")
      print(
        (await migrateUp({ connection, log })).map((version) => `applied ${version}`),
        "nothing to apply",
      );
    if (action === "down")
      print(
        [await migrateDown({ connection, log, destructive: flags.includes("--destructive") })].map(
          (version) => `took back ${version}`,
        ),
        "",
      );
    if (action === "status") {
      const states = await migrationStatus({ connection, log });
      print(
        states.map(({ version, name, state }) => `${version} ${name} ${state}`),
        "no migrations",
      );
    }
  } finally {
    await close();
  }
}

function print(lines: string[], otherwise: string): void {
  process.stdout.write(`${(lines.length === 0 ? [otherwise] : lines).join("\n")}\n`);
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
