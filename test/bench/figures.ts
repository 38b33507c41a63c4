/** From runs to a table: medians, ratios within a run, and whether what was to be reached is reached. */
import type { Figures, Taken } from "./bench.ts";

/** What is to be reached. */
export interface Goal {
  words: string;
  holds(figure: number): boolean;
}

/** One figure of ours beside those of others. */
export interface Case {
  what: string;
  unit: string;
  /** Which of the figures. */
  key: string;
  ours: Taken;
  /** A goal for the figure itself. */
  goal?: Goal;
  beside?: readonly { taken: Taken; key?: string; goal?: Goal }[];
}

/** At least, or at most, so many; of a ratio with `×`. */
export const atLeast = (least: number, unit = "×"): Goal => ({
  words: `≥ ${spoken(least)}${unit === "" ? "" : ` ${unit}`}`,
  holds: (figure) => figure >= least,
});
export const atMost = (most: number, unit = "×"): Goal => ({
  words: `≤ ${spoken(most)}${unit === "" ? "" : ` ${unit}`}`,
  holds: (figure) => figure <= most,
});

const HEAD = ["what", "unit", "Millrace (least–most)", "beside", "its figure", "ratio", "to reach", ""];
/** Of a core, in the median run: more than this and the row says so. */
const DISTURBED = 0.12;

/** The cases as a Markdown table. */
export function tableOf(cases: readonly Case[]): string {
  const rows = cases.flatMap(rowsOf);
  const lines = [HEAD, HEAD.map((_, column) => (column === 0 || column === 3 ? "---" : "---:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function rowsOf({ what, unit, key, ours, goal, beside = [] }: Case): string[][] {
  const mine = valuesOf(ours, key);
  const shown = mine.length === 0 ? `not measured: ${inCell(ours.trouble ?? "no run")}` : spread(mine);
  const middle = median(mine);
  const noisy = median(valuesOf(ours, "strangers")) > DISTURBED ? " (disturbed)" : "";
  const own = [goal?.words ?? "", goal === undefined || mine.length === 0 ? "" : verdict(goal, middle)];
  const others = beside.map((other) => {
    const theirs = valuesOf(other.taken, other.key ?? key);
    if (theirs.length === 0)
      return [other.taken.name, `skipped: ${inCell(other.taken.trouble ?? "no run")}`, "", "", ""];
    const ratio = median(mine.flatMap((value, run) => (!theirs[run] ? [] : [value / theirs[run]!])));
    const judged =
      mine.length === 0
        ? ["", "", ""]
        : [ratio.toFixed(2), other.goal?.words ?? "", other.goal ? verdict(other.goal, ratio) : ""];
    return [other.taken.name, spoken(median(theirs)), ...judged];
  });
  const first = [`${what}${noisy}`, unit, shown];
  if (others.length === 0) return [[...first, "", "", "", ...own]];
  // A goal for the figure itself has a row of its own, before what stands beside it.
  const rows = goal === undefined ? others : [["", "", "", ...own], ...others];
  return rows.map((cells, index) => [...(index === 0 ? first : ["", "", ""]), ...cells]);
}

function valuesOf({ runs }: Taken, key: string): number[] {
  return runs.map((figures: Figures) => figures[key]).filter((value) => value !== undefined);
}

/** How many goals there are and how many of them are met. */
export function countGoals(table: string): { goals: number; met: number } {
  return { goals: table.match(/\| (not )?met \|/g)?.length ?? 0, met: table.match(/\| met \|/g)?.length ?? 0 };
}

function verdict(goal: Goal, figure: number): string {
  return goal.holds(figure) ? "met" : "not met";
}

function inCell(text: string): string {
  return text.replace(/\s*[\n|]+\s*/g, " ").slice(0, 160);
}

function spread(values: readonly number[]): string {
  const middle = spoken(median(values));
  return values.length < 2 ? middle : `${middle} (${spoken(Math.min(...values))}–${spoken(Math.max(...values))})`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Three digits that matter, thousands apart. */
export function spoken(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return `${value}`;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: Math.min(digits, 3) });
}
