/**
 * A server like `adapters/<runtime>.ts`, built on the same parts, with the fault plan of its environment between it and its ports. What ships knows
 * nothing of faults.
 */
import { join } from "node:path";
import process from "node:process";
import { banner } from "../../../adapters/banner.ts";
import { type Listen, portsOf } from "../../../adapters/boot.ts";
import { type Config, readConfig } from "../../../adapters/config.ts";
import { openDisk } from "../../../adapters/disk.ts";
import { openMinio } from "../../../adapters/minio.ts";
import { migrateUp } from "../../../adapters/postgres/migrate.ts";
import { openPostgres } from "../../../adapters/postgres/mod.ts";
import { openConnection } from "../../../adapters/postgres/storage.ts";
import { jsonLog } from "../../../adapters/system.ts";
import { type AppName, createApp } from "../../../core/mod.ts";
import { memorySettings } from "../../support/memory_house.ts";
import { runtimeName } from "../../support/runtime.ts";
import { carried } from "./plan.ts";
import { wrapPorts } from "./wrapped_ports.ts";

async function listenHere(): Promise<Listen> {
  if (runtimeName === "bun") return (await import("../../../adapters/bun.ts")).listenOnBun;
  if (runtimeName === "deno") return (await import("../../../adapters/deno.ts")).listenOnDeno;
  return (await import("../../../adapters/node.ts")).listenOnNode;
}

function settingsOf(config: Config) {
  return memorySettings({
    tokenSecretSalt: new TextEncoder().encode(config.tokenSecretSalt ?? ""),
    internalToken: config.internalToken,
    datastoreToken: config.datastoreToken,
    payloadMaxBytes: config.payloadMaxBytes,
    payloadInlineMaxBytes: config.payloadInlineMaxBytes,
    defaultTtlSeconds: config.defaultTtlSeconds,
    rateLimits: config.rateLimits,
  });
}

async function main(): Promise<void> {
  const plan = carried(process.env);
  const config = readConfig(process.env, "faulty");
  const log = jsonLog(config.logLevel, (line) => void process.stdout.write(line));
  const { connection } = await openConnection(config, log);
  await migrateUp({ connection, log });
  const storage = await openPostgres({ connection, clockOffsetMs: plan.databaseClockMs ?? 0, log });
  const objects =
    config.s3 === null
      ? await openDisk({ directory: join(config.dataDir, "objects") })
      : await openMinio({ ...config.s3, log });
  const app = createApp(wrapPorts(portsOf(storage, objects, log), plan), settingsOf(config));
  const [at] = config.listeners;
  const listen = await listenHere();
  const listener = await listen(app, { host: config.host, port: at!.port, apps: at!.apps });
  process.once("SIGTERM", () => {
    // At the end of a scenario nobody waits for streams to drain.
    void Promise.allSettled([app.stop(), listener.close()]);
    setTimeout(() => process.exit(0), 100);
  });
  const ports = new Map<AppName, number>([...at!.apps].map((name) => [name, listener.port]));
  process.stdout.write(banner(config, { ports, missing: null }));
  // Last: a duty may end the process at once.
  app.start();
}

await main();
