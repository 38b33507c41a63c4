/** Whether a publish is slower when very many channels exist. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "../../../core/ports/database.ts";
import type { Bench } from "../bench.ts";
import { atLeast } from "../figures.ts";
import { loaded, type Measure } from "./measure.ts";

const USED = 1_000;
const PRESENT = 100_000;
const UNIT = 400;

/** Adds channels that nobody uses, by the tree's own way to store them. */
async function addChannels(bench: Bench, url: string, count: number): Promise<void> {
  const module = pathToFileURL(join(bench.tree, "adapters/postgres/mod.ts")).href;
  const { openPostgres } = (await import(module)) as typeof import("../../../adapters/postgres/mod.ts");
  const log = { write: () => undefined };
  const { database, bus } = await openPostgres({ connection: { connectionString: url }, log });
  for (let left = count; left > 0; left -= UNIT) {
    const unit = Array.from({ length: Math.min(UNIT, left) }, commandsOfOne).flat();
    const { committed } = await database.commit(unit);
    if (!committed) throw new Error("a unit of new channels was refused");
  }
  await bus.close();
  await database.close();
}

/** What creating a channel stores: its record, its credential, its subject. */
function commandsOfOne(): Command[] {
  const id = crypto.randomUUID();
  const hash = `${crypto.randomUUID()}${crypto.randomUUID()}`.replaceAll("-", "");
  const record = { name: "idle", visibility: "public", default_ttl_seconds: 86_400, publish_credential: hash };
  const credential = { kind: "publish", subject: id, facts: { default_ttl_seconds: 86_400 } };
  return [
    { op: "document.put", realm: "channels", collection: "channel", id, body: record, ifVersion: 0 },
    { op: "document.put", realm: "credentials", collection: "token", id: hash, body: credential, ifVersion: 0 },
    { op: "journal.open", realm: "channels", subject: id },
  ];
}

export const channels: Measure = {
  name: "channels",
  title: "Channels present",
  words:
    "128 connections publish to 1,000 channels, 100,000 channels being present; beside it the same with only the 1,000.",
  async take(bench) {
    const full = await bench.database();
    const [crowded, alone] = [await bench.millrace(full), await bench.millrace()];
    const used = bench.size(USED);
    const present = bench.size(PRESENT);
    const entrant = async (server: typeof crowded, name: string) =>
      loaded(bench, server, {
        name,
        load: { targets: await server.targets(used), body: server.body(128), publishers: 128 },
        figures: ({ answered, seconds }) => ({ rate: answered / seconds }),
      });
    const entrants = [
      await entrant(crowded, `${present.toLocaleString("en")} present`),
      await entrant(alone, `${used.toLocaleString("en")} present`),
    ];
    await addChannels(bench, full, present - used);
    const [ours, few] = await bench.takeTurns(entrants);
    return [
      {
        what: `${present.toLocaleString("en")} channels present`,
        unit: "1/s",
        key: "rate",
        ours: ours!,
        beside: [{ taken: few!, goal: atLeast(0.8) }],
      },
    ];
  },
};
