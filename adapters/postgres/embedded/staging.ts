/**
 * Directories that appear whole or not at all: made beside their place under a passing name, then renamed.
 * A name carries the pid of its maker, so that what a killed maker left can be told from work in progress.
 */
import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { isAlive } from "./postmaster_file.ts";

const ABANDONED_MS = 600_000;
const REMOVAL_ATTEMPTS = 40;
const REMOVAL_PAUSE_MS = 50;

/** A passing name beside `place`, not yet made. */
export function stagingName(place: string): string {
  return `${place}.new-${process.pid}-${randomBytes(4).toString("hex")}`;
}

/** Moves the finished directory into place and makes that durable; false when another process was first (ours is then removed). */
export async function moveIntoPlace(staged: string, place: string): Promise<boolean> {
  try {
    await rename(staged, place);
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw error;
  }
  await syncDirectory(dirname(place));
  return true;
}

/** Makes renames and new names in `directory` durable, where the system can do that for directories. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r").catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Removes what killed makers of `place` left beside it; what cannot be removed now is left for the next start. */
export async function clearStaged(place: string): Promise<void> {
  const prefix = `${basename(place)}.new-`;
  const names = await readdir(dirname(place)).catch(() => []);
  for (const name of names.filter((candidate) => candidate.startsWith(prefix))) {
    const path = join(dirname(place), name);
    const maker = Number.parseInt(name.slice(prefix.length), 10);
    if (await isAbandoned(path, maker)) await removeStubborn(path);
  }
}

/** In a container the maker's pid is often our own or another program's by now, so age decides there. */
async function isAbandoned(path: string, maker: number): Promise<boolean> {
  if (!isAlive(maker)) return true;
  const touched = (await stat(path).catch(() => null))?.mtimeMs ?? 0;
  const limit = maker === process.pid ? Date.now() - process.uptime() * 1000 : Date.now() - ABANDONED_MS;
  return touched < limit;
}

/**
 * The initdb of a killed maker may still be writing there; it ends by itself as its files vanish.
 * Whether the directory is gone is looked up, since a removal that raced with a writer may claim so without being done.
 */
async function removeStubborn(path: string): Promise<void> {
  for (let attempt = 0; attempt < REMOVAL_ATTEMPTS; attempt++) {
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
    if (!(await stat(path).catch(() => null))) return;
    await new Promise((resolve) => setTimeout(resolve, REMOVAL_PAUSE_MS));
  }
}
