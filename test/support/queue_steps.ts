/**
 * Steps of the queue's contract, on the queue `q` of the harness's realm unless another is named.
 */
import * as assert from "uvu/assert";
import type { Database } from "../../core/ports/database.ts";
import type { AckOutcome, ClaimedJob, Job, JobState, NackOutcome, NewJob, PushedJob } from "../../core/ports/queue.ts";

/** Whose queue it is. */
export interface At {
  realm: string;
  database: Database;
  queue?: string;
}

/** A job with that number as its payload. */
export function job(n: number, more: Partial<NewJob> = {}): NewJob {
  return { payload: `${n}`, ...more };
}

/** Pushes jobs together. */
export async function push({ realm, database, queue = "q" }: At, ...jobs: NewJob[]): Promise<PushedJob[]> {
  return (await database.queue.push({ op: "queue.push", realm, queue, jobs })).jobs;
}

/** Pushes a job under a key. */
export async function pushKeyed(at: At, n: number, dedup: NonNullable<NewJob["dedup"]>): Promise<PushedJob> {
  return (await push(at, job(n, { dedup })))[0]!;
}

/** Claims up to `limit` jobs for a minute, or as long as it says. */
export async function claim(
  { realm, database, queue = "q" }: At,
  limit = 100,
  leaseMs = 60_000,
): Promise<ClaimedJob[]> {
  return (await database.queue.claim(realm, queue, { limit, leaseMs })).jobs;
}

/** Claims exactly one job. */
export async function claimOne(at: At, leaseMs = 60_000): Promise<ClaimedJob> {
  const [claimed] = await claim(at, 1, leaseMs);
  assert.ok(claimed, "there was no job to claim");
  return claimed;
}

/** Claims for ten minutes, and returns the payloads. */
export async function claimed(at: At, limit = 100): Promise<string[]> {
  return (await claim(at, limit, 600_000)).map(({ payload }) => payload);
}

/** Acknowledges what was claimed. */
export async function ack(
  { realm, database, queue = "q" }: At,
  { id, leaseToken }: ClaimedJob,
  result?: string,
): Promise<AckOutcome> {
  const [outcome] = await database.queue.ack(realm, queue, [{ id, token: leaseToken, ...(result && { result }) }]);
  return outcome!;
}

/** Gives back what was claimed. */
export async function nack(
  { realm, database, queue = "q" }: At,
  { id, leaseToken }: ClaimedJob,
  how: { delayMs?: number; error?: string; final?: boolean } = {},
): Promise<NackOutcome> {
  const [outcome] = await database.queue.nack(realm, queue, [{ id, token: leaseToken, ...how }]);
  return outcome!;
}

/** One job by id; it must be there. */
export async function read({ realm, database, queue = "q" }: At, id: string): Promise<Job> {
  const found = await database.queue.get(realm, queue, id);
  assert.ok(found, `there is no job ${id}`);
  return found;
}

/** The state of a job, or null when there is none. */
export async function stateOf({ realm, database, queue = "q" }: At, id: string): Promise<JobState | null> {
  return (await database.queue.get(realm, queue, id))?.state ?? null;
}

/** The payloads of all jobs of a state, read in pages of three. */
export async function listed({ realm, database, queue = "q" }: At, state: JobState): Promise<string[]> {
  const payloads: string[] = [];
  for (let after: string | null = null; ; ) {
    const page = await database.queue.list(realm, queue, state, { after, limit: 3 });
    assert.ok(page.jobs.length <= 3);
    payloads.push(...page.jobs.map(({ payload }) => payload));
    if (page.next === null) return payloads;
    after = page.next;
  }
}

/** The pair that names a lease. */
export function lease({ id, leaseToken }: ClaimedJob): { id: string; token: string } {
  return { id, token: leaseToken };
}
