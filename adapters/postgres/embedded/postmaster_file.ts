/**
 * What `postmaster.pid` says about a data directory, and whether it is still true.
 * Its lines are those of PostgreSQL's miscadmin.h: pid, directory, start, port, socket directory, address, shared memory, status.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, readlink, realpath, rename, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { basename, join } from "node:path";
import process from "node:process";

/** The port names the socket file only; nothing listens on a network. */
export const PORT = 5432;

export interface Postmaster {
  readonly pid: number;
  /** Where its socket is, or null while it has not got that far. */
  readonly socketDir: string | null;
  readonly status: "starting" | "ready" | "stopping";
}

/** Whether a process with this pid is there, if only as a zombie. */
function isThere(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether a process with this pid is there and has not ended; a zombie has. */
export function isAlive(pid: number): boolean {
  if (!isThere(pid)) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}

function parse(text: string): Postmaster | null {
  const lines = text.split("\n");
  const pid = Number.parseInt(lines[0] ?? "", 10);
  if (!(pid > 0)) return null;
  const status = lines[7]?.trim();
  return {
    pid,
    socketDir: lines[4]?.trim() || null,
    status: status === "ready" ? "ready" : status === "stopping" ? "stopping" : "starting",
  };
}

/** The text of a lock file; null when there is none. */
async function read(file: string): Promise<string | null> {
  return readFile(file, "utf8").catch(() => null);
}

/** The words of a process's command line; on systems without /proc as one word. */
async function commandOf(pid: number): Promise<string[]> {
  const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => null);
  if (words !== null) return words.split("\0");
  return new Promise((resolve) => {
    execFile("ps", ["-ww", "-o", "command=", "-p", String(pid)], (error, out) => resolve(error ? [] : [out]));
  });
}

/** Whether `pid` is a PostgreSQL of exactly this data directory, which PostgreSQL makes its working directory. */
async function serves(pid: number, cluster: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const words = await commandOf(pid);
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => null);
  if (directory === null) return words.join(" ").includes(`postgres -D ${cluster} `);
  return basename(words[0] ?? "") === "postgres" && directory === (await realpath(cluster).catch(() => cluster));
}

/** The postmaster that runs on this data directory, or null. */
export async function findPostmaster(cluster: string): Promise<Postmaster | null> {
  const found = parse((await read(join(cluster, "postmaster.pid"))) ?? "");
  return found && (await serves(found.pid, cluster)) ? found : null;
}

/**
 * Takes away lock files that would keep PostgreSQL from starting: their pid now belongs to another program or to a zombie that
 * nobody reaps, as in containers, or a power cut emptied them. Those of a process that is gone PostgreSQL clears itself.
 */
export async function clearStaleLocks(cluster: string, socketDir: string): Promise<void> {
  for (const file of [join(cluster, "postmaster.pid"), join(socketDir, `.s.PGSQL.${PORT}.lock`)]) {
    const text = await settledText(file);
    const found = parse(text ?? "");
    const standing = found && (!isThere(found.pid) || (await serves(found.pid, cluster)));
    if (text !== null && !standing) await removeUnchanged(file, text);
  }
}

/** The text of a lock file that is not just being written. */
async function settledText(file: string): Promise<string | null> {
  const text = await read(file);
  if (text !== "") return text;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return read(file);
}

/** Moves the file aside and reads it again, lest it be the new one of a postmaster that started meanwhile. */
async function removeUnchanged(file: string, text: string): Promise<void> {
  const aside = `${file}.stale-${process.pid}`;
  const moved = await rename(file, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await read(aside)) === text) await rm(aside, { force: true });
  else await rename(aside, file);
}

/** Whether somebody accepts connections on the socket in `directory`. */
export function answers(directory: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path: join(directory, `.s.PGSQL.${PORT}`) });
    const settle = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}
