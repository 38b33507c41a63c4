/** Runs the check of a planted fault in a tree and says how it went. */
import process from "node:process";
import { createChildren } from "../../../scripts/testing/child.ts";
import { tallyFile } from "../../../scripts/testing/tally.ts";
import type { Check } from "./plant.ts";

export interface Checked {
  green: boolean;
  /** The lines that failed. */
  failures: string[];
  output: string;
  ms: number;
}

const TEST_MS = 60_000;
const SCENARIO_MS = 240_000;
/** The same chance for every run, so that a survivor is no matter of luck. */
const SEED = "20260301";

export function nameOf(check: Check): string {
  return "test" in check ? check.test.replace(/^test\/|\.test\.ts$/g, "") : check.scenario;
}

/** `databaseUrl`: for the tests; a scenario starts its own. */
export async function runCheck(tree: string, check: Check, databaseUrl: string): Promise<Checked> {
  const children = createChildren(tree, { ...process.env, TEST_DATABASE_URL: databaseUrl });
  const stop = () => children.stop();
  process.once("exit", stop);
  const words = "test" in check ? [check.test] : ["scripts/faults.ts", ...scenarioWords(check)];
  const ended = await children.run({
    program: process.execPath,
    args: ["--import", "./scripts/typescript.mjs", ...words],
    boundMs: "test" in check ? TEST_MS : SCENARIO_MS,
  });
  process.off("exit", stop);
  const green = "test" in check ? tallyFile(ended).failed === 0 : ended.code === 0;
  const failures = ended.output.split("\n").filter((line) => /^\s*FAIL\s/.test(line));
  return { green, failures: failures.map((line) => line.trim()), output: ended.output, ms: ended.ms };
}

function scenarioWords({ scenario, seconds }: Extract<Check, { scenario: string }>): string[] {
  return [scenario, "--quick", "--seed", SEED, ...(seconds === undefined ? [] : ["--seconds", `${seconds}`])];
}
