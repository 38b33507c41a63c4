/**
 * Who the embedded PostgreSQL runs as, and where that account may go.
 * PostgreSQL refuses uid 0, so a server started by root lends it an unprivileged account; anybody else runs it as themselves.
 */
import type { Stats } from "node:fs";
import { lchown, readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Read, search or execute, as the lowest three bits of a mode. */
export const READ = 4;
export const EXECUTE = 1;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The accounts of this machine; the empty list when there is no passwd file. */
async function accounts(): Promise<Account[]> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .map(([name = "", , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter((account) => account.uid > 0 && account.gid >= 0);
}

/** The account to lend: `postgres` where there is one (`_postgres` on macOS), else `nobody`. */
export async function lentAccount(): Promise<Account> {
  const known = await accounts();
  for (const name of ["postgres", "_postgres", "nobody"]) {
    const account = known.find((candidate) => candidate.name === name);
    if (account) return account;
  }
  throw new Error(
    "Cannot start the embedded PostgreSQL as root: it needs an unprivileged account, and /etc/passwd has neither postgres nor nobody. " +
      "Start Millrace as an ordinary user, or set DATABASE_URL.",
  );
}

/** The account that owns what `stats` describes. */
export async function ownerOf(stats: Stats): Promise<Account> {
  const known = (await accounts()).find((account) => account.uid === stats.uid);
  return { name: known?.name ?? `uid ${stats.uid}`, uid: stats.uid, gid: stats.gid };
}

/** Whether the mode bits grant `account` all of `wanted`; only one of the three classes counts, as in the kernel. */
export function may(account: Account, stats: Stats, wanted: number): boolean {
  const shift = stats.uid === account.uid ? 6 : stats.gid === account.gid ? 3 : 0;
  return ((stats.mode >> shift) & wanted) === wanted;
}

/** The first directory from / down to `directory`, itself included, that `account` cannot pass through; null when it can reach it. */
export async function obstacle(directory: string, account: Account): Promise<string | null> {
  const path = await realpath(directory);
  const way = [path];
  while (way[0] !== undefined && dirname(way[0]) !== way[0]) way.unshift(dirname(way[0]));
  for (const step of way) {
    if (!may(account, await stat(step), EXECUTE)) return step;
  }
  return null;
}

/** Makes `account` the owner of `path` and all below it, following no symbolic link. */
export async function give(path: string, account: Account): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await give(inner, account);
    else await lchown(inner, account.uid, account.gid);
  }
  await lchown(path, account.uid, account.gid);
}
