/**
 * Where a data directory's cluster and socket are. As a rule the cluster is `postgres/` in the data directory and holds its own
 * socket; as root it may have to live in a shelter that the lent account can reach, with a pointer file left in the data directory.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmod, chown, link, lstat, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { type Account, isRoot, lentAccount, obstacle, ownerOf } from "./account.ts";
import { PORT } from "./postmaster_file.ts";
import { syncDirectory } from "./staging.ts";

/** Where root keeps clusters and programs that could not be reached in their own place. */
export const SHELTER = "/var/lib/millrace";

/** What macOS allows for the path of a socket; Linux allows four bytes more. */
const SOCKET_PATH_BYTES = 103;

export interface Place {
  readonly dataDir: string;
  readonly cluster: string;
  /** Who PostgreSQL runs as when that is not ourselves. */
  readonly account: Account | null;
  /** Why the cluster is not in the data directory: the directory that the account cannot pass; null when it is there. */
  readonly elsewhere: string | null;
}

interface Pointer {
  cluster: string;
  /** False until the cluster has been made, so that a lost cluster is never taken for a first start. */
  created: boolean;
}

/** Finds the cluster's place, deciding on one at the first start; makes the data directory. */
export async function findPlace(directory: string, shelter: string): Promise<Place> {
  await mkdir(directory, { recursive: true });
  const dataDir = await realpath(directory);
  const pointer = await readPointer(dataDir);
  const cluster = pointer?.cluster ?? join(dataDir, "postgres");
  const stats = await stat(cluster).catch((error) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (pointer?.created && !stats) throw lost(dataDir, cluster);

  const owner = stats && (await ownerOf(stats));
  if (!isRoot()) {
    if (owner && owner.uid !== process.getuid?.()) throw foreign(cluster, owner);
    return { dataDir, cluster, account: null, elsewhere: null };
  }
  const account = owner && owner.uid !== 0 ? owner : await lentAccount();
  const blocked = await obstacle(dataDir, account);
  if (pointer) {
    if (!pointer.created) await furnish(cluster, dataDir);
    return { dataDir, cluster, account, elsewhere: blocked ?? dataDir };
  }
  if (!blocked) return { dataDir, cluster, account, elsewhere: null };
  if (stats) throw unreachable(cluster, blocked, account);
  return { dataDir, cluster: await chooseShelter(dataDir, shelter, account), account, elsewhere: blocked };
}

/** Notes in the pointer file that the cluster has been made. */
export async function confirmPlace(place: Place): Promise<void> {
  const pointer = await readPointer(place.dataDir);
  if (!pointer || pointer.created) return;
  const passing = await writeBeside(place.dataDir, { ...pointer, created: true });
  await rename(passing, pointerFile(place.dataDir));
  await syncDirectory(place.dataDir);
}

/** Makes the shelter for `account`, passable for all and writable for root alone, and returns it. */
export async function makeShelter(shelter: string, account: Account | null): Promise<string> {
  const made = await mkdir(shelter, { recursive: true, mode: 0o755 });
  if (made) await chmod(shelter, 0o755);
  const stats = await lstat(shelter);
  const blocked = account && (await obstacle(shelter, account));
  if (stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0 && !blocked) return shelter;
  throw new Error(
    `Cannot start the embedded PostgreSQL as root: ${shelter} must be a directory of root that only root may write to and ` +
      `${account?.name ?? "everybody"} can reach. Correct that, start Millrace as an ordinary user, or set DATABASE_URL.`,
  );
}

/** The directory for the socket: the cluster itself, or a short one of the same owner when that path is too long for a socket. */
export async function socketDirectory(place: Place): Promise<string> {
  if (fits(place.cluster)) return place.cluster;
  const name = `millrace-${createHash("sha256").update(place.cluster).digest("hex").slice(0, 16)}`;
  for (const base of [tmpdir(), "/tmp"]) {
    const directory = join(base, name);
    if (!fits(directory) || (place.account && (await obstacle(base, place.account)))) continue;
    await mkdir(directory, { mode: 0o700 }).catch((error) => {
      if (error.code !== "EEXIST") throw error;
    });
    await claim(directory, place.account);
    return directory;
  }
  throw new Error(
    `Cannot start the embedded PostgreSQL: ${place.cluster} is too long a path for a socket. Set DATA_DIR to a shorter one.`,
  );
}

/** Makes sure that the directory, in a place where all may write, is the account's and closed; what only root made is given away. */
async function claim(directory: string, account: Account | null): Promise<void> {
  const before = await lstat(directory);
  if (account && before.isDirectory() && before.uid === 0) await chown(directory, account.uid, account.gid);
  const stats = await lstat(directory);
  const ours = stats.uid === (account?.uid ?? process.getuid?.());
  if (stats.isDirectory() && ours && (stats.mode & 0o077) === 0) return;
  throw new Error(
    `Cannot start the embedded PostgreSQL: ${directory} is to hold its socket, but somebody else made it or opened it to others. ` +
      "Remove it, or set DATA_DIR to a shorter path, which needs no such directory.",
  );
}

function fits(directory: string): boolean {
  return new TextEncoder().encode(join(directory, `.s.PGSQL.${PORT}`)).length <= SOCKET_PATH_BYTES;
}

function pointerFile(dataDir: string): string {
  return join(dataDir, "postgres.location");
}

async function readPointer(dataDir: string): Promise<Pointer | null> {
  const text = await readFile(pointerFile(dataDir), "utf8").catch((error) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return JSON.parse(text) as Pointer;
  } catch {
    throw new Error(
      `Cannot start the embedded PostgreSQL: ${pointerFile(dataDir)} is damaged. It should read {"cluster": "<directory>", "created": true}; ` +
        `each directory in ${SHELTER} names its data directory in a file data_dir.`,
    );
  }
}

async function writeBeside(dataDir: string, pointer: Pointer): Promise<string> {
  const passing = `${pointerFile(dataDir)}.new-${process.pid}-${randomBytes(4).toString("hex")}`;
  await writeFile(passing, `${JSON.stringify(pointer)}\n`, { flush: true });
  return passing;
}

/** Picks a place in the shelter and points to it; when another server was first, its choice holds. */
async function chooseShelter(dataDir: string, shelter: string, account: Account): Promise<string> {
  const home = join(await makeShelter(shelter, account), randomBytes(8).toString("hex"));
  const passing = await writeBeside(dataDir, { cluster: join(home, "postgres"), created: false });
  const first = await link(passing, pointerFile(dataDir)).then(
    () => true,
    (error) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
  await rm(passing);
  await syncDirectory(dataDir);
  const cluster = first ? join(home, "postgres") : (await readPointer(dataDir))?.cluster;
  if (!cluster)
    throw new Error(
      `Cannot start the embedded PostgreSQL: ${pointerFile(dataDir)} vanished while starting. Start again.`,
    );
  await furnish(cluster, dataDir);
  return cluster;
}

/** Makes the cluster's home in the shelter, passable whatever the umask, with a note for people on whose it is. */
async function furnish(cluster: string, dataDir: string): Promise<void> {
  const home = dirname(cluster);
  await mkdir(home, { recursive: true });
  await chmod(home, 0o755);
  await writeFile(join(home, "data_dir"), `${dataDir}\n`);
}

function lost(dataDir: string, cluster: string): Error {
  return new Error(
    `Cannot start the embedded PostgreSQL: ${pointerFile(dataDir)} says that the data is in ${cluster}, and there is nothing. ` +
      "Bring that directory back, or remove the file to begin with an empty database.",
  );
}

function foreign(cluster: string, owner: Account): Error {
  return new Error(
    `Cannot start the embedded PostgreSQL: ${cluster} belongs to ${owner.name}. Start Millrace as that user or as root, or set DATA_DIR to another directory.`,
  );
}

function unreachable(cluster: string, blocked: string, account: Account): Error {
  return new Error(
    `Cannot start the embedded PostgreSQL: it runs as ${account.name}, who owns ${cluster} but cannot pass through ${blocked}. ` +
      `Allow that (chmod o+x ${blocked}) or move the data directory.`,
  );
}
