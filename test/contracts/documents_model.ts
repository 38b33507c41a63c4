/**
 * Random sequences of units and reads of a documents store, each held against the memory twin, which is the model: the same outcomes and the same answers.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { Command, Committed } from "../../core/ports/database.ts";
import type { DocumentCommand, Documents, IndexEntry, Position } from "../../core/ports/documents.ts";
import { EARLIEST } from "../../core/ports/journal.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { type Counted, runModel, tell } from "../support/model_runs.ts";
import type { ModelStore } from "../support/model_schema.ts";

type Twin = ModelStore<"commit" | "documents" | "journal">;
type Stores = Twin["database"];

const HOUR = 3_600_000;
const REALM = "model";
const IDS = ["a", "b", "ba", "ß", "😀"];
const FIELDS = ["s", "t"];
const VALUES = ["1", "2", "22", "ä"];

/** A command whose expiry is in hours from now. */
type Planned = DocumentCommand & { hours?: number | null };

type Step =
  | { call: "commit"; unit: Planned[] }
  | { call: "get" | "list"; collection: string; id: string }
  | { call: "version"; id: string; version: number }
  | { call: "history"; id: string; limit: number; bodies: boolean }
  | {
      call: "pages";
      prefix: string;
      where: { field: string; from: string; to: string }[];
      limit: number;
      bodyBytes: number | null;
    }
  | { call: "expire" }
  | { call: "changes" }
  | { call: "advance"; hours: number };

const id = fc.constantFrom(...IDS);
const hours = fc.option(fc.integer({ min: 0, max: 4 }).map((whole) => whole + 0.5));
const optionalVersion = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined, freq: 2 });
const keys: fc.Arbitrary<IndexEntry[]> = fc.uniqueArray(
  fc.record({ field: fc.constantFrom(...FIELDS), value: fc.constantFrom(...VALUES) }),
  { maxLength: 2, selector: ({ field }) => field },
);
const body = fc.record({ n: fc.integer({ min: 0, max: 99 }), text: fc.constantFrom("", "x".repeat(50)) });
const versioned = { realm: fc.constant(REALM), collection: fc.constant("v"), id };
const plain = { realm: fc.constant(REALM), collection: fc.constant("p"), id };

const command: fc.Arbitrary<Planned> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("document.put" as const),
      ...versioned,
      body,
      hours,
      ifVersion: optionalVersion,
      versions: fc.integer({ min: 0, max: 3 }),
      keys: fc.option(keys, { nil: undefined }),
    }) as fc.Arbitrary<Planned>,
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("document.put" as const),
      ...plain,
      body,
      hours,
      ifVersion: optionalVersion,
    }) as fc.Arbitrary<Planned>,
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("document.remove" as const),
      ...versioned,
      ifVersion: optionalVersion,
      mustExist: fc.constantFrom(true as const, undefined),
    }) as fc.Arbitrary<Planned>,
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("document.remove" as const), ...plain }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("document.check" as const),
      ...versioned,
      ifVersion: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("document.index" as const),
      ...versioned,
      ifVersion: fc.integer({ min: 1, max: 3 }),
      keys,
    }),
  },
);

const range = fc
  .tuple(fc.constantFrom(...FIELDS), fc.constantFrom("", ...VALUES), fc.constantFrom(...VALUES, "\u{10ffff}"))
  .map(([field, from, to]) => ({ field, from, to }));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 28,
    arbitrary: fc.record({
      call: fc.constant("commit" as const),
      unit: fc.array(command, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      call: fc.constantFrom("get" as const, "list" as const),
      collection: fc.constantFrom("v", "p"),
      id,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ call: fc.constant("version" as const), id, version: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      call: fc.constant("history" as const),
      id,
      limit: fc.constantFrom(1, 1, 2, 3),
      bodies: fc.boolean(),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      call: fc.constant("pages" as const),
      prefix: fc.constantFrom("", "", "b", "ß", "x"),
      where: fc.array(range, { maxLength: 2 }),
      limit: fc.integer({ min: 1, max: 4 }),
      bodyBytes: fc.option(fc.integer({ min: 1, max: 150 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constantFrom("expire" as const, "changes" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ call: fc.constant("advance" as const), hours: fc.constantFrom(1, 2, 3, 24 * 31) }),
  },
);

/** Outcomes without which so many sequences would prove little. */
const WANTED = [
  ...["put", "removed", "absent", "stale", "changed", "checked", "indexed"],
  ...["history", "pages", "version"],
];

/** Runs the model over the store that `open` opens. */
export function documentsModel(twin: string, open: () => Promise<Twin>): void {
  runModel({
    name: `documents model, ${twin}`,
    of: "units and reads",
    sequences: fc.array(step, { minLength: 4, maxLength: 24, size: "max" }),
    open,
    holds,
    wanted: () => ({ kinds: WANTED, times: 1 }),
  });
}

async function holds(steps: readonly Step[], twin: Twin, counted: Counted): Promise<void> {
  await twin.reset();
  const clock = memoryClock();
  const model = memoryDatabase(clock);
  for (const [index, one] of steps.entries()) {
    counted.steps += 1;
    if (one.call === "advance") {
      await clock.advance(one.hours * HOUR);
      await twin.advance(one.hours * HOUR);
      continue;
    }
    const expected = await told(one, model, clock.now().getTime());
    assert.equal(await told(one, twin.database, twin.now()), expected, `${index}: ${JSON.stringify(one)}`);
    note(one, expected, counted);
  }
}

function note(one: Step, expected: unknown, counted: Counted): void {
  if (one.call === "commit") for (const status of expected as string[]) tell(counted, status.split(" ")[0]!);
  else if (Array.isArray(expected) ? expected.length > 1 : expected !== null) tell(counted, one.call);
}

/** What a step comes to, without the times, which are each store's own. */
async function told(one: Exclude<Step, { call: "advance" }>, database: Stores, now: number): Promise<unknown> {
  const { documents } = database;
  switch (one.call) {
    case "commit":
      return outcomesOf(await database.commit(unitOf(one.unit, now)));
    case "get":
      return shape(await documents.get(REALM, one.collection, one.id), now);
    case "list":
      return (await documents.list(REALM, one.collection, one.id, 3)).map((document) => shape(document, now));
    case "version":
      return shape(await documents.getVersion(REALM, "v", one.id, one.version), now);
    case "history":
      return historyOf(documents, one);
    case "pages":
      return pagesOf(documents, one, now);
    case "expire": {
      // Which of them go first is nobody's promise, so all go.
      while ((await documents.expire(7)) === 7);
      return null;
    }
    case "changes": {
      const { entries } = await database.journal.read(REALM, "changes", EARLIEST, 1_000);
      return entries.map(({ data }) => data);
    }
  }
}

/** The commands, each with an entry in the feed that tells of it. */
function unitOf(planned: readonly Planned[], now: number): Command[] {
  const commands = planned.map(({ hours, ...command }) =>
    hours === undefined || hours === null ? command : { ...command, expiresAt: new Date(now + hours * HOUR) },
  ) as DocumentCommand[];
  const entries = commands.flatMap((command) =>
    command.op === "document.put" || command.op === "document.remove"
      ? [{ data: `{"id":"${command.id}"}`, ttlMs: null, versionOf: command }]
      : [],
  );
  if (entries.length === 0) return commands;
  return [...commands, { op: "journal.append", realm: REALM, subject: "changes", entries }];
}

function outcomesOf(result: Committed): string[] {
  const words = (outcome: object) =>
    `${(outcome as { status: string }).status} ${(outcome as { version?: number }).version} ${(outcome as { isNew?: boolean }).isNew}`;
  return result.committed ? result.outcomes.map(words) : [words(result.outcome), `failed ${result.failed}`];
}

function shape(document: { id: string; version: number; body: unknown; expiresAt: Date | null } | null, now: number) {
  if (document === null) return null;
  const { id, version, body, expiresAt } = document;
  return {
    id,
    version,
    body,
    hours: expiresAt === null ? null : Math.round(((expiresAt.getTime() - now) / HOUR) * 10) / 10,
  };
}

async function historyOf(documents: Documents, { id, limit, bodies }: { id: string; limit: number; bodies: boolean }) {
  const pages: unknown[] = [];
  for (let before: number | null = null; ; ) {
    const page = await documents.history({
      realm: REALM,
      collection: "v",
      id,
      before,
      limit,
      ...(bodies ? { bodyBytes: 60 } : {}),
    });
    pages.push(page.versions.map(({ version, body }) => ({ version, body })));
    if (page.next === null) return pages;
    before = page.next;
  }
}

async function pagesOf(documents: Documents, one: Extract<Step, { call: "pages" }>, now: number) {
  const pages: unknown[] = [];
  const where = one.where.map(({ field, from, to }) => ({ field, ranges: [{ from, to }] }));
  for (let after: Position | null = null; ; ) {
    const page = await documents.page({
      realm: REALM,
      collection: "v",
      prefix: one.prefix,
      where,
      after,
      limit: one.limit,
      ...(one.bodyBytes === null ? {} : { bodyBytes: one.bodyBytes }),
    });
    pages.push(page.documents.map((document) => shape(document, now)));
    assert.ok(pages.length < 50, "there is always another page");
    if (page.next === null) return pages;
    after = page.next;
  }
}
