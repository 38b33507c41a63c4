/**
 * Random sequences of calls of a queue store, each held against the memory twin, which is the model: the same outcomes, the same jobs in the same
 * places. Ids and tokens are each store's own, so they are told by their order; times are whole hours from the beginning, and a millisecond passes with each call.
 */
import process from "node:process";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryQueue } from "../../core/ports/memory/queue.ts";
import type { PushedJob, Queue } from "../../core/ports/queue.ts";
import { call, HOUR, openSide, type Side, type Step, step } from "./queue_model_steps.ts";

export interface QueueModelHarness {
  readonly queue: Queue;
  /** The store's clock. */
  now(): number;
  advance(ms: number): Promise<void>;
  /** Lets at least a millisecond pass. */
  tick(): Promise<void>;
  /** Empties the store. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Outcomes without which the sequences would prove little. */
const WANTED = [
  ...[
    "push waiting",
    "push delayed",
    "push dropped",
    "push replaced",
    "claim jobs",
    "claim none",
    "ack acked",
    "ack already",
    "ack stale",
  ],
  ...[
    "ack released",
    "nack retried",
    "nack dead",
    "nack cancelled",
    "nack already",
    "nack stale",
    "extend extended",
    "extend stale",
  ],
  ...[
    "cancel cancelled",
    "cancel requested",
    "cancel ended",
    "redrive some",
    "redriveAll some",
    "purge some",
    "expire some",
    "tick ticked",
  ],
  ...["expired lease", "claim again", "stats held", "configure", "pause"],
];

/** Runs `runs` sequences over the store that `open` opens. */
export function queueModel(name: string, runs: number, open: () => Promise<QueueModelHarness>): void {
  const test = suite(`queue model, ${name}`);
  test(`${runs} sequences of calls come out as the model's do`, async () => {
    const harness = await open();
    const seed = Number(process.env.TEST_SEED) || (Math.random() * 2 ** 31) | 0;
    const counted = { steps: 0, told: new Set<string>() };
    try {
      const property = fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 32, size: "max" }), (steps) =>
        holds(steps, harness, counted),
      );
      await fc.assert(property, { seed, numRuns: runs, includeErrorInReport: true });
    } finally {
      await harness.close();
    }
    for (const told of runs < 1_000 ? [] : WANTED) assert.ok(counted.told.has(told), `no sequence came to "${told}"`);
    console.log(`queue model, ${name}: ${runs} sequences, ${counted.steps} calls, differences: 0 (TEST_SEED=${seed})`);
  });
  test.run();
}

async function holds(
  steps: readonly Step[],
  harness: QueueModelHarness,
  counted: { steps: number; told: Set<string> },
): Promise<void> {
  await harness.reset();
  const clock = memoryClock();
  const model = openSide(memoryQueue(clock).queue, () => clock.now().getTime());
  const twin = openSide(harness.queue, harness.now);
  const pass = async (ms: number) => {
    clock.jump(ms);
    await harness.advance(ms);
  };
  for (const [index, one] of steps.entries()) {
    counted.steps += 1;
    if (one.call === "advance") {
      await pass(one.hours * HOUR);
      continue;
    }
    const expected = await call(model, one);
    assert.equal(await call(twin, one), expected, `${index}: ${JSON.stringify(one)}`);
    for (const kind of kindOf(one, expected)) counted.told.add(kind);
    clock.jump(1);
    await harness.tick();
  }
  for (const kind of await samePictures(model, twin)) counted.told.add(kind);
}

/** At the end everything is in the same place, and what may be claimed comes in the same order. */
async function samePictures(model: Side, twin: Side): Promise<string[]> {
  const kinds: string[] = [];
  for (const queue of model.configured) {
    for (const last of [
      { call: "stats", queue },
      ...(["waiting", "delayed", "running", "done", "dead", "cancelled"] as const).map((state) => ({
        call: "list" as const,
        queue,
        state,
        limit: 50,
      })),
      { call: "claim", queue, limit: 50, hours: 1 },
    ] satisfies Step[]) {
      const expected = await call(model, last);
      assert.equal(await call(twin, last), expected, `at the end: ${JSON.stringify(last)}`);
      kinds.push(...kindOf(last, expected));
    }
  }
  return kinds;
}

/** The kinds of outcome among these, in words. */
function kindOf(one: Step, told: unknown): string[] {
  switch (one.call) {
    case "push":
      return (told as PushedJob[]).map(({ state, deduplicated }) => `push ${deduplicated ?? state}`);
    case "claim": {
      const { jobs } = told as { jobs: { attempt: number }[] };
      const again = jobs.some(({ attempt }) => attempt > 1) ? ["claim again"] : [];
      return [`claim ${jobs.length > 0 ? "jobs" : "none"}`, ...again];
    }
    case "ack":
    case "nack":
    case "extend": {
      const outcomes = told as { status: string; released?: boolean }[];
      return outcomes.flatMap(({ status, released }) => [
        `${one.call} ${status}`,
        ...(released ? [`${one.call} released`] : []),
      ]);
    }
    case "cancel":
      return [`cancel ${(told as { status: string }).status}`];
    case "redrive":
      return (told as unknown[]).length > 0 ? ["redrive some"] : [];
    case "redriveAll":
    case "purge":
    case "expire":
      return told === 0 ? [] : [`${one.call} some`];
    case "list":
      return JSON.stringify(told).includes("The lease expired.") ? ["expired lease"] : [];
    case "stats":
      return (told as { held: number } | null)?.held ? ["stats held"] : [];
    case "tick":
      return "job" in (told as object) ? ["tick ticked"] : [];
    default:
      return [one.call];
  }
}
