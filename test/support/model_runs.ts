/** How many random sequences of commands a model test runs: some in each `npm test`, the thousand and more that are asked for with TEST_RUNS. */
import process from "node:process";

const asked = Number(process.env.TEST_RUNS);

/** `few`, unless TEST_RUNS says how many. */
export function modelRuns(few = 100): number {
  return Number.isSafeInteger(asked) && asked > 0 ? asked : few;
}
