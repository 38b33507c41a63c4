/** `npm start` as a person uses it, which only Node has: signals to npm and to the whole group, and that nothing is left behind. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAlive } from "../../adapters/postgres/embedded/postmaster_file.ts";
import { projectRoot } from "../support/runtime.ts";
import { temporaryDirectory } from "../support/server_process.ts";

const test = suite("npm start");

/** Starts npm in a group of its own, signals it once it is ready, and tells how it ended. */
async function startAndSignal(
  signal: (npm: number) => void,
): Promise<{ code: number | null; output: string; left: number[] }> {
  const directory = await temporaryDirectory();
  const child = spawn("npm", ["start"], {
    cwd: projectRoot,
    detached: true,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: "0", DATA_DIR: join(directory.path, "data") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let pids: Promise<number[]> | null = null;
  const code = await new Promise<number | null>((resolve) => {
    const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), 40_000);
    const read = (chunk: unknown) => {
      output += String(chunk);
      if (pids !== null || !output.includes("is ready on") || !output.includes("embedded_started")) return;
      pids = serverPids(join(directory.path, "data"));
      void pids.then(() => signal(child.pid!));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (ended) => {
      clearTimeout(timer);
      resolve(ended);
    });
  });
  const left = ((await pids) ?? []).filter(isAlive);
  await directory.remove();
  return { code, output, left };
}

/** The server's process and its PostgreSQL's, as the data directory names them. */
async function serverPids(data: string): Promise<number[]> {
  const server = await readFile(join(data, "server.pid"), "utf8");
  const postmaster = await readFile(join(data, "postgres", "postmaster.pid"), "utf8");
  return [server, postmaster].map((text) => Number.parseInt(text, 10));
}

test("SIGTERM to npm stops the server and its database with code 0", async () => {
  const { code, output, left } = await startAndSignal((npm) => process.kill(npm, "SIGTERM"));
  assert.is(code, 0, output);
  assert.equal(left, [], "processes were left behind");
});

test("Ctrl-C, which the whole group gets, does the same", async () => {
  const { code, output, left } = await startAndSignal((npm) => process.kill(-npm, "SIGINT"));
  assert.is(code, 0, output);
  assert.equal(left, [], "processes were left behind");
});

test.run();
