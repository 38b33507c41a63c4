/** The postmaster's life: spawned in a session of its own, awaited until it takes connections, and ended. */
import { spawn } from "node:child_process";
import { lchown, open, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Log } from "../../../core/ports/log.ts";
import type { Account } from "./account.ts";
import { spawnOptions } from "./cluster.ts";
import { findPostmaster, isAlive, PORT, type Postmaster } from "./postmaster_file.ts";
import { tailOfFile, trouble } from "./trouble.ts";

const LOG_BYTES = 8 * 1024 * 1024;
const POLL_MS = 10;

const REPORT_MS = 5_000;

export interface LaunchOptions {
  cluster: string;
  socketDir: string;
  binaries: string;
  account: Account | null;
  logFile: string;
  log: Log;
}

/** A postmaster just spawned: its pid, and what it wrote when it ended early. */
export interface Launched {
  readonly pid: number;
  lastWords(): Promise<string>;
}

function settings(options: LaunchOptions): string[] {
  const values = {
    listen_addresses: "",
    unix_socket_directories: `"${options.socketDir.replaceAll('"', '""')}"`,
    unix_socket_permissions: "0700",
    port: PORT,
    max_connections: 60,
    shared_buffers: "128MB",
    fsync: "on",
    full_page_writes: "on",
    synchronous_commit: "on",
    timezone: "UTC",
    logging_collector: "off",
    log_destination: "stderr",
    log_line_prefix: "%m [%p] ",
    log_min_messages: "warning",
    log_checkpoints: "off",
    // Statements and details may quote what users stored.
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** Spawns the postmaster; resolves when the program runs, which is before it takes connections. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { cluster, logFile } = options;
  const written = (await stat(logFile).catch(() => null))?.size ?? 0;
  if (written > LOG_BYTES) await rename(logFile, `${logFile}.old`);
  const log = await open(logFile, "a", 0o600);
  try {
    // Whoever owns the cluster may be the next to start it, without us.
    if (options.account) await lchown(logFile, options.account.uid, options.account.gid);
    const from = (await log.stat()).size;
    const program = join(options.binaries, "postgres");
    // Detached: a signal to our process group must not reach it before we have drained.
    const child = spawn(program, ["-D", cluster, ...settings(options)], {
      ...spawnOptions(options.account),
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    const failed = await new Promise<Error | null>((resolve) => {
      child.once("spawn", () => resolve(null));
      child.once("error", resolve);
    });
    if (failed || child.pid === undefined) {
      throw await trouble(`${program} does not run on this system`, { directory: dirname(cluster), cause: failed });
    }
    child.unref();
    return { pid: child.pid, lastWords: () => tailOfFile(logFile, from) };
  } finally {
    await log.close();
  }
}

/** Waits until the postmaster `pid` is ready, however long its recovery takes, and says so now and then; null when it ended or `signal` aborts. */
export async function awaitReady(
  pid: number,
  how: { cluster: string; log: Log; signal: AbortSignal },
): Promise<Postmaster | null> {
  const { cluster, log, signal } = how;
  let reportAt = Date.now() + REPORT_MS;
  while (isAlive(pid) && !signal.aborted) {
    const found = await findPostmaster(cluster);
    if (found?.pid === pid && found.status === "ready") return found;
    if (Date.now() >= reportAt) {
      log.write("info", "embedded_recovering", { pid, cluster });
      reportAt += REPORT_MS;
    }
    await pause(POLL_MS);
  }
  return null;
}

/** Ends the postmaster: fast, then at once, then by force. Resolves when it is gone. */
export async function halt(pid: number): Promise<void> {
  const steps = [
    { signal: "SIGINT", waitMs: 10_000 },
    { signal: "SIGQUIT", waitMs: 3_000 },
    { signal: "SIGKILL", waitMs: 2_000 },
  ] as const;
  for (const { signal, waitMs } of steps) {
    if (!isAlive(pid)) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    await awaitEnd(pid, waitMs);
  }
}

/** Waits until the process has ended, at most `waitMs`. */
export async function awaitEnd(pid: number, waitMs: number): Promise<void> {
  const until = Date.now() + waitMs;
  while (isAlive(pid) && Date.now() < until) await pause(POLL_MS);
}

/** Waits, keeping the process alive meanwhile. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
