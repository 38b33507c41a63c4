import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Taken } from "./bench.ts";
import { atLeast, atMost, countGoals, median, spoken, tableOf } from "./figures.ts";

const test = suite("bench figures");

const taken = (name: string, rates: number[], strangers = 0): Taken => ({
  name,
  runs: rates.map((rate) => ({ rate, strangers })),
  trouble: rates.length === 0 ? "it is | not here" : null,
});
const cellsOf = (table: string, line: number) =>
  table
    .split("\n")
    [line + 2]!.split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

test("a ratio is the median of the ratios of each run, not the ratio of the medians", () => {
  const [ours, theirs] = [taken("ours", [10, 20, 90]), taken("theirs", [10, 40, 30])];
  const table = tableOf([
    { what: "it", unit: "1/s", key: "rate", ours, beside: [{ taken: theirs, goal: atLeast(1) }] },
  ]);
  assert.equal(cellsOf(table, 0), ["it", "1/s", "20 (10–90)", "theirs", "30", "1.00", "≥ 1 ×", "met"]);
});

test("a goal that is missed by little is not met", () => {
  const [ours, theirs] = [taken("ours", [699]), taken("theirs", [1_000])];
  const table = tableOf([
    {
      what: "it",
      unit: "1/s",
      key: "rate",
      ours,
      goal: atMost(698, ""),
      beside: [{ taken: theirs, goal: atLeast(0.7) }],
    },
  ]);
  assert.equal(cellsOf(table, 0).slice(6), ["≤ 698", "not met"]);
  assert.equal(cellsOf(table, 1).slice(5), ["0.70", "≥ 0.7 ×", "not met"]);
  assert.equal(countGoals(table), { goals: 2, met: 0 });
});

test("what could not be measured says why and meets no goal", () => {
  const table = tableOf([
    {
      what: "it",
      unit: "1/s",
      key: "rate",
      ours: taken("ours", []),
      goal: atLeast(0, ""),
      beside: [{ taken: taken("theirs", [1]), goal: atLeast(0) }],
    },
  ]);
  assert.match(table, "not measured: it is not here");
  assert.equal(countGoals(table), { goals: 0, met: 0 });
});

test("what stands beside may be missing without hiding our own figure", () => {
  const table = tableOf([
    {
      what: "it",
      unit: "1/s",
      key: "rate",
      ours: taken("ours", [5]),
      beside: [{ taken: taken("theirs", []), goal: atLeast(1) }],
    },
  ]);
  assert.equal(cellsOf(table, 0).slice(2, 5), ["5", "theirs", "skipped: it is not here"]);
  assert.equal(countGoals(table), { goals: 0, met: 0 });
});

test("a row that strangers disturbed says so", () => {
  assert.match(tableOf([{ what: "it", unit: "1/s", key: "rate", ours: taken("ours", [5], 0.2) }]), "it (disturbed)");
  assert.not.match(tableOf([{ what: "it", unit: "1/s", key: "rate", ours: taken("ours", [5], 0.1) }]), "disturbed");
});

test("figures are spoken with three digits that matter", () => {
  assert.equal([0, 0.1264, 1.556, 12.34, 123.6, 12_345, 1_234_567].map(spoken), [
    "0",
    "0.126",
    "1.56",
    "12.3",
    "124",
    "12,300",
    "1,230,000",
  ]);
  assert.equal([median([]), median([3, 1, 2]), median([4, 1, 2, 3])], [0, 2, 2.5]);
});

test.run();
