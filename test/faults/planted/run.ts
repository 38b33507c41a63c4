/**
 * `npm run planted`: puts one fault after another into a copy of the tree and demands that the check that should see it turns red, and for that reason. Each check
 * is run without a fault first and must be green then. A fault that is not seen is a hole in the checks; one that does not apply any more is a failure too.
 *
 *   npm run planted -- [part of a name …] [--quick] [--jobs N] [--list] [--verbose]
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { lendDatabase } from "../../../scripts/testing/database.ts";
import { nameOf, runCheck } from "./checks.ts";
import { copyTree } from "./copied_tree.ts";
import { allPlanted } from "./list.ts";
import { type Check, DoesNotApply, type Planted, plant } from "./plant.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url)).replace(/\/$/, "");
/** Of the output of a check that failed in another way than it should. */
const SHOWN_LINES = 30;
/** Of the line by which a fault was seen, so many characters. */
const SHOWN = 120;

/** Something to run in a tree that is free. */
interface Job {
  line: string;
  run(tree: string): Promise<Result>;
}

interface Result {
  ok: boolean;
  words: string;
  output?: string;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      jobs: { type: "string", default: "2" },
      list: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const chosen = allPlanted.filter(
    ({ name, quick }) =>
      (quick || !values.quick) && (positionals.length === 0 || positionals.some((word) => name.includes(word))),
  );
  if (values.list) for (const { name, why, check } of chosen) console.log(`${name}  (${nameOf(check)}): ${why}`);
  if (values.list) return 0;
  if (chosen.length === 0) throw new Error(`There is no planted fault ${positionals.join(", ")}; --list names them`);

  const began = performance.now();
  const database = await lendDatabase();
  const trees = await Promise.all(Array.from({ length: Number(values.jobs) }, () => copyTree(root)));
  let failed = 0;
  try {
    const runAll = async (jobs: Job[]): Promise<Result[]> => {
      const line = jobs.values();
      const results: Result[] = [];
      const work = async (tree: string) => {
        for (const job of line) {
          const result = await job.run(tree);
          results.push(result);
          console.log(`${result.ok ? "" : "FAIL  "}${result.words}`);
          if (result.output !== undefined && (values.verbose || !result.ok))
            console.log(result.output.trimEnd().split("\n").slice(-SHOWN_LINES).join("\n").replace(/^/gm, "     | "));
        }
      };
      await Promise.all(trees.map(({ path }) => work(path)));
      return results;
    };
    const checks = new Map(chosen.map(({ check }) => [JSON.stringify(check), check]));
    const controls = await runAll([...checks.values()].map((check) => controlOf(check, database.url)));
    const results = await runAll(chosen.map((planted) => jobOf(planted, database.url)));
    const all = [...controls, ...results];
    failed = all.filter(({ ok }) => !ok).length;
    console.log(`\n${chosen.length} faults, ${checks.size} checks, in ${seconds(performance.now() - began)}`);
    console.log(`${all.length - failed} passed, ${failed} failed`);
  } finally {
    await database.end();
    for (const tree of trees) await tree.remove();
  }
  return failed;
}

/** The check on the tree as it is. */
function controlOf(check: Check, databaseUrl: string): Job {
  return {
    line: nameOf(check),
    async run(tree) {
      const { green, output, ms } = await runCheck(tree, check, databaseUrl);
      if (green) return { ok: true, words: `green without a fault: ${nameOf(check)} (${seconds(ms)})` };
      return { ok: false, words: `red without a fault: ${nameOf(check)} (${seconds(ms)})`, output };
    },
  };
}

function jobOf({ name, edits, check, sees }: Planted, databaseUrl: string): Job {
  return {
    line: name,
    async run(tree) {
      let restore: () => Promise<void>;
      try {
        restore = await plant(tree, edits);
      } catch (error) {
        if (error instanceof DoesNotApply) return { ok: false, words: `does not apply: ${name}: ${error.message}` };
        throw error;
      }
      const { green, complaints, output, ms } = await runCheck(tree, check, databaseUrl).finally(restore);
      const place = `${nameOf(check)}, ${seconds(ms)}`;
      if (green) return { ok: false, words: `survived: ${name} (${place})` };
      const seen = complaints.find((line) => line.includes(sees));
      if (seen === undefined) return { ok: false, words: `red, but not for "${sees}": ${name} (${place})`, output };
      return { ok: true, words: `caught: ${name} (${place}: ${seen.replace(/^FAIL\s+/, "").slice(0, SHOWN)})` };
    },
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

process.exit((await main()) > 0 ? 1 : 0);
