/**
 * Pushes in PostgreSQL: many commands of one queue in one statement, alone or as part of a unit.
 */
import type { Buffer } from "node:buffer";
import type { Outcome } from "../../core/ports/database.ts";
import type { JobState, NewJob, PushedJob, PushJobs, PushOutcome } from "../../core/ports/queue.ts";
import { plainArray, textArray } from "./array.ts";
import type { UnitStore } from "./mixed_unit.ts";
import type { Pool, Statement } from "./pool.ts";
import type { TextRow } from "./text_rows.ts";

const PUSH: Statement = {
  name: "queue_push",
  text: `SELECT to_json(ids), to_json(states), to_json(visible_ms), to_json(deduplicated), now_ms
    FROM queue_push($1, $2, $3::text[], $4::float8[], $5::float8[], $6::int[], $7::text[], $8::int[], $9::text[], $10::text[], $11::text[], $12::float8[])`,
  asText: true,
};

/** The states by the letters that the tables have for them. */
export const STATES: Readonly<Record<string, JobState>> = {
  w: "waiting",
  h: "waiting",
  d: "delayed",
  r: "running",
  o: "done",
  x: "dead",
  c: "cancelled",
};

/** The letter of a state in the tables. */
export function letterOf(state: JobState): string {
  return Object.keys(STATES).find((letter) => STATES[letter] === state)!;
}

const LOST =
  "The connection to the database was lost: it is unknown whether the jobs were stored. Push them again under a dedup key, or look for them.";

/** Pushes commands of one queue, in their order. */
export async function pushTogether(query: Pool["query"], commands: readonly PushJobs[]): Promise<PushOutcome[]> {
  const { realm, queue } = commands[0]!;
  const jobs = commands.flatMap((command) => command.jobs);
  if (jobs.length === 0) return commands.map(() => ({ status: "pushed", jobs: [] }));
  const [row] = await query<TextRow>(PUSH, [realm, queue, ...columnsOf(jobs)], LOST);
  const pushed = pushedJobs(row!, jobs.length);
  let at = 0;
  return commands.map((command) => {
    const own = pushed.slice(at, at + command.jobs.length);
    at += own.length;
    return { status: "pushed", jobs: own };
  });
}

function columnsOf(jobs: readonly NewJob[]): (Buffer | string | null)[] {
  const numbers = (of: (job: NewJob) => number | undefined) => {
    const values = jobs.map((job) => of(job) ?? null);
    return values.some((value) => value !== null) ? plainArray(values) : null;
  };
  const texts = (of: (job: NewJob) => string | null | undefined) => {
    const values = jobs.map((job) => of(job) ?? null);
    return values.some((value) => value !== null) ? textArray(values) : null;
  };
  return [
    textArray(jobs.map(({ payload }) => payload)),
    numbers(({ delayMs, visibleAt }) => (visibleAt ? undefined : delayMs)),
    numbers(({ visibleAt }) => visibleAt?.getTime()),
    numbers(({ priority }) => priority),
    texts(({ group }) => group),
    numbers(({ maxAttempts }) => maxAttempts),
    texts(({ backoff }) => backoff && backoffText(backoff)),
    texts(({ dedup }) => dedup?.key),
    texts(({ dedup }) => dedup?.mode),
    numbers(({ dedup }) => dedup?.windowMs),
  ];
}

/** A backoff as the tables keep it. */
export function backoffText({ delayMs, factor, mostMs, jitter }: NonNullable<NewJob["backoff"]>): string {
  return plainArray([delayMs, factor, mostMs, jitter]);
}

function pushedJobs(row: TextRow, count: number): PushedJob[] {
  const [ids, states, visible, deduplicated, now] = row.map((value) => JSON.parse(value ?? "null"));
  return Array.from({ length: count }, (_, index) =>
    pushedJob({
      id: `${ids[index]}`,
      state: states?.[index] ?? "w",
      visible_ms: visible?.[index] ?? now,
      deduplicated: deduplicated?.[index] ?? null,
    }),
  );
}

/** What the tables say of a job that was pushed. */
export function pushedJob(row: {
  id: string;
  state: string;
  visible_ms: number;
  deduplicated: string | null;
}): PushedJob {
  return {
    id: row.id,
    state: STATES[row.state]!,
    visibleAt: new Date(row.visible_ms),
    deduplicated: row.deduplicated === "d" ? "dropped" : row.deduplicated === "r" ? "replaced" : null,
  };
}

/** Pushes as part of a unit: those of a queue together, queue by queue in one order, so that units do not wait for each other. */
export const queueUnit: UnitStore<PushJobs> = {
  ops: ["queue.push"],
  locks: () => [],
  async apply(query, commands) {
    const outcomes = new Array<Outcome>(commands.length);
    const byQueue = new Map<string, number[]>();
    for (const [place, { realm, queue }] of commands.entries()) {
      const name = JSON.stringify([realm, queue]);
      byQueue.set(name, [...(byQueue.get(name) ?? []), place]);
    }
    for (const name of [...byQueue.keys()].sort()) {
      const places = byQueue.get(name)!;
      const pushed = await pushTogether(
        query,
        places.map((place) => commands[place]!),
      );
      for (const [index, place] of places.entries()) outcomes[place] = pushed[index]!;
    }
    return outcomes;
  },
};
