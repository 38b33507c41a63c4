/** The cluster, that is PostgreSQL's data directory: made once by initdb, whole or not at all. */
import { spawn } from "node:child_process";
import { chown, mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Account, give } from "./account.ts";
import { clearStaged, moveIntoPlace, stagingName } from "./staging.ts";
import { tailOf, trouble } from "./trouble.ts";

/** The role that initdb makes and everybody connects as. */
export const USER = "postgres";

/** What PostgreSQL gets of our environment, which may hold secrets and PG* settings: nothing but the search path. */
export function environment(): Record<string, string> {
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}

/** How a program of PostgreSQL is spawned for `account`; from / because our own directory may be closed to it. */
export function spawnOptions(account: Account | null): {
  cwd: string;
  env: Record<string, string>;
  uid?: number;
  gid?: number;
} {
  return { cwd: "/", env: environment(), ...(account && { uid: account.uid, gid: account.gid }) };
}

/** Makes the cluster when there is none; true when this call made it. */
export async function ensureCluster(
  cluster: string,
  how: { binaries: string; account: Account | null },
): Promise<boolean> {
  await mkdir(dirname(cluster), { recursive: true, mode: 0o755 });
  await clearStaged(cluster);
  if (await stat(join(cluster, "PG_VERSION")).catch(() => null)) {
    // A copy or a restored backup may have ended up with root.
    if (how.account && (await stat(cluster)).uid === 0) await give(cluster, how.account);
    return false;
  }
  const staged = stagingName(cluster);
  await mkdir(staged, { mode: 0o700 });
  try {
    if (how.account) await chown(staged, how.account.uid, how.account.gid);
    await initialise(staged, how);
  } catch (error) {
    await rm(staged, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  // The initdb of a killed maker makes its directory anew when it had not yet looked at it as we cleared; by now it has.
  await clearStaged(cluster);
  if (await moveIntoPlace(staged, cluster)) return true;
  if (await stat(join(cluster, "PG_VERSION")).catch(() => null)) return false;
  throw await trouble(`${cluster} exists and holds something else than a PostgreSQL database`, {
    directory: dirname(cluster),
  });
}

async function initialise(directory: string, how: { binaries: string; account: Account | null }): Promise<void> {
  const program = join(how.binaries, "initdb");
  const place = dirname(directory);
  const words = ["-D", directory, "-U", USER, "--auth=trust", "-E", "UTF8", "--no-locale", "--no-instructions"];
  const child = spawn(program, words, { ...spawnOptions(how.account), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = await new Promise<{ code: number | string | null; cause?: Error }>((resolve) => {
    child.once("error", (cause) => resolve({ code: null, cause }));
    child.once("close", (code, signal) => resolve({ code: code ?? signal }));
  });
  if (ended.cause)
    throw await trouble(`${program} does not run on this system`, { directory: place, cause: ended.cause });
  if (ended.code !== 0)
    throw await trouble(`initdb failed (${ended.code})`, { directory: place, tail: tailOf(output) });
}
