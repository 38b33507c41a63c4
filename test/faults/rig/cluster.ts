/** A real PostgreSQL from the npm package that listens on 127.0.0.1, with fsync on, to be killed and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chown, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { prepareBinaries } from "../../../adapters/postgres/embedded/binaries.ts";
import { ensureCluster, spawnOptions } from "../../../adapters/postgres/embedded/cluster.ts";
import { findPlace, makeShelter } from "../../../adapters/postgres/embedded/place.ts";
import { eventually } from "../../support/eventually.ts";
import type { Cluster } from "../scenario.ts";
import { childrenOf, isAlive, send, type Wards } from "./living.ts";

export interface ClusterOptions {
  /** Where it is made; passable for all. */
  directory: string;
  /** Where the programs are copied to when the account that runs them cannot reach them. */
  shelter: string;
  port: number;
  settings?: Record<string, string>;
  wards: Wards;
}

const START_MS = 60_000;
/** How long a connection may take: for a question whether it answers, and for all others, on a machine that is busy. */
const ANSWER_MS = 2_000;
const CONNECT_MS = 15_000;
const BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/** Makes the cluster; it is not running yet. */
export async function makeCluster({
  directory,
  shelter,
  port,
  settings = {},
  wards,
}: ClusterOptions): Promise<Cluster> {
  const { cluster: data, account } = await findPlace(directory, shelter);
  const copyInto = () => makeShelter(shelter, account);
  const binaries = await prepareBinaries({ account, copyInto });
  await ensureCluster(data, { binaries, account });
  const logFile = join(directory, "postgres.log");
  const url = (at = port) => `postgres://postgres@127.0.0.1:${at}/postgres`;
  let postmaster: ChildProcess | null = null;

  async function run(sql: string, { values, connectMs }: { values: unknown[]; connectMs: number }) {
    const client = new pg.Client({
      connectionString: url(),
      connectionTimeoutMillis: connectMs,
      query_timeout: 60_000,
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query(sql, values)).rows as Record<string, unknown>[];
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  const query = (sql: string, values: unknown[] = []) => run(sql, { values, connectMs: CONNECT_MS });

  const answers = (withinMs = START_MS) =>
    eventually(
      "PostgreSQL answers",
      () =>
        run("SELECT 1", { values: [], connectMs: ANSWER_MS }).then(
          () => true,
          () => false,
        ),
      withinMs,
    );

  async function clearLocks(): Promise<void> {
    const stale = (await readdir(data)).filter((name) => name === "postmaster.pid" || name.startsWith(".s.PGSQL."));
    for (const name of stale) await rm(join(data, name), { force: true });
  }

  async function start(): Promise<void> {
    await clearLocks();
    const words = Object.entries({
      listen_addresses: "127.0.0.1",
      port: `${port}`,
      unix_socket_directories: data,
      max_connections: "100",
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      log_line_prefix: "%m [%p] ",
      ...settings,
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const log = openSync(logFile, "a", 0o600);
    if (account) await chown(logFile, account.uid, account.gid);
    const child = spawn(join(binaries, "postgres"), ["-D", data, ...words], {
      ...spawnOptions(account),
      // A Ctrl-C is for the run, which ends it in order.
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const { pid } = child;
    if (pid === undefined) throw new Error(`PostgreSQL does not start from ${binaries}`);
    wards.add(pid);
    child.once("exit", () => wards.delete(pid));
    postmaster = child;
    await answers();
  }

  async function end(signal: "SIGINT" | "SIGKILL"): Promise<void> {
    const pid = postmaster?.pid;
    if (pid === undefined) return;
    // Stopped, it starts no other child while these are found.
    if (signal === "SIGKILL") send(pid, "SIGSTOP");
    const all = [pid, ...childrenOf(pid)];
    for (const each of signal === "SIGKILL" ? all : [pid]) send(each, signal);
    await eventually("PostgreSQL has ended", () => !all.some(isAlive), 30_000);
    postmaster = null;
  }

  return {
    port,
    url,
    data,
    output: () => readFile(logFile, "utf8").catch(() => ""),
    query,
    backends: async () => (await query(BACKENDS)).map(({ pid }) => Number(pid)),
    start,
    stop: () => end("SIGINT"),
    kill: () => end("SIGKILL"),
    answers,
  };
}
