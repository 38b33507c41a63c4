/** A real server in a process of its own, on the runtime that runs the test: started, watched, stopped, killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { projectRoot, runFile, runtimeName } from "./runtime.ts";

export interface ServerProcess {
  url: string;
  child: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** Milliseconds from the spawn to the line that says it is ready. */
  readyMs: number;
  /** Sends a signal and waits for the end. */
  end(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): Promise<{ code: number | null; ms: number }>;
}

export interface ServerOptions {
  dataDir: string;
  env?: Record<string, string>;
}

const READY = /is (?:ready|listening) on (http:\/\/localhost:\d+)/;

/** Starts `adapters/<runtime>.ts` on a free port; rejects with its output when it ends before it is ready. */
export async function startServerProcess({ dataDir, env = {} }: ServerOptions): Promise<ServerProcess> {
  const { command, args } = runFile(`adapters/${runtimeName}.ts`);
  const began = performance.now();
  const child = spawn(command, args, {
    cwd: projectRoot,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: "0", DATA_DIR: dataDir, RATE_LIMIT: "off", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after 30 s:\n${output}`)), 30_000);
    const read = (chunk: unknown) => {
      output += String(chunk);
      const found = READY.exec(output)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    void ended.then((code) => {
      clearTimeout(timer);
      reject(new Error(`ended with code ${code} before it was ready:\n${output}`));
    });
  });
  return {
    url,
    child,
    output: () => output,
    readyMs: performance.now() - began,
    async end(signal) {
      const at = performance.now();
      // Deno reports the signal given to child.kill() as the end even when the process exited by itself.
      process.kill(child.pid!, signal);
      return { code: await ended, ms: performance.now() - at };
    },
  };
}

/** A fresh data directory, and its removal. */
export async function temporaryDirectory(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "millrace-test-"));
  // As root the server lends the cluster to another account, which must be able to come here.
  await chmod(path, 0o755);
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
