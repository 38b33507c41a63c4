/** Other programs to measure beside, which are no part of this project: installed outside of it when they are first wanted, in exact versions. */
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { startChild } from "./children.ts";
import { Missing } from "./servers.ts";

/** The peers need Node 22 at least; what stands beside them runs on the same. */
const NODE = "24.21.0";
const PACKAGES = { "pg-boss": "12.38.0", "graphile-worker": "0.18.0" };
/** The newest that there is, where a package asks for one that has not come everywhere. */
const OVERRIDES = { "rrule-temporal": "2.2.7" };
const INSTALL_MS = 120_000;

export interface Peers {
  /** The program of Node 24. */
  node: string;
  /** A directory below which the packages are found. */
  directory: string;
  /** Name and version, as the table says it. */
  names: Record<keyof typeof PACKAGES, string>;
}

/** Finds or installs them; throws Missing, with a word why, where that is not possible. */
export async function findPeers(): Promise<Peers> {
  const runtime = `node-linux-${process.arch}`;
  const dependencies = { ...PACKAGES, [runtime]: NODE };
  const name = Object.entries(dependencies).map(([each, version]) => `${each}@${version}`);
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const directory = join(cache, "millrace-bench", name.join("_"));
  const node = join(directory, "node_modules", runtime, "bin/node");
  if (!existsSync(join(directory, "complete"))) await install(directory, dependencies);
  if (!existsSync(node)) throw new Missing(`${runtime}@${NODE} holds no program of Node`);
  const names = Object.fromEntries(Object.entries(PACKAGES).map(([each, version]) => [each, `${each} ${version}`]));
  return { node, directory, names: names as Peers["names"] };
}

async function install(directory: string, dependencies: Record<string, string>): Promise<void> {
  await mkdir(directory, { recursive: true });
  const manifest = { private: true, dependencies, overrides: OVERRIDES };
  await writeFile(join(directory, "package.json"), JSON.stringify(manifest, null, 2));
  try {
    const args = ["install", "--prefix", directory, "--no-audit", "--no-fund", "--ignore-scripts"];
    // With everything that may tell npm where packages come from.
    const env = process.env as Record<string, string>;
    const child = await startChild({ command: "npm", args, cwd: directory, env, boundMs: INSTALL_MS });
    await child.ended();
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    const words = error instanceof Error ? error.message : String(error);
    throw new Missing(`the peers of queues cannot be installed: ${words.replace(/\s+/g, " ").slice(0, 200)}`);
  }
  await writeFile(join(directory, "complete"), "");
}
