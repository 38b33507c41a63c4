/** The handle on an S3 server in a process of its own. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ObjectStore } from "../scenario.ts";
import { send, type Wards } from "./living.ts";

const PROGRAM = fileURLToPath(new URL("./s3_process.ts", import.meta.url));
const LOADER = new URL("../../../scripts/typescript.mjs", import.meta.url).href;

export async function startObjectStore(wards: Wards): Promise<ObjectStore & { end(): void }> {
  const child = fork(PROGRAM, [], { execArgv: ["--import", LOADER], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const pid = child.pid!;
  wards.add(pid);
  child.once("exit", () => wards.delete(pid));
  const port = await portOf(child);
  const steer = async (path: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}/-/${path}`, {
      method: "POST",
      body: JSON.stringify(body ?? null),
    });
    return (await response.json()) as unknown;
  };
  return {
    pid,
    port,
    env: {
      S3_ENDPOINT: `http://127.0.0.1:${port}`,
      S3_BUCKET: "millrace",
      S3_ACCESS_KEY: "millrace",
      S3_SECRET_KEY: "of no worth",
    },
    freeze: () => void send(pid, "SIGSTOP"),
    thaw: () => void send(pid, "SIGCONT"),
    fault: async (fault) => void (await steer("fault", fault)),
    list: async () => (await steer("list")) as { key: string; size: number; at: number }[],
    damage: async (key, how) => void (await steer(`damage?key=${encodeURIComponent(key)}&how=${how}`)),
    end: () => void send(pid, "SIGKILL"),
  };
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve((message as { port: number }).port));
    child.once("exit", (code) => reject(new Error(`the object store ended with code ${code} before it listened`)));
  });
}
