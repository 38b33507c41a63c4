/**
 * The calls of the queue's model test: what they are, how a store carries one out, and what it comes to in words that two stores share.
 */
import fc from "fast-check";
import type { ClaimedJob, Dedup, Job, JobState, NewJob, PushedJob, Queue, Schedule } from "../../core/ports/queue.ts";

export const HOUR = 3_600_000;
const REALM = "model";

type Name = "q" | "r";
/** A job whose times are in hours. */
type PlannedJob = Omit<NewJob, "delayMs" | "dedup"> & {
  hours?: number;
  dedup?: Omit<Dedup, "windowMs"> & { windowHours?: number };
};

/** One call. `of` picks one of the jobs or claims that the sequence has seen. */
export type Step =
  | { call: "push"; queue: Name; jobs: PlannedJob[] }
  /** `acks` picks what is acknowledged with it. */
  | { call: "claim"; queue: Name; limit: number; hours: number; acks: number[] }
  | { call: "ack"; of: number[]; wrong: boolean; result: string | null }
  | { call: "nack"; of: number[]; hours?: number; final: boolean; error: string | null }
  | { call: "extend"; of: number[]; hours?: number; progress?: string }
  | { call: "cancel"; queue: Name; of: number; claimed: boolean }
  | { call: "get"; queue: Name; of: number }
  | { call: "redrive"; queue: Name; of: number[]; payload?: string }
  | { call: "redriveAll"; queue: Name; limit: number }
  | { call: "purge"; queue: Name; state: JobState; limit: number }
  | { call: "list"; queue: Name; state: JobState; limit: number }
  | { call: "pause"; queue: Name; paused: boolean }
  | { call: "configure"; queue: Name; groupConcurrency: number; maxAttempts: number; doneHours: number }
  | { call: "stats" | "remove"; queue: Name }
  | { call: "expire" | "takeUp"; limit: number }
  | { call: "schedule"; queue: Name; name: string; job: PlannedJob; hours: number; paused: boolean }
  | { call: "tick"; of: number; hours: number }
  | { call: "advance"; hours: number };

const queue = fc.constantFrom<Name>("q", "q", "q", "r");
const of = fc.nat(30);
// The latest claims more often than those long past.
const some = fc.uniqueArray(fc.oneof(fc.nat(2), fc.nat(2), of), { minLength: 1, maxLength: 3 });
const limit = fc.integer({ min: 1, max: 5 });
const state = fc.constantFrom<JobState>("waiting", "delayed", "running", "done", "dead", "cancelled");
const key = fc.constantFrom("k", "l");
const dedup = fc.oneof(
  fc.record({ key, mode: fc.constantFrom<Dedup["mode"]>("drop", "replace", "one-more-after-running") }),
  fc.record({ key, mode: fc.constant<Dedup["mode"]>("drop"), windowHours: fc.constantFrom(1, 4) }),
);
const job: fc.Arbitrary<PlannedJob> = fc.record(
  {
    payload: fc.nat(99).map(String),
    hours: fc.constantFrom(1, 2, 5),
    priority: fc.constantFrom(-1, 0, 1),
    group: fc.constantFrom("a", "a", "b"),
    maxAttempts: fc.constantFrom(1, 1, 2),
    dedup,
  },
  { requiredKeys: ["payload"] },
);
const plain: fc.Arbitrary<PlannedJob> = fc.record({ payload: fc.nat(99).map(String) });

const weighted = <T extends Step>(weight: number, arbitrary: fc.Arbitrary<T>) => ({
  weight,
  arbitrary: arbitrary as fc.Arbitrary<Step>,
});
const is = <T extends string>(word: T) => fc.constant(word);

/** Any call. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(
    12,
    fc.record({ call: is("push"), queue, jobs: fc.array(fc.oneof(job, job, plain), { minLength: 1, maxLength: 3 }) }),
  ),
  weighted(
    10,
    fc.record({
      call: is("claim"),
      queue,
      limit,
      hours: fc.constantFrom(1, 3),
      acks: fc.oneof(fc.constant<number[]>([]), some),
    }),
  ),
  weighted(
    6,
    fc.record({ call: is("ack"), of: some, wrong: fc.boolean().map(Boolean), result: fc.constantFrom(null, "1") }),
  ),
  weighted(
    5,
    fc.record(
      {
        call: is("nack"),
        of: some,
        hours: fc.constantFrom(0, 0, 1, 3),
        final: fc.constantFrom(false, false, true),
        error: fc.constantFrom(null, "e"),
      },
      { requiredKeys: ["call", "of", "final", "error"] },
    ) as fc.Arbitrary<Step>,
  ),
  weighted(
    3,
    fc.record(
      { call: is("extend"), of: some, hours: fc.constantFrom(1, 4), progress: fc.constantFrom("1", "2") },
      { requiredKeys: ["call", "of"] },
    ) as fc.Arbitrary<Step>,
  ),
  weighted(4, fc.record({ call: is("cancel"), queue, of, claimed: fc.boolean() })),
  weighted(2, fc.record({ call: is("get"), queue, of })),
  weighted(
    2,
    fc.record(
      { call: is("redrive"), queue, of: some, payload: fc.constant("7") },
      { requiredKeys: ["call", "queue", "of"] },
    ) as fc.Arbitrary<Step>,
  ),
  weighted(1, fc.record({ call: is("redriveAll"), queue, limit })),
  weighted(2, fc.record({ call: is("purge"), queue, state, limit })),
  weighted(2, fc.record({ call: is("list"), queue, state, limit })),
  weighted(1, fc.record({ call: is("pause"), queue, paused: fc.constantFrom(false, false, true) })),
  weighted(
    4,
    fc.record({
      call: is("configure"),
      queue,
      groupConcurrency: fc.constantFrom(1, 2, 3),
      maxAttempts: fc.constantFrom(1, 2, 3),
      doneHours: fc.constantFrom(2, 40),
    }),
  ),
  weighted(1, fc.record({ call: fc.constantFrom("stats" as const, "remove" as const), queue })),
  weighted(1, fc.record({ call: is("expire"), limit })),
  weighted(3, fc.record({ call: is("takeUp"), limit })),
  weighted(
    2,
    fc.record({
      call: is("schedule"),
      queue,
      name: fc.constantFrom("a", "b"),
      job,
      hours: fc.integer({ min: 0, max: 2 }),
      paused: fc.constantFrom(false, false, true),
    }),
  ),
  weighted(3, fc.record({ call: is("tick"), of, hours: fc.integer({ min: 1, max: 2 }) })),
  weighted(5, fc.record({ call: is("advance"), hours: fc.constantFrom(1, 1, 2, 3, 30, 400) })),
);

/** One of the two stores, and what the sequence has seen of it. */
export interface Side {
  readonly queue: Queue;
  now(): number;
  readonly start: number;
  /** Ids in the order in which they were told. */
  readonly ids: string[];
  readonly claims: (ClaimedJob & { queue: Name })[];
  readonly configured: Set<Name>;
}

/** A side that has seen nothing. */
export function openSide(queue: Queue, now: () => number): Side {
  return { queue, now, start: now(), ids: [], claims: [], configured: new Set() };
}

/** Carries the call out, and tells what it comes to. */
export async function call(side: Side, one: Exclude<Step, { call: "advance" }>): Promise<unknown> {
  const { queue: store } = side;
  // Rests without chance, in hours.
  if ("queue" in one && !side.configured.has(one.queue)) {
    side.configured.add(one.queue);
    const backoff = { delayMs: HOUR, factor: 2, mostMs: 3 * HOUR, jitter: 0 };
    await store.configure(REALM, one.queue, { backoff, maxAttempts: 2 });
  }
  switch (one.call) {
    case "push":
      return toldPushed(
        side,
        (await store.push({ op: "queue.push", realm: REALM, queue: one.queue, jobs: one.jobs.map(jobOf) })).jobs,
      );
    case "claim":
      return claimOn(side, one);
    case "ack":
    case "nack":
    case "extend":
      return settleOn(side, one);
    case "cancel":
      return cancelOn(side, one);
    case "get": {
      const found = await store.get(REALM, one.queue, idAt(side, one.of));
      return found && toldJob(side, found);
    }
    case "redrive":
      return (
        await store.redrive(
          REALM,
          one.queue,
          one.of.map((each) => idAt(side, each)),
          one.payload,
        )
      ).map((id) => ordinal(side, id));
    case "redriveAll":
      return store.redriveAll(REALM, one.queue, one.limit);
    case "purge":
      return store.purge(REALM, one.queue, one.state, one.limit);
    case "list":
      return listOn(side, one);
    case "pause":
      return store.pause(REALM, one.queue, one.paused);
    case "configure": {
      const { groupConcurrency, maxAttempts, doneHours } = one;
      const info = await store.configure(REALM, one.queue, {
        groupConcurrency,
        maxAttempts,
        doneRetentionMs: doneHours * HOUR,
      });
      return { ...info, createdAt: null };
    }
    case "remove": {
      const gone = await store.remove(REALM, one.queue);
      if (gone) side.configured.delete(one.queue);
      return gone;
    }
    case "stats": {
      const stats = await store.stats(REALM, one.queue);
      const age = stats?.oldestWaitingMs ?? null;
      return (
        stats && {
          counts: stats.counts,
          held: stats.held,
          paused: stats.paused,
          attempts: stats.attempts,
          age: age === null ? null : hoursOf(age),
        }
      );
    }
    case "expire":
      return store.expire(one.limit);
    case "takeUp":
      return (await store.takeUp(one.limit)).map(({ ended, ...rest }) => ({
        ...rest,
        ended: ended.map((id) => ordinal(side, id)),
      }));
    case "schedule": {
      const { queue, name, job, hours, paused } = one;
      const nextAt = new Date(side.now() + hours * HOUR);
      const put = { realm: REALM, queue, name, cron: "*", zone: "UTC", job: jobOf(job), paused, nextAt };
      const { schedule, created } = await store.schedules.put(put);
      return { created, schedule: toldSchedule(side, schedule) };
    }
    case "tick": {
      const { schedules } = await store.schedules.due(10);
      const schedule = schedules[one.of % Math.max(schedules.length, 1)];
      if (!schedule) return { due: 0 };
      const ticked = await store.schedules.tick(schedule, new Date(side.now() + one.hours * HOUR));
      const again = await store.schedules.tick(schedule, null);
      return {
        due: schedules.map((each) => toldSchedule(side, each)),
        again,
        job: ticked.status === "ticked" && toldPushed(side, [ticked.job]),
      };
    }
  }
}

function jobOf({ hours, dedup, ...rest }: PlannedJob): NewJob {
  const { windowHours, ...keyed } = dedup ?? { key: "", mode: "drop" as const };
  return {
    ...rest,
    ...(hours !== undefined && { delayMs: hours * HOUR }),
    ...(dedup && { dedup: { ...keyed, ...(windowHours !== undefined && { windowMs: windowHours * HOUR }) } }),
  };
}

async function claimOn(side: Side, one: Extract<Step, { call: "claim" }>): Promise<unknown> {
  const options = { limit: one.limit, leaseMs: one.hours * HOUR };
  const leases = pickedClaims(side, one.acks).filter(({ queue }) => queue === one.queue);
  const done = leases.map(({ id, leaseToken: token }) => ({ id, token, result: "1" }));
  const { acks, claimed } =
    done.length === 0
      ? { acks: [], claimed: await side.queue.claim(REALM, one.queue, options) }
      : await side.queue.ackAndClaim(REALM, one.queue, done, options);
  const { jobs, dueInMs } = claimed;
  side.claims.push(...jobs.map((job) => ({ ...job, queue: one.queue })));
  return {
    jobs: jobs.map(({ id, payload, attempt, maxAttempts, priority, group, leaseExpiresAt }) => ({
      ...{ id: ordinal(side, id), payload, attempt, maxAttempts, priority, group },
      lease: hoursAt(side, leaseExpiresAt),
    })),
    due: dueInMs === null ? null : hoursOf(dueInMs),
    acks,
  };
}

/** Some of the claims so far, each job once: what one call does to a job twice is done at two moments, and lists are ordered by them. */
function pickedClaims({ claims }: Side, of: readonly number[]): Side["claims"][number][] {
  const picked = of
    .map((each) => claims[claims.length - 1 - (each % Math.max(claims.length, 1))])
    .filter((each) => each !== undefined);
  return picked.filter(({ id }, index) => picked.findIndex((each) => each.id === id) === index);
}

function cancelOn(side: Side, one: Extract<Step, { call: "cancel" }>): Promise<unknown> {
  const claim = one.claimed ? side.claims.at(-1 - (one.of % 3)) : undefined;
  return side.queue.cancel(REALM, claim?.queue ?? one.queue, claim?.id ?? idAt(side, one.of));
}

async function settleOn(side: Side, one: Extract<Step, { call: "ack" | "nack" | "extend" }>): Promise<unknown> {
  const picked = pickedClaims(side, one.of);
  const name = picked[0]?.queue ?? "q";
  const leases = picked
    .filter(({ queue }) => queue === name)
    .map(({ id, leaseToken }) => ({ id, token: "wrong" in one && one.wrong ? `${leaseToken.slice(1)}0` : leaseToken }));
  switch (one.call) {
    case "ack":
      return side.queue.ack(
        REALM,
        name,
        leases.map((each) => ({ ...each, result: one.result })),
      );
    case "nack": {
      const how = { ...(one.hours !== undefined && { delayMs: one.hours * HOUR }), final: one.final, error: one.error };
      const outcomes = await side.queue.nack(
        REALM,
        name,
        leases.map((each) => ({ ...each, ...how })),
      );
      return outcomes.map((outcome) =>
        outcome.status === "retried" ? { ...outcome, visibleAt: hoursAt(side, outcome.visibleAt) } : outcome,
      );
    }
    default: {
      const how = {
        ...(one.hours !== undefined && { leaseMs: one.hours * HOUR }),
        ...(one.progress !== undefined && { progress: one.progress }),
      };
      const outcomes = await side.queue.extend(
        REALM,
        name,
        leases.map((each) => ({ ...each, ...how })),
      );
      return outcomes.map((outcome) =>
        outcome.status === "extended" ? { ...outcome, leaseExpiresAt: hoursAt(side, outcome.leaseExpiresAt) } : outcome,
      );
    }
  }
}

async function listOn(side: Side, { queue, state, limit }: Extract<Step, { call: "list" }>): Promise<unknown> {
  const pages: unknown[] = [];
  for (let after: string | null = null; ; ) {
    const page = await side.queue.list(REALM, queue, state, { after, limit });
    pages.push(page.jobs.map((job) => toldJob(side, job)));
    if (page.next === null) return pages;
    after = page.next;
  }
}

function idAt({ ids }: Side, of: number): string {
  return ids[of % Math.max(ids.length, 1)] ?? "999999999999";
}

function ordinal(side: Side, id: string): number {
  const known = side.ids.indexOf(id);
  return known >= 0 ? known : side.ids.push(id) - 1;
}

function hoursOf(ms: number): number {
  return Math.round((ms / HOUR) * 10) / 10;
}

function hoursAt({ start }: Side, at: Date | null): number | null {
  return at && hoursOf(at.getTime() - start);
}

function toldPushed(side: Side, jobs: readonly PushedJob[]): unknown[] {
  return jobs.map(({ id, visibleAt, ...rest }) => ({
    ...rest,
    id: ordinal(side, id),
    visible: hoursAt(side, visibleAt),
  }));
}

function toldJob(
  side: Side,
  { id, createdAt, visibleAt, claimedAt, leaseExpiresAt, finishedAt, ...rest }: Job,
): object {
  const times = [createdAt, visibleAt, claimedAt, leaseExpiresAt, finishedAt].map((at) => hoursAt(side, at));
  return { ...rest, id: ordinal(side, id), times };
}

function toldSchedule(side: Side, { createdAt, updatedAt, nextAt, lastAt, lastJobId, ...rest }: Schedule): object {
  const times = [createdAt, updatedAt, nextAt, lastAt].map((at) => hoursAt(side, at));
  return { ...rest, times, last: lastJobId && ordinal(side, lastJobId) };
}
