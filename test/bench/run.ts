/** Runs the benchmark: options, the build of the C programs, one chapter after the other, the table on standard output. */
import { mkdir, mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Bench, openBench } from "./bench.ts";
import { startChild } from "./children.ts";
import { countGoals, median, tableOf } from "./figures.ts";
import { machineWords } from "./machine.ts";
import type { Measure } from "./measures/measure.ts";
import { measures } from "./measures/mod.ts";
import type { Runtime } from "./millrace.ts";
import { printProfiles } from "./profile.ts";
import { type Chapter, writeResults } from "./results.ts";
import { versionWords } from "./versions.ts";

const RUNTIMES: readonly Runtime[] = ["node", "bun", "deno"];
const HOUSE = resolve(import.meta.dirname, "../..");
const HELP = `npm run bench -- [options]
  --runtime node|bun|deno   what the server runs on (node)
  --only NAME…              chapters: ${measures.map(({ name }) => name).join(", ")}
  --runs N                  runs of each, taken in turn (3)
  --seconds N               length of a run (3)
  --tree DIR                the tree whose server is measured (this one)
  --write                   also write the tables into test/bench/RESULTS.md
  --profile DIR             leave CPU profiles of the server there and print what took most of its time (node)
  --smoke                   everything small and short, to see that the benchmark works: it fails when something could not be measured`;

interface Asked {
  runtime: Runtime;
  chapters: Measure[];
  runs: number;
  seconds: number;
  tree: string;
  write: boolean;
  profile: string | null;
  smoke: boolean;
}

function asked(): Asked {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runtime: { type: "string", default: "node" },
      only: { type: "string", multiple: true, default: [] },
      runs: { type: "string" },
      seconds: { type: "string" },
      tree: { type: "string", default: HOUSE },
      write: { type: "boolean", default: false },
      profile: { type: "string" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) leave(HELP, 0);
  const runtime = RUNTIMES.find((name) => name === values.runtime);
  const names = [...values.only, ...positionals];
  const unknown = names.find((name) => !measures.some((measure) => measure.name === name));
  if (runtime === undefined) leave(`--runtime is "${values.runtime}"; give one of ${RUNTIMES.join(", ")}`, 2);
  if (unknown !== undefined) leave(`there is no chapter "${unknown}"\n${HELP}`, 2);
  return {
    runtime,
    chapters: measures.filter(({ name }) => names.length === 0 || names.includes(name)),
    runs: Number(values.runs ?? (values.smoke ? 1 : 3)),
    seconds: Number(values.seconds ?? (values.smoke ? 0.3 : 3)),
    tree: resolve(values.tree),
    // What moments give is no result.
    write: values.write && !values.smoke,
    profile: values.profile === undefined ? null : resolve(values.profile),
    smoke: values.smoke,
  };
}

function leave(words: string, code: number): never {
  console.log(words);
  process.exit(code);
}

/** Builds the load generator and the bare writer; null where there is no C compiler. */
async function build(directory: string): Promise<{ load: string; writer: string } | null> {
  const programs = { load: join(directory, "load"), writer: join(directory, "writer") };
  for (const [name, program] of Object.entries(programs)) {
    const source = join(import.meta.dirname, `${name}.c`);
    const built = startChild({ command: "cc", args: ["-O2", "-o", program, source] }).then((child) => child.ended());
    const trouble = await built.then(() => null).catch((error: Error) => error.message);
    if (trouble !== null) console.error(trouble);
    if (trouble !== null) return null;
  }
  return programs;
}

async function takeChapter(bench: Bench, measure: Measure): Promise<Chapter & { unmeasured: number }> {
  const began = performance.now();
  try {
    const cases = await measure.take(bench);
    const strangers = cases.flatMap(({ ours }) => ours.runs.map((run) => run.strangers ?? 0));
    const table = tableOf(cases);
    const facts = [
      ...bench.ledger.settle(),
      `Used by strangers meanwhile, of one core: median ${(median(strangers) * 100).toFixed(0)} %, most ${(Math.max(0, ...strangers) * 100).toFixed(0)} %`,
      ...bench.missing.map((words) => `skipped: ${words}`),
    ];
    const unmeasured = cases.filter(({ ours }) => ours.runs.length === 0).length;
    return { name: measure.name, title: measure.title, words: measure.words, table, facts, unmeasured };
  } catch (error) {
    const table = `Not measured: ${error instanceof Error ? error.message : String(error)}`;
    return { name: measure.name, title: measure.title, words: measure.words, table, facts: [], unmeasured: 1 };
  } finally {
    await bench.sweep();
    console.error(`${measure.name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
}

async function takeAll(bench: Bench, wanted: readonly Measure[]) {
  const versions = await versionWords(bench);
  const chapters: Awaited<ReturnType<typeof takeChapter>>[] = [];
  for (const measure of wanted) {
    const chapter = await takeChapter(bench, measure);
    chapters.push(chapter);
    console.log(`\n### ${chapter.title}\n\n${chapter.table}\n\n${chapter.facts.map((fact) => `- ${fact}`).join("\n")}`);
  }
  return { chapters, versions };
}

async function main(): Promise<void> {
  if (process.platform !== "linux") leave(`skipped: ${process.platform} (the load generator is made for Linux)`, 0);
  const options = asked();
  const directory = await realpath(await mkdtemp(join(tmpdir(), "millrace-bench-")));
  const programs = await build(directory);
  if (programs === null) leave("skipped: cc (without a C compiler there is no load generator)", 0);
  if (options.profile !== null) await mkdir(options.profile, { recursive: true });
  const began = performance.now();
  const bench = await openBench({ ...options, profileDir: options.profile, directory, programs }, (words) =>
    console.error(words),
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => void bench.close().finally(() => process.exit(1)));
  }
  const { chapters, versions } = await takeAll(bench, options.chapters).finally(bench.close);
  const when = `${new Date().toISOString().slice(0, 10)}, ${machineWords()}, ${versions}; ${options.runs} runs of ${options.seconds} s`;
  const { goals, met } = countGoals(chapters.map(({ table }) => table).join("\n"));
  console.log(
    `\n${when}\n${met} of ${goals} goals met, in ${((performance.now() - began) / 60_000).toFixed(1)} minutes`,
  );
  if (options.write)
    await writeResults(join(import.meta.dirname, "RESULTS.md"), { runtime: options.runtime, when, chapters });
  if (options.profile !== null) await printProfiles(options.profile);
  const broken = chapters.reduce((sum, { unmeasured }) => sum + unmeasured, 0) + bench.ledger.amiss("Millrace");
  if (options.smoke && broken > 0) leave(`smoke: ${broken} figures could not be taken or deliveries were amiss`, 1);
}

await main();
