/** A NATS server of a test's own, for tests that stop it, freeze it or ask it for passwords: the program `nats-server` from the PATH. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { eventually } from "./eventually.ts";
import { freePorts } from "./free_ports.ts";

/** Whether there is the program. */
export const hasNatsServer: boolean = spawnSync("nats-server", ["--version"]).status === 0;

export interface OwnNats {
  port: number;
  url: string;
  /** Starts it, or starts it again on the same port; resolves once it listens. */
  start(): Promise<void>;
  /** Ends it at once, and every connection with it. */
  kill(): Promise<void>;
  /** It keeps its connections and neither reads nor answers. */
  freeze(): void;
  thaw(): void;
}

/** A server on a free port that is not started yet; `args` are those of `nats-server`. */
export async function ownNats(args: readonly string[] = []): Promise<OwnNats> {
  const [port] = (await freePorts(1)) as [number];
  let child: ChildProcess | null = null;
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    async start() {
      let output = "";
      child = spawn("nats-server", ["--addr", "127.0.0.1", "--port", String(port), ...args], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      child.stderr!.on("data", (chunk) => (output += String(chunk)));
      await eventually("nats-server listens", () => output.includes("Server is ready"));
    },
    async kill() {
      const ending = child;
      child = null;
      if (ending === null || ending.exitCode !== null) return;
      const ended = new Promise((resolve) => ending.once("exit", resolve));
      process.kill(ending.pid!, "SIGKILL");
      await ended;
    },
    freeze: () => void process.kill(child!.pid!, "SIGSTOP"),
    thaw: () => void process.kill(child!.pid!, "SIGCONT"),
  };
}
