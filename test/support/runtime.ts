/** Which runtime runs this test, and how it starts another file of ours. */
import process from "node:process";
import { fileURLToPath } from "node:url";

export type RuntimeName = "node" | "bun" | "deno";

export const runtimeName: RuntimeName = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

export const projectRoot = fileURLToPath(new URL("../../", import.meta.url));

/** Command and arguments that run a TypeScript file on the present runtime. */
export function runFile(file: string): { command: string; args: string[] } {
  if (runtimeName === "bun") return { command: process.execPath, args: [file] };
  if (runtimeName === "deno") return { command: process.execPath, args: ["run", "-A", file] };
  return { command: process.execPath, args: ["--import", "./scripts/typescript.mjs", file] };
}
