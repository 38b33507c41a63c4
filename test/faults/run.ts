/** Runs fault scenarios and prints their verdicts. In the quick form those that mostly wait run two at a time; in the full form each has the machine to itself. */
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createWards, type Wards } from "./rig/living.ts";
import { openRig } from "./rig/rig.ts";
import type { Choices, Scenario, Verdict } from "./scenario.ts";

const USAGE = `npm run faults -- [f01 f12 …] [--quick] [--runtime node|bun|deno] [--seed N] [--seconds N] [--tree DIR] [--verbose] [--list]`;
const RUNTIMES = ["node", "bun", "deno"] as const;
const SHOWN_LINES = 60;
const SIDE_BY_SIDE = 2;
/** After which a scenario counts as hung. */
const BOUND_MS = { full: 1_800_000, quick: 180_000 };

interface Running {
  choices: Choices;
  wards: Wards;
  verbose: boolean;
}

/** The command; resolves with how many verdicts were red. */
export async function runFaults(words: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      runtime: { type: "string", default: "node" },
      seed: { type: "string" },
      seconds: { type: "string" },
      tree: { type: "string" },
      verbose: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const scenarios = await chosenScenarios(positionals, values.quick);
  if (values.list) {
    for (const { name, words: about, quick } of scenarios)
      console.log(`${name}  ${quick ? "quick" : "     "}  ${about}`);
    return 0;
  }
  const runtime = RUNTIMES.find((name) => name === values.runtime);
  if (runtime === undefined) throw new Error(`There is no runtime ${values.runtime}.\n${USAGE}`);
  const choices: Choices = {
    tree: resolve(values.tree ?? fileURLToPath(new URL("../../", import.meta.url))),
    runtime,
    seed: wholeOf("seed", values.seed) ?? Math.floor(Math.random() * 2 ** 31),
    quick: values.quick,
    seconds: wholeOf("seconds", values.seconds),
  };
  console.log(`seed ${choices.seed}, ${runtime}, ${choices.tree}`);
  // Whatever was started ends with this process, but only when it ends by itself.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const began = performance.now();
  const verdicts = await runAll(scenarios, { choices, wards: createWards(), verbose: values.verbose });
  const failed = verdicts.filter(({ ok }) => !ok).length;
  console.log(`\nseed ${choices.seed}, ${runtime}, ${scenarios.length} scenarios in ${seconds(began)} s`);
  console.log(`${verdicts.length - failed} passed, ${failed} failed`);
  return failed;
}

/** The scenarios that are meant; a file is read only when it may be meant, so that one at work does not stop the others. */
async function chosenScenarios(names: readonly string[], quick: boolean): Promise<Scenario[]> {
  const folder = new URL("./", import.meta.url);
  const files = readdirSync(folder)
    .filter((file) => /^f\d\d_\w+\.ts$/.test(file))
    .sort();
  const missing = names.filter((name) => !files.some((file) => file.startsWith(`${name}_`)));
  if (missing.length > 0)
    throw new Error(
      `There is no scenario ${missing.join(", ")}; there are ${files.map((file) => file.slice(0, 3)).join(", ")}`,
    );
  const meant = names.length === 0 ? files : files.filter((file) => names.some((name) => file.startsWith(`${name}_`)));
  const modules = meant.map(async (file) => (await import(new URL(file, folder).href)) as { scenario: Scenario });
  const scenarios = (await Promise.all(modules)).map(({ scenario }) => scenario);
  return scenarios.filter((scenario) => names.length > 0 || scenario.quick || !quick);
}

function wholeOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} is ${text}; give a whole number.\n${USAGE}`);
  return Number(text);
}

async function runAll(scenarios: readonly Scenario[], running: Running): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const lane = async (queue: Scenario[]): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) verdicts.push(...(await runOne(next, running)));
  };
  await lane(scenarios.filter(({ alone }) => alone || !running.choices.quick));
  const together = running.choices.quick ? scenarios.filter(({ alone }) => !alone) : [];
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, () => lane(together)));
  return verdicts;
}

async function runOne(scenario: Scenario, { choices, wards, verbose }: Running): Promise<Verdict[]> {
  const began = performance.now();
  const { rig, lines, outputs, close } = await openRig(choices, {
    wards,
    write: (line) => verbose && console.log(`${scenario.name} | ${line}`),
  });
  const verdicts = await inTime(scenario.run(rig), choices.quick ? BOUND_MS.quick : BOUND_MS.full).catch((error) => {
    rig.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return [{ name: "the scenario came to its end", figure: String(error).split("\n")[0]!, ok: false }];
  });
  const red = verdicts.some(({ ok }) => !ok);
  const printed = red ? await outputs() : [];
  await close();
  // In one piece, since another scenario may be printing too.
  const text = [
    `\n=== ${scenario.name}: ${scenario.words}`,
    ...verdicts.map(({ name, figure, ok }) => `${ok ? "ok  " : "FAIL"} ${name}: ${figure}`),
    ...(red && !verbose ? lines.slice(-SHOWN_LINES).map((line) => `     | ${line}`) : []),
    ...printed.flatMap(({ name, lines: last }) => last.map((line) => `     | ${name}: ${line}`)),
    `=== ${scenario.name}: ${seconds(began)} s`,
  ];
  console.log(text.join("\n"));
  return verdicts;
}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not end in ${ms / 1_000} s`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}
