/** A server of the tree under test in a process of its own, on the runtime under test, that comes back on the same port each time it is started. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import type { Choices, Server, ServerChoices } from "../scenario.ts";
import { memoryOf, send, type Wards } from "./living.ts";

export interface ServerOptions extends ServerChoices, Pick<Choices, "tree" | "runtime"> {
  port: number;
  /** A directory of its own. */
  dataDir: string;
  wards: Wards;
}

const READY = /is (?:ready|listening) on http:\/\/localhost:\d+/;
const READY_MS = 60_000;
const OUTPUT_MOST = 1 << 20;
const SALT = "the salt of the fault runs, of no worth";

/** Describes the server; nothing runs yet. */
export function describeServer(options: ServerOptions): Server {
  const { name, port, env, wards } = options;
  let child: ChildProcess | null = null;
  let over: Promise<{ code: number | null }> = Promise.resolve({ code: null });
  let output = "";

  function launch(): ChildProcess {
    const { command, args } = commandOf(options);
    const launched = spawn(command, args, {
      cwd: options.tree,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        HOST: "127.0.0.1",
        PORT: `${port}`,
        DATA_DIR: options.dataDir,
        TOKEN_SECRET_SALT: SALT,
        RATE_LIMIT: "off",
        LOG_LEVEL: "warn",
        DRAIN_LB: "0",
        DRAIN: "1",
        DENO_NO_UPDATE_CHECK: "1",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (launched.pid !== undefined) wards.add(launched.pid);
    over = new Promise((resolve) => {
      const ended = (code: number | null) => {
        if (launched.pid !== undefined) wards.delete(launched.pid);
        if (child === launched) child = null;
        resolve({ code });
      };
      launched.once("exit", ended);
      launched.once("error", () => ended(null));
    });
    return launched;
  }

  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    const began = performance.now();
    if (child === null) return { code: null, ms: 0 };
    send(child.pid, signal);
    const { code } = await over;
    return { code, ms: performance.now() - began };
  };

  return {
    name,
    port,
    url: `http://127.0.0.1:${port}`,
    pid: () => child?.pid,
    start() {
      if (child !== null) return Promise.resolve();
      const launched = launch();
      child = launched;
      return new Promise((resolve, reject) => {
        let said = "";
        const timer = setTimeout(() => reject(new Error(`${name} was not ready after 60 s:\n${said}`)), READY_MS);
        const hear = (chunk: unknown) => {
          output = (output + String(chunk)).slice(-OUTPUT_MOST);
          if (said.length > OUTPUT_MOST) return;
          said += String(chunk);
          if (!READY.test(said)) return;
          clearTimeout(timer);
          resolve();
        };
        launched.stdout?.on("data", hear);
        launched.stderr?.on("data", hear);
        void over.then(({ code }) => {
          clearTimeout(timer);
          reject(new Error(`${name} ended with code ${code} before it was ready:\n${said}`));
        });
      });
    },
    signal: (signal) => void send(child?.pid, signal),
    kill: async () => void (await end("SIGKILL")),
    stop: () => end("SIGTERM"),
    ended: () => over,
    output: () => output,
    memory: async () => (child?.pid === undefined ? 0 : memoryOf(child.pid)),
  };
}

/** The programs themselves: a script that starts one would take the signals in its place. */
function commandOf({ tree, runtime, entry }: ServerOptions): { command: string; args: string[] } {
  const file = entry ?? `adapters/${runtime}.ts`;
  const program = (name: string) => join(tree, "node_modules/.bin", name);
  if (runtime === "bun") return { command: program("bun"), args: [file] };
  if (runtime === "deno") return { command: program("deno"), args: ["run", "-A", file] };
  return { command: process.execPath, args: ["--import", "./scripts/typescript.mjs", file] };
}
