/** What there is to run: the checks, then every test file on the runtimes it is for. */
import { existsSync, readdirSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "./child.ts";

/** One process to run. */
export interface Job extends Command {
  /** What it is called in the output and in a selection. */
  name: string;
  kind: "check" | "file";
  /** Nothing else runs beside it. */
  alone: boolean;
}

/** What decides about a plan. */
export interface PlanOptions {
  /** Check names and parts of file names; none means everything. */
  select: readonly string[];
  /** Paths of test files that run alone without saying so in their name. */
  alone: readonly string[];
  /** The bound of a process in milliseconds, by the start of its name: the first that fits. */
  bounds: readonly (readonly [start: string, ms: number])[];
}

type Bare = Omit<Job, "boundMs">;

const RUNTIMES = ["node", "bun", "deno"] as const;
const SCRIPTS = resolve(fileURLToPath(import.meta.url), "../..");
const LOADER = join(SCRIPTS, "typescript.mjs");

/** The jobs for the tree at `root`, checks first. Node is the one that runs this. */
export function planJobs(root: string, { select, alone, bounds }: PlanOptions): Job[] {
  return [...checks(root), ...files(root, alone)]
    .filter((job) =>
      select.length === 0 ? !job.name.includes(".long.test.ts") : select.some((word) => isMeant(job, word)),
    )
    .map((job) => ({ ...job, boundMs: bounds.find(([start]) => job.name.startsWith(start))?.[1] ?? 120_000 }));
}

function isMeant({ kind, name }: Bare, word: string): boolean {
  return kind === "check" ? word === name || word === "checks" : name.includes(word);
}

function checks(root: string): Bare[] {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const biome = join(root, "node_modules/@biomejs/biome/bin/biome");
  const commands: [name: string, args: string[]][] = [
    ["types", [tsc]],
    ["core-types", [tsc, "-p", "core"]],
    ["lint", [biome, "check"]],
    ["floors", ["--import", LOADER, join(SCRIPTS, "floors.ts"), root]],
    ["web-only", ["--import", LOADER, join(SCRIPTS, "web_only.ts"), root]],
  ];
  return commands.map(([name, args]) => ({ name, kind: "check", alone: true, program: process.execPath, args }));
}

function files(root: string, alone: readonly string[]): Bare[] {
  const folder = join(root, "test");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort()
    .flatMap((path) => {
      const shared = { kind: "file" as const, alone: path.endsWith(".alone.test.ts") || alone.includes(path) };
      if (!path.startsWith("test/runtimes/")) return [{ ...shared, name: path, ...commandOn("node", root, path) }];
      return runtimesOf(path).map((runtime) => ({
        ...shared,
        name: `${path} (${runtime})`,
        ...commandOn(runtime, root, path),
      }));
    });
}

/** `test/runtimes/bun.test.ts` is for Bun; a file with any other name is for all. */
function runtimesOf(path: string): readonly (typeof RUNTIMES)[number][] {
  const own = RUNTIMES.find(
    (runtime) => path.endsWith(`/${runtime}.test.ts`) || path.endsWith(`/${runtime}.alone.test.ts`),
  );
  return own ? [own] : RUNTIMES;
}

function commandOn(runtime: (typeof RUNTIMES)[number], root: string, path: string): Pick<Command, "program" | "args"> {
  if (runtime === "bun") return { program: join(root, "node_modules/.bin/bun"), args: ["run", path] };
  if (runtime === "deno") return { program: join(root, "node_modules/.bin/deno"), args: ["run", "--allow-all", path] };
  return { program: process.execPath, args: ["--import", LOADER, path] };
}
