/**
 * Random sequences of calls of a queue store, each held against the memory twin, which is the model: the same outcomes, the same jobs in the same
 * places. Ids and tokens are each store's own, so they are told by their order; times are whole hours from the beginning, and a millisecond passes with each call.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryQueue } from "../../core/ports/memory/queue.ts";
import type { PushedJob } from "../../core/ports/queue.ts";
import { type Counted, runModel, tell } from "../support/model_runs.ts";
import type { ModelStore } from "../support/model_schema.ts";
import { call, HOUR, openSide, type Side, type Step, step } from "./queue_model_steps.ts";

type Twin = ModelStore<"queue">;

/** Outcomes without which the sequences would prove little. */
const WANTED = [
  ...[
    "push waiting",
    "push delayed",
    "push dropped",
    "push replaced",
    "claim jobs",
    "claim none",
    "claim acked",
    "claim stale",
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
    "takeUp some",
  ],
  ...["expired lease", "claim again", "stats held", "configure", "pause"],
];

/** Runs the model over the store that `open` opens. */
export function queueModel(twin: string, open: () => Promise<Twin>): void {
  runModel({
    name: `queue model, ${twin}`,
    of: "calls",
    sequences: fc.array(step, { minLength: 6, maxLength: 32, size: "max" }),
    open,
    holds,
    wanted: () => ({ kinds: WANTED, times: 1 }),
  });
}

async function holds(steps: readonly Step[], store: Twin, counted: Counted): Promise<void> {
  await store.reset();
  const clock = memoryClock();
  const model = openSide(memoryQueue(clock).queue, () => clock.now().getTime());
  const twin = openSide(store.database.queue, store.now);
  const pass = async (ms: number) => {
    clock.jump(ms);
    await store.advance(ms);
  };
  for (const [index, one] of steps.entries()) {
    counted.steps += 1;
    if (one.call === "advance") {
      await pass(one.hours * HOUR);
      continue;
    }
    const expected = await call(model, one);
    assert.equal(await call(twin, one), expected, `${index}: ${JSON.stringify(one)}`);
    for (const kind of kindOf(one, expected)) tell(counted, kind);
    clock.jump(1);
    await store.tick();
  }
  for (const kind of await samePictures(model, twin)) tell(counted, kind);
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
      { call: "claim", queue, limit: 50, hours: 1, acks: [] },
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
      const { jobs, acks } = told as { jobs: { attempt: number }[]; acks: { status: string }[] };
      const again = jobs.some(({ attempt }) => attempt > 1) ? ["claim again"] : [];
      return [`claim ${jobs.length > 0 ? "jobs" : "none"}`, ...again, ...acks.map(({ status }) => `claim ${status}`)];
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
    case "takeUp":
      return (told as unknown[]).length > 0 ? [`${one.call} some`] : [];
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
