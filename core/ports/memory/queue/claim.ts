/**
 * Claims in the model: first what has run out and what has come due, then the jobs of highest priority; and the first part alone, for all queues.
 */
import { type Claimed, type ClaimedJob, LEASE_EXPIRED, TAKEN_UP_MOST, type TakenUp } from "../../queue.ts";
import { admit, end, enter } from "./moves.ts";
import { compare, type JobRow, type QueueRow, type Rows, sorted } from "./rows.ts";

interface ClaimOptions {
  limit: number;
  leaseMs: number;
  newToken: () => string;
}

/** Claims up to `limit` jobs. */
export function claimJobs(rows: Rows, queue: QueueRow | undefined, options: ClaimOptions): Claimed {
  if (!queue || queue.paused) return { jobs: [], dueInMs: null };
  takeUpExpired(rows, queue);
  takeUpDue(rows, queue);
  const next = sorted(rows, queue, { states: ["waiting"], by: claimOrder }).slice(0, options.limit);
  const jobs = next.map((row) => claimOne(rows, row, options));
  rows.count(queue.number, "claimed", jobs.length);
  return { jobs, dueInMs: jobs.length > 0 ? null : dueIn(rows, queue) };
}

/** The order in which waiting jobs are claimed. */
export function claimOrder({ priority, position }: JobRow): number[] {
  return [-priority, position];
}

function claimOne(rows: Rows, row: JobRow, { leaseMs, newToken }: ClaimOptions): ClaimedJob {
  const now = rows.now();
  const token = newToken();
  const attempt = row.attempt + 1;
  rows.write(rows.jobs, row.id, {
    ...row,
    state: "running",
    attempt,
    claimedAt: now,
    leaseUntil: now + leaseMs,
    token,
  });
  return {
    id: `${row.id}`,
    payload: row.payload,
    attempt,
    maxAttempts: row.maxAttempts,
    leaseToken: token,
    leaseExpiresAt: new Date(now + leaseMs),
    priority: row.priority,
    group: row.group,
    createdAt: new Date(row.createdAt),
  };
}

/** Takes up what claims would, queue after queue until it has `limit`. */
export function takeUp(rows: Rows, limit: number): TakenUp[] {
  const late = [...rows.queues.values()]
    .map((queue) => ({ queue, at: earliest(rows, queue) }))
    .filter(({ at }) => at <= rows.now())
    .sort((left, right) => compare([left.at, left.queue.number], [right.at, right.queue.number]));
  const taken: TakenUp[] = [];
  for (let left = limit; left > 0 && late.length > 0; left -= taken.at(-1)!.count) {
    const { queue } = late.shift()!;
    const { expired, ended } = takeUpExpired(rows, queue);
    taken.push({ realm: queue.realm, queue: queue.queue, count: expired + takeUpDue(rows, queue), ended });
  }
  return taken;
}

function takeUpExpired(rows: Rows, queue: QueueRow): { expired: number; ended: string[] } {
  const expired = sorted(rows, queue, { states: ["running"], by: ({ leaseUntil, id }) => [leaseUntil!, id] })
    .filter(({ leaseUntil }) => leaseUntil! <= rows.now())
    .slice(0, TAKEN_UP_MOST);
  const ended: string[] = [];
  for (const row of expired) {
    rows.count(queue.number, "expired");
    const error = LEASE_EXPIRED;
    const last = row.attempt >= row.maxAttempts;
    if (row.cancelRequested || last) {
      const state = row.cancelRequested ? "cancelled" : "dead";
      ended.push(`${row.id}`);
      // By its latest row: one that ended before it may have given it back its key.
      end(rows, queue, { row: rows.jobs.get(row.id)!, ending: { state, token: null, error } });
    } else {
      const visibleAt = row.leaseUntil!;
      enter(rows, { ...rows.jobs.get(row.id)!, token: null, leaseUntil: null, visibleAt, error });
    }
  }
  return { expired: expired.length, ended };
}

function takeUpDue(rows: Rows, queue: QueueRow): number {
  const due = sorted(rows, queue, { states: ["delayed"], by: ({ visibleAt, id }) => [visibleAt, id] })
    .filter(({ visibleAt }) => visibleAt <= rows.now())
    .slice(0, TAKEN_UP_MOST);
  for (const row of due) {
    enter(rows, { ...row, position: rows.next() });
    admit(rows, queue, row.group);
  }
  return due.length;
}

function dueIn(rows: Rows, queue: QueueRow): number | null {
  const at = earliest(rows, queue);
  return at === Number.POSITIVE_INFINITY ? null : Math.max(0, at - rows.now());
}

/** When the first delayed job comes due or the first lease ends. */
function earliest(rows: Rows, queue: QueueRow): number {
  const moments = [...rows.jobs.values()]
    .filter((row) => row.queue === queue.number)
    .flatMap(({ state, visibleAt, leaseUntil }) =>
      state === "delayed" ? [visibleAt] : state === "running" ? [leaseUntil!] : [],
    );
  return Math.min(...moments);
}
