/**
 * A process that owns an embedded PostgreSQL, for tests that kill it: `embedded_owner.ts <start> [idle]`, where `<start>` is JSON for
 * startEmbedded. It prints one JSON line a step. On SIGTERM it drains: waits, asks the database once more, then stops it. With
 * `idle` it does nothing after the start, so that it ends by itself unless something keeps it alive.
 */
import process from "node:process";
import { Client } from "pg";
import { type EmbeddedOptions, startEmbedded } from "../../adapters/postgres/embedded.ts";

function say(step: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(step)}\n`);
}

async function own(options: Omit<EmbeddedOptions, "log">, idle: boolean): Promise<void> {
  const embedded = await startEmbedded({ ...options, log: { write: (_level, event) => say({ event }) } });
  say({ started: embedded.connection.host, firstStart: embedded.firstStart });
  if (idle) return;
  const alive = setInterval(() => undefined, 1_000);
  process.once("SIGTERM", async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const client = new Client(embedded.connection);
    await client.connect();
    await client.query("select 1");
    await client.end();
    say({ drained: true });
    await embedded.stop();
    clearInterval(alive);
    process.exit(0);
  });
  say({ waiting: true });
}

own(JSON.parse(process.argv[2] ?? "{}"), process.argv[3] === "idle").catch((error: Error) => {
  say({ refused: error.message });
  process.exit(3);
});
