/** Figures for people, and what a list of them comes to. */
import type { Verdict } from "../scenario.ts";

/** The most characters of an example. */
const SHOWN = 200;

/** A whole number with a comma between thousands. */
export function grouped(whole: number): string {
  return whole.toLocaleString("en-US");
}

/** The value that a share of all does not exceed; 0 of none. `percentile(list, 1)` is the highest. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? 0;
}

/** The median of the p99 of each second: what lasts, not what one hiccup of the machine does. */
export function lastingP99(moments: readonly { at: number; ms: number }[]): number {
  const seconds = new Map<number, number[]>();
  for (const { at, ms } of moments) {
    const second = Math.floor(at / 1_000);
    const those = seconds.get(second);
    if (those === undefined) seconds.set(second, [ms]);
    else those.push(ms);
  }
  return percentile(
    [...seconds.values()].map((those) => percentile(those, 0.99)),
    0.5,
  );
}

export function milliseconds(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return "never";
  return `${ms < 10 ? ms.toFixed(1) : grouped(Math.round(ms))} ms`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Holds while a figure is at most so much. */
export function atMost(
  name: string,
  value: number,
  { most, unit }: { most: number; unit: (value: number) => string },
): Verdict {
  return { name, figure: `${unit(value)} (at most ${unit(most)})`, ok: value <= most };
}

export function atLeast(name: string, value: number, least: number): Verdict {
  return { name, figure: `${grouped(value)} (at least ${grouped(least)})`, ok: value >= least };
}

/** Holds when none of some is bad, and there are some. */
export function noneOf(name: string, bad: readonly string[], total: number): Verdict {
  const few = bad.slice(0, 3).map((words) => (words.length > SHOWN ? `${words.slice(0, SHOWN)}…` : words));
  const examples = bad.length > 0 ? `, such as ${few.join("; ")}` : "";
  return { name, figure: `${grouped(bad.length)} of ${grouped(total)}${examples}`, ok: bad.length === 0 && total > 0 };
}
