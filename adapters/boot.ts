/**
 * From configuration to a server that listens, and back down again: the same order on every runtime. It listens only once it is usable, and stops in
 * the reverse order. Each runtime gives only its own `listen`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type App, type AppName, createApp, type Ports, type Settings } from "../core/mod.ts";
import { FILES_PREFIX } from "../core/ports/files.ts";
import type { Log } from "../core/ports/log.ts";
import type { Objects } from "../core/ports/objects.ts";
import { banner, type Started } from "./banner.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { openDisk } from "./disk.ts";
import { nativeHashes } from "./hashes.ts";
import { openMinio } from "./minio.ts";
import { openStorage, type Storage } from "./postgres/storage.ts";
import { sharedProbe } from "./probe.ts";
import { keptSalt } from "./salt.ts";
import { CLOSE_MS, closeInTime, type Door, deadlineOf, giveNotice, stopAtSignals } from "./shutdown.ts";
import { splitObjects } from "./split_objects.ts";
import { jsonLog, systemClock, systemIds } from "./system.ts";

export interface Listener extends Door {
  port: number;
}

/** How a runtime serves an app on a port. */
export type Listen = (app: App, at: { host: string; port: number; apps: ReadonlySet<AppName> }) => Promise<Listener>;

/** Whether the module is what the runtime was started with (Node 20 has no `import.meta.main`). */
export function isEntry(meta: ImportMeta): boolean {
  return (meta as { main?: boolean }).main ?? process.argv[1] === fileURLToPath(meta.url);
}

/** Starts the server of this process's environment and stops it at SIGTERM or SIGINT. Exits 1 with words when it cannot start. */
export async function boot(listen: Listen): Promise<void> {
  try {
    loadEnvFile();
    const config = readConfig(process.env, await packageVersion());
    const output = heldOutput((text) => void process.stdout.write(text));
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    const running = await startServer(config, { listen, write: output.write, say }).catch((error) => {
      output.release("");
      throw error;
    });
    // First: whoever reads that it is ready may tell it to stop at once.
    stopAtSignals(running.stop, { withinMs: deadlineOf(config.drain) });
    output.release(banner(config, running));
  } catch (error) {
    const words = error instanceof ConfigError ? `The configuration is wrong:\n${error.message}` : describe(error);
    process.stderr.write(`${words}\n`);
    process.exit(1);
  }
}

/** Keeps what is written until `release` has put its own words first; the lines for people come before those for machines. */
function heldOutput(write: (text: string) => void) {
  let held: string[] | null = [];
  return {
    write(line: string): void {
      if (held === null) write(line);
      else held.push(line);
    },
    release(first: string): void {
      write(first + (held ?? []).join(""));
      held = null;
    },
  };
}

/** A running server: where it listens, and how to end it. */
export interface Running extends Started {
  stop(): Promise<void>;
}

/** What the start is given: how to listen, and where lines of the log and lines for people go. */
interface Surroundings {
  listen: Listen;
  write(line: string): void;
  say(line: string): void;
}

/** Opens storage, objects and listeners in this order; whatever was opened is closed again when a later step fails. */
export async function startServer(config: Config, at: Surroundings): Promise<Running> {
  const log = jsonLog(config.logLevel, at.write);
  const opened: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of opened.splice(0).reverse())
      await close().catch((error) => log.write("error", "stop_failed", { error: String(error) }));
  };
  try {
    const storage = await openStorage(config, log);
    opened.push(storage.close);
    const objects = await openObjects(config, log);
    const app = createApp(portsOf(storage, objects, log), await settingsOf(config, log));
    const listeners: Listener[] = [];
    // A start that fails has nobody to wait for.
    let overMs = 0;
    opened.push(() => closeInTime(app, { listeners, log, overMs, ms: overMs + CLOSE_MS }));
    app.start();
    const ports = new Map<AppName, number>();
    for (const { port, apps } of config.listeners) {
      const listener = await at.listen(app, { host: config.host, port, apps });
      listeners.push(listener);
      for (const name of apps) ports.set(name, listener.port);
    }
    const { ready, reason = "the database is not ready" } = await storage.database.ready();
    const stop = async () => {
      await giveNotice(app, { ...config.drain, log, behindProxy: config.trustedProxies.length > 0, say: at.say });
      overMs = config.drain.overMs;
      await closeAll();
    };
    return { ports, missing: ready ? null : reason, stop };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The ports of a server. Anybody may ask for readiness at any rate, so what the stores answer is shared for a while. */
export function portsOf(storage: Pick<Storage, "database" | "bus">, objects: Objects, log: Log): Ports {
  const { database, bus } = storage;
  return {
    database: { ...database, ready: sharedProbe(() => database.ready(), systemClock) },
    bus,
    objects: { ...objects, ready: sharedProbe(() => objects.ready(), systemClock) },
    hashes: nativeHashes,
    clock: systemClock,
    ids: systemIds,
    log,
  };
}

async function openObjects(config: Config, log: Log): Promise<Objects> {
  if (config.s3 === null) return openDirectories(config);
  return openMinio({ ...config.s3, log }).catch((error) => {
    throw new Error(
      `The object store cannot be used: ${describe(error)} Check S3_ENDPOINT (${config.s3?.endpoint}) and its keys`,
      {
        cause: error,
      },
    );
  });
}

/** Objects on disk; temporary files may have a directory of their own. */
async function openDirectories({ dataDir, fileTempDir }: Config): Promise<Objects> {
  const objects = await openDisk({ directory: join(dataDir, "objects") });
  if (fileTempDir === null) return objects;
  return splitObjects(objects, { prefix: FILES_PREFIX, objects: await openDisk({ directory: fileTempDir }) });
}

/** Where each app is when they do not share a port. */
function portsByApp({ listeners }: Config): Settings["ports"] {
  if (listeners.length === 1 || listeners.some(({ port }) => port === 0)) return null;
  return Object.fromEntries(listeners.flatMap(({ port, apps }) => [...apps].map((app) => [app, port])));
}

async function settingsOf(config: Config, log: Log): Promise<Settings> {
  return {
    version: config.version,
    channelBase: config.channelBase,
    restBase: config.restBase,
    mcpBase: config.mcpBase,
    ports: portsByApp(config),
    tokenSecretSalt: await saltOf(config, log),
    internalToken: config.internalToken,
    datastoreToken: config.datastoreToken,
    payloadMaxBytes: config.payloadMaxBytes,
    payloadInlineMaxBytes: config.payloadInlineMaxBytes,
    fileMaxBytes: config.fileMaxBytes,
    documentMaxBytes: config.documentMaxBytes,
    fileQuotaBytes: config.fileQuotaBytes,
    defaultTtlSeconds: config.defaultTtlSeconds,
    rateLimits: config.rateLimits,
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    heartbeatMs: 15_000,
    pollMs: 1_000,
    streamMs: 600_000,
    maxStreams: config.maxStreams,
  };
}

/** The configured salt, which a database of one's own requires; else the one of the data directory, whose lock the embedded database holds. */
async function saltOf(config: Config, log: Log): Promise<Uint8Array<ArrayBuffer>> {
  if (config.tokenSecretSalt !== null) {
    if (config.tokenSecretSalt.length < 16)
      log.write("warn", "short_salt", {
        message: "TOKEN_SECRET_SALT has fewer than 16 characters; give a longer random one",
      });
    return new TextEncoder().encode(config.tokenSecretSalt);
  }
  return await keptSalt(config.dataDir);
}

/** Bun reads `.env` by itself; Node and Deno do it here. Variables that are set already win. */
function loadEnvFile(): void {
  try {
    process.loadEnvFile?.();
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
  }
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function describe(error: unknown): string {
  if (error instanceof Error && (error as { code?: string }).code === "EADDRINUSE")
    return `${error.message}; choose another PORT`;
  if (
    error instanceof Error &&
    ["EADDRNOTAVAIL", "ENOTFOUND", "EACCES"].includes((error as { code?: string }).code ?? "")
  ) {
    const { code, syscall = "" } = error as { code?: string; syscall?: string };
    if (/^(listen|getaddrinfo|bind)/.test(syscall)) {
      return `${error.message}; ${code === "EACCES" ? "choose a PORT above 1023" : "give HOST an address of this machine, or 0.0.0.0 for all"}`;
    }
  }
  return error instanceof Error ? error.message : String(error);
}
