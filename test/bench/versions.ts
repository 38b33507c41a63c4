/** The versions that figures belong to. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Bench } from "./bench.ts";

/** Runtime, PostgreSQL and, where it is, nginx. */
export async function versionWords(bench: Bench): Promise<string> {
  const { runtime, tree } = bench;
  const own = join(tree, "node_modules/.bin", runtime);
  const { node } = process.versions;
  const server = runtime === "node" ? `Node ${node}` : `${nameOf(runtime, own)} (the ceilings on Node ${node})`;
  const nginx = existsSync("/usr/sbin/nginx") ? [`nginx ${said("/usr/sbin/nginx", "-v")}`] : [];
  return [server, `PostgreSQL ${await bench.postgresVersion()} with fsync on`, ...nginx].join(", ");
}

function nameOf(runtime: "bun" | "deno", program: string): string {
  const [version] = /\d+\.\d+\.\d+/.exec(said(program, "--version")) ?? ["of unknown version"];
  return `${runtime === "bun" ? "Bun" : "Deno"} ${version}`;
}

function said(program: string, argument: string): string {
  const { stdout, stderr } = spawnSync(program, [argument], { encoding: "utf8" });
  const line = `${stdout}${stderr}`.split("\n")[0] ?? "";
  return line.replace(/^nginx version: nginx\//, "").trim();
}
