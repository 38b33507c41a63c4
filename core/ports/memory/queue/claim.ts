/**
 * Claims in the model: first what has run out and what has come due, then the jobs of highest priority.
 */
import { type Claimed, type ClaimedJob, LEASE_EXPIRED, TAKEN_UP_MOST } from "../../queue.ts";
import { admit, end, enter } from "./moves.ts";
import { type JobRow, type QueueRow, type Rows, sorted } from "./rows.ts";

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

function takeUpExpired(rows: Rows, queue: QueueRow): void {
  const expired = sorted(rows, queue, { states: ["running"], by: ({ leaseUntil, id }) => [leaseUntil!, id] })
    .filter(({ leaseUntil }) => leaseUntil! <= rows.now())
    .slice(0, TAKEN_UP_MOST);
  for (const row of expired) {
    rows.count(queue.number, "expired");
    const error = LEASE_EXPIRED;
    const last = row.attempt >= row.maxAttempts;
    if (row.cancelRequested || last) {
      const state = row.cancelRequested ? "cancelled" : "dead";
      // By its latest row: one that ended before it may have given it back its key.
      end(rows, queue, { row: rows.jobs.get(row.id)!, ending: { state, token: null, error } });
    } else {
      const visibleAt = row.leaseUntil!;
      enter(rows, { ...rows.jobs.get(row.id)!, token: null, leaseUntil: null, visibleAt, error });
    }
  }
}

function takeUpDue(rows: Rows, queue: QueueRow): void {
  const due = sorted(rows, queue, { states: ["delayed"], by: ({ visibleAt, id }) => [visibleAt, id] })
    .filter(({ visibleAt }) => visibleAt <= rows.now())
    .slice(0, TAKEN_UP_MOST);
  for (const row of due) {
    enter(rows, { ...row, position: rows.next() });
    admit(rows, queue, row.group);
  }
}

function dueIn(rows: Rows, queue: QueueRow): number | null {
  const moments = [...rows.jobs.values()]
    .filter((row) => row.queue === queue.number)
    .flatMap(({ state, visibleAt, leaseUntil }) =>
      state === "delayed" ? [visibleAt] : state === "running" ? [leaseUntil!] : [],
    );
  return moments.length === 0 ? null : Math.max(0, Math.min(...moments) - rows.now());
}
