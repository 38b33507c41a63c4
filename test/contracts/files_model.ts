/**
 * Random sequences of calls to a files store, each held against the memory twin, which is the model: the same answers, and the same keys queued.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { Files, NewFile } from "../../core/ports/files.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { type Counted, runModel, tell } from "../support/model_runs.ts";
import type { ModelStore } from "../support/model_schema.ts";

type Twin = ModelStore<"files" | "objectDeletions">;

const HOUR = 3_600_000;
const QUOTA = 100;
const IDS = Array.from({ length: 5 }, (_, index) => `0190000${index}-0000-7000-8000-000000000000`);
const OWNERS = ["ada", "bob"];

type Step =
  | { call: "add"; file: NewFile }
  | { call: "get" | "take" | "remove"; id: string }
  | { call: "list"; owner: string | null; before: string | null; limit: number }
  | { call: "used"; owner: string }
  | { call: "expire" }
  | { call: "referenced" }
  | { call: "advance"; ms: number };

const id = fc.constantFrom(...IDS);
const owner = fc.constantFrom(...OWNERS);

const file: fc.Arbitrary<NewFile> = fc.record({
  id,
  owner,
  secretHash: fc.constant("00"),
  name: fc.constant("a"),
  contentType: fc.constant("text/plain"),
  size: fc.integer({ min: 0, max: 60 }),
  sha256: fc.constant("00"),
  objectKey: fc.constant(""),
  // Half hours, while the clock moves by whole ones: what passes by itself while the test runs decides nothing.
  ttlMs: fc.integer({ min: 0, max: 5 }).map((hours) => (hours + 0.5) * HOUR),
  maxDownloads: fc.option(fc.integer({ min: 1, max: 3 })),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ call: fc.constant("add" as const), file }) },
  { weight: 6, arbitrary: fc.record({ call: fc.constant("take" as const), id }) },
  { weight: 3, arbitrary: fc.record({ call: fc.constantFrom("get" as const, "remove" as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({
      call: fc.constant("list" as const),
      owner: fc.option(owner),
      before: fc.option(id),
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ call: fc.constant("used" as const), owner }) },
  // Which of them go first is nobody's promise, so all go.
  { weight: 3, arbitrary: fc.record({ call: fc.constantFrom("expire" as const, "referenced" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      call: fc.constant("advance" as const),
      ms: fc.integer({ min: 1, max: 3 }).map((hours) => hours * HOUR),
    }),
  },
);

/** A refusal, an end or a gap, without which the sequences would prove little. */
const WANTED = ["add full", "add added", "take true", "take false", "remove true", "remove false", "get null"];

/** Runs the model over the store that `open` opens. */
export function filesModel(twin: string, open: () => Promise<Twin>): void {
  runModel({
    name: `files model, ${twin}`,
    of: "calls",
    sequences: fc.array(step, { minLength: 4, maxLength: 40, size: "max" }),
    open,
    holds,
    wanted: () => ({ kinds: WANTED, times: 1 }),
  });
}

async function holds(steps: readonly Step[], twin: Twin, counted: Counted): Promise<void> {
  await twin.reset();
  const clock = memoryClock();
  const model = memoryDatabase(clock);
  const used = new Set<string>();
  const keys: string[] = [];
  for (const [index, taken] of steps.entries()) {
    let one = taken;
    if (one.call === "add") {
      // An id is used once, as the caller of the store promises.
      if (used.has(one.file.id)) continue;
      used.add(one.file.id);
      const objectKey = `f/${index}`;
      keys.push(objectKey);
      one = { call: "add", file: { ...one.file, objectKey } };
    }
    counted.steps += 1;
    if (one.call === "advance") {
      await clock.advance(one.ms);
      await twin.advance(one.ms);
      continue;
    }
    const expected = await told(one, model.files, keys);
    assert.equal(await told(one, twin.database.files, keys), expected, `${index}: ${JSON.stringify(one)}`);
    const outcome = (expected as { status?: string } | null)?.status ?? JSON.stringify(expected);
    tell(counted, `${one.call} ${outcome}`);
  }
  const queued = async ({ objectDeletions }: Twin["database"]) => (await objectDeletions.due(0, 1_000)).sort();
  assert.equal(await queued(twin.database), await queued(model), "queued keys");
  for (const one of OWNERS) {
    const bytes = await twin.database.files.used(one);
    assert.is(bytes, await model.files.used(one), `used by ${one}`);
    assert.ok(bytes <= QUOTA, `${one} has ${bytes} of ${QUOTA}`);
  }
}

/** What a call answers, without the times, which are each store's own. */
async function told(one: Exclude<Step, { call: "advance" }>, files: Files, keys: readonly string[]): Promise<unknown> {
  switch (one.call) {
    case "add": {
      const added = await files.add(one.file, QUOTA);
      if (added.status === "full") return added;
      return { status: "added", ms: added.expiresAt.getTime() - added.createdAt.getTime() };
    }
    case "get": {
      const found = await files.get(one.id);
      return found === null ? null : timeless(found);
    }
    case "list":
      return (await files.list(one.owner, one.before, one.limit)).map(timeless);
    case "take":
      return await files.take(one.id);
    case "remove":
      return await files.remove(one.id);
    case "used":
      return await files.used(one.owner);
    case "expire":
      return await files.expire(1_000);
    case "referenced":
      return (await files.referenced(keys)).sort();
  }
}

function timeless<T extends { createdAt: Date; expiresAt: Date }>({ createdAt: _, expiresAt: __, ...rest }: T) {
  return rest;
}
