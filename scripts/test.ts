/**
 * The runner behind `npm test`: types, lint, floors and the proof that core is web-only, then every test file as a process of its own.
 * `npm test -- journal lint` runs the check `lint` and every file with `journal` in its name; `checks` means all checks.
 * A PostgreSQL is lent to the tests unless TEST_DATABASE_URL names one. Files named `*.long.test.ts` run only when they are asked for.
 * The last line is the result: `N passed, N failed`, with `, N skipped` when something was skipped. A check counts as one.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Children, createChildren } from "./testing/child.ts";
import { lendDatabase } from "./testing/database.ts";
import { type Job, planJobs } from "./testing/plan.ts";
import { type Tally, tallyCheck, tallyFile } from "./testing/tally.ts";

/** Test files that need the machine for themselves; a file can also say so by the name `*.alone.test.ts`. */
const ALONE: readonly string[] = [];

/** Those that take long by waiting go first, so that both lanes end together. */
const FIRST: readonly string[] = [
  "test/scripts/test_runner",
  "test/contracts/minio",
  "test/runtimes/embedded",
  "test/runtimes/restart",
  "test/runtimes/drain",
];

/** Milliseconds for one process, by the start of its name; 120 s for the rest. uvu has no bound of its own. */
const BOUNDS: readonly (readonly [start: string, ms: number])[] = [
  ["test/faults/", 300_000],
  ["test/bench/", 300_000],
  ["test/fuzz/sqlmap", 900_000],
  ["test/fuzz/tables", 300_000],
  ["test/runtimes/", 300_000],
];

/** Twice the two cores of the machines this runs on, since many tests wait for timers. */
const SIDE_BY_SIDE = 4;

interface Result extends Tally {
  job: Job;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { root: { type: "string" }, seconds: { type: "string" } },
  });
  const root = resolve(values.root ?? resolve(fileURLToPath(import.meta.url), "../.."));
  const bounds = values.seconds ? [["", Number(values.seconds) * 1000] as const] : BOUNDS;
  const jobs = planJobs(root, { select: positionals, alone: ALONE, bounds });
  const ownTree = values.root === undefined;
  const lent =
    ownTree && process.env.TEST_DATABASE_URL === undefined && jobs.some(({ kind }) => kind === "file")
      ? await lendDatabase()
      : null;
  const children = createChildren(root, lent === null ? process.env : { ...process.env, TEST_DATABASE_URL: lent.url });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      children.stop();
      void (lent?.end() ?? Promise.resolve()).finally(() => process.exit(1));
    });
  }
  const started = performance.now();
  const results = await runAll(jobs, children).finally(() => lent?.end());
  if (jobs.length === 0) console.log(`Nothing to run: no check and no file matches ${positionals.join(", ") || root}`);
  summarize(results, performance.now() - started);
}

async function runAll(jobs: Job[], children: Children): Promise<Result[]> {
  const results: Result[] = [];
  const take = async (queue: Job[]): Promise<void> => {
    for (let job = queue.shift(); job; job = queue.shift()) results.push(await runOne(job, children));
  };
  await take(jobs.filter(({ kind }) => kind === "check"));
  const isFirst = ({ name }: Job) => FIRST.some((start) => name.startsWith(start));
  const files = jobs
    .filter(({ kind }) => kind === "file")
    .sort((one, other) => Number(isFirst(other)) - Number(isFirst(one)));
  const together = files.filter(({ alone }) => !alone);
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => take(together)));
  await take(files.filter(({ alone }) => alone));
  return results;
}

async function runOne(job: Job, children: Children): Promise<Result> {
  const ended = await children.run(job);
  const tally = job.kind === "check" ? tallyCheck(ended) : tallyFile(ended);
  const word = tally.failed > 0 ? "FAIL" : tally.passed === 0 ? "skip" : "ok";
  const counts = job.kind === "check" ? "" : `  ${tally.passed} of ${tally.passed + tally.failed}`;
  const seconds = `${(ended.ms / 1000).toFixed(1)} s`;
  console.log(`${word.padEnd(5)}${job.name}${counts}  ${seconds}${tally.why ? `  (${tally.why})` : ""}`);
  if (tally.failed > 0) console.log(`${ended.output.trimEnd().replace(/^/gm, "     | ")}\n`);
  return { ...tally, job };
}

function summarize(results: Result[], ms: number): void {
  const sum = (read: (result: Result) => number) => results.reduce((total, result) => total + read(result), 0);
  const failed = results.length === 0 ? 1 : sum((result) => result.failed);
  const skipped = sum((result) => result.skipped);
  const bad = results.filter((result) => result.failed > 0).map(({ job }) => job.name);
  console.log(`\n${results.length} processes in ${(ms / 1000).toFixed(1)} s`);
  if (bad.length > 0) console.log(`failed: ${bad.join(", ")}`);
  console.log(`${sum((result) => result.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
