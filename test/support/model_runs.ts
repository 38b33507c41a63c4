/**
 * The loop of every model test: random sequences, each held against the model, from a seed that is told and can be given back with TEST_SEED; some in each
 * `npm test`, the thousand and more that are asked for with TEST_RUNS.
 */
import process from "node:process";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";

/** What the sequences have come to. */
export interface Counted {
  steps: number;
  /** How often each kind of outcome was told. */
  readonly told: Map<string, number>;
}

export interface ModelRuns<Step, Twin extends { close(): Promise<void> }> {
  /** For example "files model, postgres". */
  name: string;
  /** What the sequences are of, for example "calls". */
  of: string;
  /** How many there are unless TEST_RUNS says so. Left out: 100. */
  few?: number;
  sequences: fc.Arbitrary<Step[]>;
  open(): Promise<Twin>;
  /** Runs one sequence, from an empty store, on the twin and on its model; throws where they differ. */
  holds(sequence: readonly Step[], twin: Twin, counted: Counted): Promise<void>;
  /** Outcomes without which so many sequences would prove little, and how often each must come; asked of long runs only, since few may miss one. */
  wanted(runs: number): { kinds: readonly string[]; times: number };
}

const ENOUGH = 1_000;
const asked = Number(process.env.TEST_RUNS);

/** How many sequences: `few`, unless TEST_RUNS says so. */
export function modelRuns(few = 100): number {
  return Number.isSafeInteger(asked) && asked > 0 ? asked : few;
}

/** Registers and runs the suite of one twin. */
export function runModel<Step, Twin extends { close(): Promise<void> }>(model: ModelRuns<Step, Twin>): void {
  const { name, of, sequences, open, holds, wanted } = model;
  const runs = modelRuns(model.few);
  const test = suite(name);
  test(`${runs} sequences of ${of} come out as the model's do`, async () => {
    const seed = Number(process.env.TEST_SEED) || (Math.random() * 2 ** 31) | 0;
    const counted: Counted = { steps: 0, told: new Map() };
    const twin = await open();
    try {
      const property = fc.asyncProperty(sequences, (sequence) => holds(sequence, twin, counted));
      await fc.assert(property, { seed, numRuns: runs, includeErrorInReport: true });
    } finally {
      await twin.close();
    }
    const { kinds, times } = wanted(runs);
    for (const kind of runs < ENOUGH ? [] : kinds) {
      const came = counted.told.get(kind) ?? 0;
      assert.ok(came >= times, `the sequences came to "${kind}" ${came} times; wanted are ${times}`);
    }
    console.log(`${name}: ${runs} sequences, ${counted.steps} ${of}, differences: 0 (TEST_SEED=${seed})`);
  });
  test.run();
}

/** Counts one outcome. */
export function tell({ told }: Counted, kind: string): void {
  told.set(kind, (told.get(kind) ?? 0) + 1);
}
