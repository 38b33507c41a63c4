/** Processes of a benchmark: started with as many open files as the system allows, awaited until they are ready, ended when it is over. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

export interface Child {
  pid: number;
  /** Everything printed to standard output so far. */
  output(): string;
  /** The last of what it printed at all, for an error. */
  words(): string;
  /** Closes its standard input. */
  release(): void;
  /** Resolves with the output when it has ended; rejects when it ended badly. */
  ended(): Promise<string>;
  stop(): Promise<void>;
}

export interface Start {
  command: string;
  args: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
  /** What it prints once it is ready; left out: it is ready at once. */
  ready?: RegExp;
  /** The most that it may take to be ready, or to end. */
  boundMs?: number;
}

const BOUND_MS = 90_000;
const STOP_MS = 8_000;

/** Starts a process; rejects with its output when it ends before it is ready. */
export async function startChild({ command, args, cwd, env = {}, ready, boundMs = BOUND_MS }: Start): Promise<Child> {
  const raised = ['ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$0" "$@"', command, ...args];
  const child = spawn("/bin/sh", ["-c", ...raised], {
    cwd: cwd ?? process.cwd(),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  let complaints = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  child.stdin.on("error", () => undefined);
  const words = () => `${output}${complaints}`.trim().slice(-600);
  const over = endOf(child);
  const whole = async () => {
    const end = await bounded(over, boundMs);
    if (end !== 0) child.kill("SIGKILL");
    if (end !== 0) throw new Error(`${command} ${args[0] ?? ""}: ${end ?? "a signal"}: ${words()}`);
    return output;
  };
  const made: Child = {
    pid: child.pid ?? 0,
    output: () => output,
    words,
    release: () => void child.stdin.end(),
    ended: whole,
    async stop() {
      child.kill("SIGTERM");
      if ((await bounded(over, STOP_MS)) === "late") child.kill("SIGKILL");
      await over;
    },
  };
  if (ready !== undefined) await isReady(made, { ready, boundMs, over });
  return made;
}

async function isReady(child: Child, how: { ready: RegExp; boundMs: number; over: Promise<unknown> }): Promise<void> {
  let over = false;
  void how.over.then(() => {
    over = true;
  });
  for (const limit = performance.now() + how.boundMs; !how.ready.test(child.output()); await pause(10)) {
    if (!over && performance.now() < limit) continue;
    await child.stop();
    throw new Error(`it did not become ready: ${child.words()}`);
  }
}

function endOf(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal));
  });
}

async function bounded<T>(end: Promise<T>, ms: number): Promise<T | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), ms);
  });
  const first = await Promise.race([end, late]);
  clearTimeout(timer);
  return first;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
