/**
 * Child processes with a bound: each runs in a process group of its own, so that a timeout ends what it started too, and gets
 * only the environment that a test may know.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** What to run. */
export interface Command {
  program: string;
  args: readonly string[];
  /** Milliseconds after which the group is ended. */
  boundMs: number;
}

/** How a child ended. */
export interface Ended {
  /** The exit code, or null when a signal or a failed start ended it. */
  code: number | null;
  timedOut: boolean;
  /** What it wrote to both streams, in the order of arrival; the last 4 MB. */
  output: string;
  ms: number;
}

/** Starts children and ends them. */
export interface Children {
  run(command: Command): Promise<Ended>;
  /** Ends every group that still runs, at once. */
  stop(): void;
}

const OUTPUT_MOST = 4 << 20;
const GRACE_MS = 2_000;
/** A grandchild in a group of its own may hold the pipes open after its parent is gone. */
const DRAIN_MS = 500;

// An allow-list: a production variable that joins later stays outside by itself.
const KNOWN = /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|TERM|CI|LANG|LANGUAGE|(LC|XDG|TEST)_\w+)$/;
const NETWORK =
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|DENO_(DIR|CERT|TLS_CA_STORE)|BUN_INSTALL|(HTTPS?|NO|ALL)_PROXY)$/i;

/** What a test may see of the environment: the machine, `TEST_*`, and nothing that points to a production system. */
export function childEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => KNOWN.test(name) || NETWORK.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
}

/** Children that run in `directory` and see of `environment` what a test may see. */
export function createChildren(directory: string, environment: NodeJS.ProcessEnv): Children {
  const running = new Set<ChildProcess>();
  const env = childEnvironment(environment);
  return {
    stop: () => running.forEach((child) => void signalGroup(child, "SIGKILL")),
    run: async ({ program, args, boundMs }) => {
      const started = performance.now();
      const child = spawn(program, args, { cwd: directory, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
      running.add(child);
      const output = collect(child);
      const { code, timedOut } = await ended(child, boundMs);
      signalGroup(child, "SIGKILL");
      running.delete(child);
      return { code, timedOut, output: await output(), ms: performance.now() - started };
    },
  };
}

async function ended(child: ChildProcess, boundMs: number): Promise<{ code: number | null; timedOut: boolean }> {
  const exit = new Promise<number | null>((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.once("error", () => resolve(null));
  });
  const over = new AbortController();
  const late = (ms: number) => sleep(ms, "late" as const, { signal: over.signal }).catch(() => "late" as const);
  let code = await Promise.race([exit, late(boundMs)]);
  const timedOut = code === "late";
  if (timedOut) {
    signalGroup(child, "SIGTERM");
    code = await Promise.race([exit, late(GRACE_MS)]);
    if (code === "late") {
      signalGroup(child, "SIGKILL");
      code = await exit;
    }
  }
  over.abort();
  return { code: code === "late" ? null : code, timedOut };
}

function collect(child: ChildProcess): () => Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const keep = (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size > OUTPUT_MOST && chunks.length > 1) size -= chunks.shift()?.length ?? 0;
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  child.once("error", (error) => keep(Buffer.from(`cannot start: ${error.message}\n`)));
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return async () => {
    await Promise.race([closed, sleep(DRAIN_MS, undefined, { ref: false })]);
    child.stdout?.destroy();
    child.stderr?.destroy();
    return Buffer.concat(chunks).toString("utf8");
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // ESRCH: the whole group is gone, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
