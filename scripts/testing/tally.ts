/** What one process counts for: uvu's last words, read together with how the process ended. */
import type { Ended } from "./child.ts";

/** Counts of tests; `why` says in words why something failed, or which parts were skipped. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  why: string;
}

/** A check is one test: it passes when its process exits with 0. */
export function tallyCheck(ended: Ended): Tally {
  const why = broken(ended);
  return { passed: why ? 0 : 1, failed: why ? 1 : 0, skipped: 0, why };
}

/**
 * A test file counts its own tests. One that ran no test is a failure unless it says `skipped: <word>`, and so is one whose tests
 * all passed but which did not end well.
 */
export function tallyFile(ended: Ended): Tally {
  const said = ended.output.replace(ESCAPES, "");
  const total = lastNumber(said, "Total");
  const passed = lastNumber(said, "Passed") ?? 0;
  const reasons = [...said.matchAll(/^\s*skipped: (\S+)/gm)].map((match) => match[1]);
  const skipped = (lastNumber(said, "Skipped") ?? 0) + reasons.length;
  const ending = broken(ended);
  if (ending) return { passed, failed: Math.max(1, (total ?? 0) - passed), skipped, why: ending };
  if (total === null && reasons.length === 0)
    return { passed: 0, failed: 1, skipped, why: "it printed no total: no suite was run to its end" };
  if ((total ?? 0) === 0 && reasons.length === 0) return { passed: 0, failed: 1, skipped, why: "it ran no test" };
  // uvu exits with 1 on a failed test, so this is a file that set the exit code itself.
  if (passed < (total ?? 0))
    return { passed, failed: (total ?? 0) - passed, skipped, why: "tests failed, though it exited with 0" };
  return { passed, failed: 0, skipped, why: reasons.length ? `skipped: ${reasons.join(", ")}` : "" };
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

function broken({ code, timedOut, ms }: Ended): string {
  if (timedOut) return `it ran for ${(ms / 1000).toFixed(1)} s, longer than its bound, and was ended`;
  if (code === null) return "it did not start, or a signal ended it";
  return code === 0 ? "" : `it exited with ${code}`;
}

function lastNumber(text: string, label: string): number | null {
  const found = [...text.matchAll(new RegExp(`^ {2}${label}: +(\\d+)$`, "gm"))].at(-1);
  return found ? Number(found[1]) : null;
}
