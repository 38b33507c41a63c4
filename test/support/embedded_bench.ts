/**
 * A bench for tests of the embedded PostgreSQL: directories of its own, servers in this process and in others (`embedded_owner.ts`),
 * and an end to all of them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { type Embedded, type EmbeddedOptions, startEmbedded } from "../../adapters/postgres/embedded.ts";

/** No owner lives longer: a test that waits for its end must not wait for ever. */
const OWNER_MS = 20_000;

export type Options = Omit<EmbeddedOptions, "log">;

export interface Owner {
  pid: number;
  /** The first line that has one of `keys`; rejects when the process ends without any. */
  step(...keys: string[]): Promise<Record<string, unknown>>;
  /** Its exit code, null when a signal killed it. */
  ended: Promise<number | null>;
}

export interface Line {
  event: string;
  fields: Record<string, unknown>;
}

export interface Bench {
  base: string;
  shelter: string;
  /** What servers of this process logged. */
  lines: Line[];
  /** A data directory of its own, not yet made. */
  fresh(): string;
  start(options: Options): Promise<Embedded>;
  /** Starts and must fail; the words of the error. */
  refused(options: Options): Promise<string>;
  own(options: Options, how?: { idle?: boolean; uid?: number; gid?: number }): Owner;
  /** A process of another program, ended with the bench. */
  stranger(account: { uid?: number; gid?: number }): Promise<number>;
  /** Ends every server and process that a test left, so that the next one finds a free directory. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "millrace-embedded-")));
  await chmod(base, 0o755);
  const shelter = join(base, "shelter");
  const started: Embedded[] = [];
  const children: ChildProcess[] = [];
  const hosts: string[] = [];
  const lines: Line[] = [];
  const log: EmbeddedOptions["log"] = { write: (_level, event, fields) => lines.push({ event, fields: fields ?? {} }) };
  let count = 0;

  const start = async (options: Options): Promise<Embedded> => {
    const embedded = await startEmbedded({ shelter, ...options, log });
    started.push(embedded);
    hosts.push(embedded.connection.host);
    return embedded;
  };
  const sweep = async (): Promise<void> => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    }
    await Promise.allSettled(started.splice(0).map((embedded) => embedded.stop()));
  };
  return {
    base,
    shelter,
    lines,
    fresh: () => {
      count += 1;
      hosts.push(join(base, `data-${count}`, "postgres"));
      return join(base, `data-${count}`);
    },
    start,
    refused: async (options) => {
      const words = await start(options).then(
        () => null,
        (error: Error) => error.message,
      );
      if (words === null) throw new Error("started where it should have been refused");
      return words;
    },
    own: (options, how = {}) => spawnOwner({ base, options: { shelter, ...options }, ...how }, children),
    stranger: async (account) => {
      const child = spawn("sleep", ["60"], { ...account, cwd: "/", stdio: "ignore" });
      children.push(child);
      await once(child, "spawn");
      return Number(child.pid);
    },
    sweep,
    close: async () => {
      await sweep();
      for (const host of hosts) {
        const pid = await postmasterOf(host);
        if (isRunning(pid)) process.kill(pid, "SIGQUIT");
      }
      await rm(base, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

interface OwnerOptions {
  base: string;
  options: Options;
  idle?: boolean;
  uid?: number;
  gid?: number;
}

function spawnOwner({ base, options, idle, ...account }: OwnerOptions, children: ChildProcess[]): Owner {
  const node = ["--import", "./scripts/typescript.mjs"];
  const flags = "Deno" in globalThis ? ["run", "-A"] : "Bun" in globalThis ? [] : node;
  const words = [...flags, "test/support/embedded_owner.ts", JSON.stringify(options), ...(idle ? ["idle"] : [])];
  // Another account needs caches that it can write to.
  const caches = account.uid ? { HOME: base, DENO_DIR: join(base, "deno") } : {};
  const child = spawn(process.execPath, words, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...process.env, ...caches },
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
    ...account,
  });
  children.push(child);
  const seen: Record<string, unknown>[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) seen.push(JSON.parse(part));
  });
  let over = false;
  const limit = setTimeout(() => child.kill("SIGKILL"), OWNER_MS);
  const ended = once(child, "close").then(([code]) => {
    clearTimeout(limit);
    over = true;
    return code as number | null;
  });
  const step = async (...keys: string[]): Promise<Record<string, unknown>> => {
    const find = (): Record<string, unknown> | undefined => seen.find((line) => keys.some((key) => key in line));
    await until(() => over || find() !== undefined);
    const line = find();
    if (!line) throw new Error(`the owner ended without ${keys}: ${JSON.stringify(seen)}`);
    return line;
  };
  return { pid: Number(child.pid), step, ended };
}

/** Resolves when `holds` does; rejects when it never does. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const limit = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > limit) throw new Error(`did not come true within ${ms} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Asks the PostgreSQL whose socket is in `host`, over a connection of its own. */
export async function ask(host: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ host, port: 5432, user: "postgres", database: "postgres" });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

export function isRunning(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return !/\) [ZX]/.test(process.platform === "linux" ? readFileSync(`/proc/${pid}/stat`, "latin1") : "");
  } catch {
    return false;
  }
}

/** The pid in a cluster's postmaster.pid; 0 when there is none. */
export async function postmasterOf(cluster: string): Promise<number> {
  return Number.parseInt(await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "0"), 10) || 0;
}
