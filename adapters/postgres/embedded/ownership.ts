/**
 * One server per data directory: an advisory lock that lives as long as a connection of its own, and so dies with the process
 * however that ends. `server.pid` only tells people who holds it.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { Client } from "pg";
import { USER } from "./cluster.ts";
import { pause } from "./postmaster.ts";
import { isAlive, PORT } from "./postmaster_file.ts";

/** "MILL" and "RACE" as numbers: the lock's key, which nothing else may use. */
const KEY = [0x4d494c4c, 0x52414345];

export interface Lock {
  /** Resolves when the connection, and the lock with it, is gone. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

/** Takes the lock, trying for `waitMs` because a killed holder's backend may take a moment to go; null when another holds it. */
export async function takeLock(socketDir: string, waitMs: number): Promise<Lock | null> {
  const client = new Client({
    host: socketDir,
    port: PORT,
    user: USER,
    database: "postgres",
    ssl: false,
    application_name: `millrace lock, server pid ${process.pid}`,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  });
  const lost = new Promise<void>((resolve) => {
    client.once("error", () => resolve());
    client.once("end", resolve);
  });
  client.on("error", () => undefined);
  const release = async (): Promise<void> => client.end().catch(() => undefined);
  try {
    await client.connect();
    const until = Date.now() + waitMs;
    while (!(await tryLock(client))) {
      if (Date.now() >= until) {
        await release();
        return null;
      }
      await pause(50);
    }
  } catch (error) {
    void release();
    throw error;
  }
  // pg has it, its types do not: an idle lock must not keep a finished process alive.
  (client as Client & { unref?(): void }).unref?.();
  return { lost, release };
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ held: boolean }>("select pg_try_advisory_lock($1::int, $2::int) as held", KEY);
  return rows[0]?.held === true;
}

/** Writes who we are, for the words of a server that is refused. */
export async function signIn(dataDir: string): Promise<void> {
  const passing = `${pidFile(dataDir)}.new-${process.pid}`;
  await writeFile(passing, `${process.pid}\n`);
  await rename(passing, pidFile(dataDir));
}

/** Removes our name; to be called while the lock is still held. */
export async function signOut(dataDir: string): Promise<void> {
  if ((await holder(dataDir)) === process.pid) await rm(pidFile(dataDir), { force: true });
}

/** Whether the last one to sign in is another process that still lives: a server that lost the lock, or a program with its old pid. */
export async function isClaimed(dataDir: string): Promise<boolean> {
  const pid = await holder(dataDir);
  return pid !== process.pid && isAlive(pid);
}

/** What a server that is refused has to say. */
export async function refusal(dataDir: string): Promise<Error> {
  const pid = await holder(dataDir);
  const who = pid && isAlive(pid) ? `Another Millrace server (pid ${pid})` : "Another Millrace server";
  return new Error(
    `Cannot start: ${who} already uses the data directory ${dataDir}. Stop it first, or give this one its own with DATA_DIR; ` +
      "several servers share their data through one PostgreSQL named by DATABASE_URL.",
  );
}

function pidFile(dataDir: string): string {
  return join(dataDir, "server.pid");
}

async function holder(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(pidFile(dataDir), "utf8").catch(() => ""), 10) || 0;
}
