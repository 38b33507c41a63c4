/**
 * The embedded default: a real PostgreSQL from npm, run by ourselves on a Unix socket, with its data in the data directory.
 * It survives a crash of this process, is then adopted by the next, and is started again when it dies under us.
 * Nothing here knows tables; who connects is `mod.ts`'s subject.
 */
import { join, resolve } from "node:path";
import process from "node:process";
import type { Log } from "../../core/ports/log.ts";
import { prepareBinaries } from "./embedded/binaries.ts";
import { ensureCluster, USER } from "./embedded/cluster.ts";
import { engage, type Held } from "./embedded/engage.ts";
import { isClaimed, refusal, signIn, signOut, takeLock } from "./embedded/ownership.ts";
import { confirmPlace, findPlace, makeShelter, SHELTER, socketDirectory } from "./embedded/place.ts";
import { halt, type LaunchOptions, pause } from "./embedded/postmaster.ts";
import { findPostmaster, PORT } from "./embedded/postmaster_file.ts";
import { trouble } from "./embedded/trouble.ts";

const LONGEST_PAUSE_MS = 5_000;
const GIVE_WAY_MS = 1_000;

export interface EmbeddedOptions {
  /** Holds the cluster, the log and the pid files; made when absent. */
  dataDir: string;
  log: Log;
  /** Where root keeps what its lent account could not reach in place; /var/lib/millrace when absent. */
  shelter?: string;
  /** The npm package with the PostgreSQL programs; the installed one when absent. */
  packageDir?: string;
}

export interface Embedded {
  /** How to connect; `host` is the directory of the socket and stays the same while this server runs. */
  readonly connection: { host: string; port: number; user: "postgres"; database: "postgres" };
  /** Whether this start made the cluster. */
  readonly firstStart: boolean;
  /** Stops PostgreSQL, ending connections that are left, and resolves when it is gone. Calling it again changes nothing. */
  stop(): Promise<void>;
}

/** Starts or adopts the PostgreSQL of a data directory and holds it for this process alone. Throws an Error in words for the operator. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const dataDir = resolve(options.dataDir);
  try {
    return await start(dataDir, options);
  } catch (error) {
    // Errors of the file system arrive without a sentence of ours.
    const bare = error instanceof Error && "syscall" in error;
    throw bare
      ? await trouble(`its files in ${dataDir} cannot be made or read`, { directory: dataDir, cause: error })
      : error;
  }
}

async function start(dataDir: string, options: EmbeddedOptions): Promise<Embedded> {
  if (process.platform === "win32")
    throw new Error("Cannot start the embedded PostgreSQL on Windows: set DATABASE_URL.");
  const { log, shelter = SHELTER } = options;
  const place = await findPlace(dataDir, shelter);
  const { cluster, account } = place;
  if (place.elsewhere) {
    log.write("info", "embedded_elsewhere", {
      data_dir: dataDir,
      cluster,
      account: account?.name,
      closed: place.elsewhere,
    });
  }
  const copyInto = async (): Promise<string> => (account ? makeShelter(shelter, account) : place.dataDir);
  const binaries = await prepareBinaries({ packageDir: options.packageDir, account, copyInto });
  const firstStart = await ensureCluster(cluster, { binaries, account });
  await confirmPlace(place);
  const socketDir = await socketDirectory(place);
  const launching = { cluster, socketDir, binaries, account, logFile: join(place.dataDir, "postgres.log"), log };

  const closing = new AbortController();
  let held = await engage(launching, closing.signal);
  if (isHeld(held) && (await isClaimed(place.dataDir))) {
    // The lock was free, yet a server may live that just lost it: it regains it within moments, and goes before us.
    await held.lock.release();
    await pause(GIVE_WAY_MS);
    held = await engage(launching, closing.signal);
  }
  if (!isHeld(held)) throw await refusal(place.dataDir);
  try {
    await signIn(place.dataDir);
  } catch (error) {
    await end(held, cluster, place.dataDir);
    throw error;
  }
  log.write("info", "embedded_started", { pid: held.pid, cluster, adopted: held.adopted, first_start: firstStart });
  const guarded = guard(held, { launching: { ...launching, socketDir: held.socketDir }, log, signal: closing.signal });

  const stop = async (): Promise<void> => {
    closing.abort();
    const last = await guarded.settled();
    await end(last, launching.cluster, place.dataDir);
    log.write("info", "embedded_stopped", { cluster });
  };
  let stopped: Promise<void> | undefined;
  return {
    connection: { host: held.socketDir, port: PORT, user: USER, database: "postgres" },
    firstStart,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

interface Guard {
  /** What is held once no recovery is under way; null when PostgreSQL was lost and not regained. To be called after the abort. */
  settled(): Promise<Held | null>;
}

/** Regains PostgreSQL and the lock whenever the lock's connection is lost, which also is how the postmaster's death shows. */
function guard(first: Held, how: { launching: LaunchOptions; log: Log; signal: AbortSignal }): Guard {
  let current: Held | null = first;
  let recovery = Promise.resolve();
  const watch = (held: Held): void => {
    void held.lock.lost.then(() => {
      if (how.signal.aborted) return;
      current = null;
      recovery = regain(held, how).then((regained) => {
        current = regained;
        if (regained) watch(regained);
      });
    });
  };
  watch(first);
  return {
    settled: async () => {
      await recovery;
      return current;
    },
  };
}

/** Tries until it holds PostgreSQL again or `signal` aborts; never rejects. */
async function regain(
  lost: Held,
  how: { launching: LaunchOptions; log: Log; signal: AbortSignal },
): Promise<Held | null> {
  const { launching, log, signal } = how;
  log.write("warn", "embedded_lost", { pid: lost.pid, cluster: launching.cluster });
  for (let pauseMs = 50; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const held = await engage(launching, signal).catch((error: unknown) => error);
    if (isHeld(held)) {
      log.write("warn", "embedded_regained", {
        pid: held.pid,
        cluster: launching.cluster,
        restarted: held.pid !== lost.pid,
      });
      return held;
    }
    const reason = held === "refused" ? "another server took the data directory" : String(held);
    if (held !== "aborted")
      log.write("error", "embedded_not_regained", { cluster: launching.cluster, reason, again_in_ms: pauseMs });
    await rest(pauseMs, signal);
  }
  return null;
}

function isHeld(value: unknown): value is Held {
  return typeof value === "object" && value !== null && "lock" in value;
}

/** Waits without keeping the process alive; not at all once `signal` has aborted. */
function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/** Ends the postmaster, if it is ours to end: without the lock it is left to the server that has it. */
async function end(held: Held | null, cluster: string, dataDir: string): Promise<void> {
  const found = await findPostmaster(cluster);
  let lock = held?.lock ?? null;
  if (found && !lock && found.socketDir) {
    lock = await takeLock(found.socketDir, 0).catch(() => ({
      lost: Promise.resolve(),
      release: async () => undefined,
    }));
    if (!lock) return;
  }
  await signOut(dataDir);
  if (found) await halt(found.pid);
  await lock?.release();
}
