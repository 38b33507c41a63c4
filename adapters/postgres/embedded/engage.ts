/** Comes to hold a running PostgreSQL: adopts the postmaster of the data directory or starts one, then takes the lock. */
import { type Lock, takeLock } from "./ownership.ts";
import { awaitEnd, awaitReady, halt, type Launched, type LaunchOptions, launch, pause } from "./postmaster.ts";
import { answers, clearStaleLocks, findPostmaster } from "./postmaster_file.ts";
import { trouble } from "./trouble.ts";

/** How long a killed server's backend may take to let go of the lock. */
const LOCK_MS = 1_500;
/** How long what should pass (another's stop, remains of a crash) may last. */
const PATIENCE_MS = 15_000;
/** How long a socket may answer without a postmaster: a killed one closes it only after it has given up its memory. */
const UNSEEN_MS = 3_000;

/** What a new postmaster says when another one, or the backends of a killed one, are in its way for now. */
const IN_THE_WAY = /lock file ".*" already exists|pre-existing shared memory block/;

export interface Held {
  readonly pid: number;
  readonly socketDir: string;
  readonly lock: Lock;
  readonly adopted: boolean;
}

/** Holds PostgreSQL; `"refused"` when another server does, `"aborted"` when `signal` ended the attempt. */
export async function engage(options: LaunchOptions, signal: AbortSignal): Promise<Held | "refused" | "aborted"> {
  const until = Date.now() + PATIENCE_MS;
  let unseenUntil = 0;
  while (!signal.aborted) {
    const found = await findPostmaster(options.cluster);
    if (found?.status === "stopping") {
      await awaitEnd(found.pid, until - Date.now());
      if (Date.now() >= until)
        throw await mute(options, `PostgreSQL (pid ${found.pid}) is being stopped and does not end`);
      continue;
    }
    if (!found && (await servedUnseen(options))) {
      unseenUntil ||= Date.now() + UNSEEN_MS;
      if (Date.now() >= unseenUntil) throw unseen(options);
      await pause(50);
      continue;
    }
    unseenUntil = 0;
    const launched = found ? null : await launch(options);
    const pid = launched?.pid ?? found?.pid ?? 0;
    const ready = await awaitReady(pid, { ...options, signal });
    if (!ready?.socketDir) {
      if (launched) await giveUp(launched, { options, late: Date.now() >= until, signal });
      await pause(50);
      continue;
    }
    try {
      const lock = await takeLock(ready.socketDir, LOCK_MS);
      if (!lock) return "refused";
      return { pid, socketDir: ready.socketDir, lock, adopted: !launched };
    } catch (cause) {
      if (Date.now() >= until) {
        if (launched) await halt(pid);
        throw await mute(options, `PostgreSQL (pid ${pid}) does not answer on its socket in ${ready.socketDir}`, cause);
      }
      await pause(50);
    }
  }
  return "aborted";
}

/** Ends a postmaster that did not get ready when nobody waits for it any more; throws unless what was in its way may pass. */
async function giveUp(
  launched: Launched,
  how: { options: LaunchOptions; late: boolean; signal: AbortSignal },
): Promise<void> {
  if (how.signal.aborted) return halt(launched.pid);
  const tail = await launched.lastWords();
  if (how.late || !IN_THE_WAY.test(tail)) {
    throw await trouble("PostgreSQL ended while starting", { directory: how.options.cluster, tail });
  }
}

function mute(options: LaunchOptions, what: string, cause?: unknown): Promise<Error> {
  return trouble(`${what}; end it and start again`, { directory: options.cluster, cause });
}

/** Whether somebody serves this directory whose pid we cannot see, as from another container on the same volume. */
async function servedUnseen(options: LaunchOptions): Promise<boolean> {
  await clearStaleLocks(options.cluster, options.socketDir);
  return (await answers(options.socketDir)) && !(await findPostmaster(options.cluster));
}

function unseen(options: LaunchOptions): Error {
  return new Error(
    `Cannot start: a PostgreSQL that this process cannot see, perhaps in another container, serves ${options.cluster}. ` +
      "Stop it first, or set DATA_DIR to another directory, or DATABASE_URL to a PostgreSQL that several servers share.",
  );
}
