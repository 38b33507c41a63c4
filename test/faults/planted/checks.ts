/** Runs the check of a planted fault in a tree and says how it went. */
import process from "node:process";
import { createChildren } from "../../../scripts/testing/child.ts";
import { tallyFile } from "../../../scripts/testing/tally.ts";
import type { Check } from "./plant.ts";

export interface Checked {
  green: boolean;
  /** The lines that say what failed, those of tests and verdicts first. */
  complaints: string[];
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
  const words = "test" in check ? [check.test] : ["scripts/faults.ts", check.scenario, "--quick", "--seed", SEED];
  const ended = await children.run({
    program: process.execPath,
    args: ["--import", "./scripts/typescript.mjs", ...words],
    boundMs: "test" in check ? TEST_MS : SCENARIO_MS,
  });
  process.off("exit", stop);
  const green = "test" in check ? tallyFile(ended).failed === 0 : ended.code === 0;
  const lines = ended.output.split("\n").map((line) => line.trim());
  const failed = lines.filter((line) => /^FAIL\s/.test(line));
  // A test that ends its whole process says so by a stack trace alone.
  const complaints = [...failed, ...lines.filter((line) => !/^(ok|FAIL)\s/.test(line))];
  return { green, complaints, output: ended.output, ms: ended.ms };
}
