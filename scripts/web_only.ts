/**
 * Proves that core is made of Web APIs alone: `node scripts/web_only.ts [ROOT]`. Three proofs, because each has a hole that another closes:
 * core compiles without the types of Node or the DOM; none of its packages brings Node's types in (which would make every Node
 * global legal and the first proof void); and it bundles for no platform at all, which no `node:` import survives, in
 * dependencies neither.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** One proof: what is wrong, or null when it holds. */
export interface Proof {
  name: "compiles" | "types" | "bundles";
  wrong: string | null;
}

/** Runs every proof over the tree at `root`. */
export async function proveWebOnly(root: string): Promise<Proof[]> {
  return [
    { name: "compiles", wrong: compiles(root) },
    { name: "types", wrong: foreignTypes(root) },
    { name: "bundles", wrong: await bundles(root) },
  ];
}

function compiles(root: string): string | null {
  const { status, output } = tsc(root, ["-p", "core"]);
  return status === 0 ? null : `core does not compile without the types of a runtime:\n${output}`;
}

function foreignTypes(root: string): string | null {
  const { status, output } = tsc(root, ["-p", "core", "--listFilesOnly"]);
  if (status !== 0) return `the files of core cannot be listed:\n${output}`;
  const foreign = output.split("\n").filter((file) => /@types\/(node|bun|deno)\/|bun-types\//.test(file));
  if (foreign.length === 0) return null;
  return `something core imports brings ${foreign.length} files of a runtime's types in, the first is ${foreign[0]}: put that package behind an adapter`;
}

/** Every module is an entry, so that one which `core/mod.ts` does not reach yet is proven too. */
async function bundles(root: string): Promise<string | null> {
  const core = join(root, "core");
  const modules = readdirSync(core, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const result = await build({
    entryPoints: modules.map((file) => join(core, file)),
    absWorkingDir: root,
    outdir: join(root, "bundle"),
    write: false,
    bundle: true,
    splitting: true,
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import"],
    format: "esm",
    logLevel: "silent",
  }).catch((failure: { errors?: { text: string; location: { file: string; line: number } | null }[] }) => failure);
  const errors = result.errors ?? [];
  if (errors.length === 0 && "outputFiles" in result) return null;
  const lines = errors.map(({ text, location }) => `${location ? `${location.file}:${location.line} ` : ""}${text}`);
  return `core does not bundle for a neutral platform:\n${lines.join("\n") || String(result)}`;
}

function tsc(root: string, options: string[]): { status: number | null; output: string } {
  const program = createRequire(import.meta.url)
    .resolve("typescript/package.json")
    .replace(/package\.json$/, "bin/tsc");
  const child = spawnSync(process.execPath, [program, ...options], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  return { status: child.status, output: `${child.stdout}${child.stderr}`.trim() };
}

async function main(root: string): Promise<void> {
  const core = existsSync(join(root, "core"));
  const proofs = core ? await proveWebOnly(root) : [];
  const broken = proofs.filter(({ wrong }) => wrong !== null);
  for (const { name, wrong } of broken) console.log(`${name}: ${wrong}`);
  if (core && broken.length === 0) console.log(`web-only: ${proofs.length} proofs, ok`);
  else console.log(`web-only: ${core ? `${broken.length} of ${proofs.length} proofs broken` : `no core in ${root}`}`);
  process.exitCode = core && broken.length === 0 ? 0 : 1;
}

const here = fileURLToPath(import.meta.url);
if (process.argv[1] && resolve(process.argv[1]) === here)
  await main(resolve(process.argv[2] ?? resolve(here, "../..")));
