/**
 * Two processes that do all kinds of things to the same few groups and keys at once, and what must hold of the tables whatever they did.
 */
import * as assert from "uvu/assert";
import type { ClaimedJob, NewJob, Queue } from "../../core/ports/queue.ts";

interface Storm {
  realm: string;
  queue: string;
  /** How often each of the sixteen does its part. */
  rounds: number;
}

const MODES = ["drop", "replace", "one-more-after-running"] as const;
const STATES = ["waiting", "delayed", "running", "dead", "done"] as const;

function below(most: number): number {
  return Math.floor(Math.random() * most);
}

function anyJob(): NewJob {
  return {
    payload: "1",
    priority: below(3),
    ...(below(2) === 0 && { group: `g${below(5)}` }),
    ...(below(5) === 0 && { delayMs: below(30) }),
    ...(below(3) === 0 && { dedup: { key: `k${below(4)}`, mode: MODES[below(3)]! } }),
  };
}

/** Lets pushers, workers and operators loose on both; it throws what any of them met. */
export async function storm(sides: readonly [Queue, Queue], { realm, queue, rounds }: Storm): Promise<void> {
  const ids: string[] = [];

  async function pushSome(store: Queue): Promise<void> {
    const jobs = Array.from({ length: 1 + below(5) }, anyJob);
    const pushed = await store.push({ op: "queue.push", realm, queue, jobs });
    ids.push(...pushed.jobs.map(({ id }) => id));
  }

  async function settleOne(store: Queue, { id, leaseToken: token }: ClaimedJob): Promise<void> {
    if (below(4) === 0) await store.extend(realm, queue, [{ id, token, progress: "1" }]);
    if (below(5) < 3) await store.ack(realm, queue, [{ id, token }]);
    else await store.nack(realm, queue, [{ id, token, final: below(3) === 0 }]);
  }

  async function workSome(store: Queue): Promise<void> {
    const leaseMs = below(10) === 0 ? 1 : 60_000;
    const { jobs } = await store.claim(realm, queue, { limit: 1 + below(5), leaseMs });
    await Promise.all(jobs.map((job) => settleOne(below(5) === 0 ? sides[below(2)]! : store, job)));
  }

  async function meddle(store: Queue): Promise<void> {
    const kind = below(8);
    if (kind === 7) await store.configure(realm, queue, { groupConcurrency: 1 + below(3) });
    else if (kind === 6) await store.takeUp(1);
    else if (kind < 3) await store.cancel(realm, queue, ids.at(-1 - below(20)) ?? "1");
    else if (kind < 5) await store.redriveAll(realm, queue, 3);
    else await store.purge(realm, queue, STATES[below(5)]!, 2);
  }

  const parts = [pushSome, pushSome, workSome, workSome, workSome, workSome, meddle, meddle];
  await Promise.all(
    sides.flatMap((store) =>
      parts.map(async (part) => {
        for (let round = 0; round < rounds; round += 1) await part(store);
      }),
    ),
  );
  assert.ok(ids.length > rounds, "hardly anything was pushed");
}

/** Queries that find what must never be, by what it would mean. */
export const UNSOUND: Readonly<Record<string, string>> = {
  "a group's count of places is not that of the jobs that have one": `
    SELECT * FROM (SELECT group_key, sum(placed::int) AS placed FROM queue_jobs WHERE group_key IS NOT NULL GROUP BY group_key) j
    FULL JOIN queue_groups g USING (group_key) WHERE coalesce(j.placed, 0) <> coalesce(g.taken, 0)`,
  // What runs keeps its place when the limit is lowered.
  "a group has more places taken than it has": `
    SELECT * FROM queue_groups g
    WHERE taken > greatest(2, (SELECT count(*) FROM queue_jobs j WHERE j.group_key = g.group_key AND j.placed AND j.state = 'r'))`,
  "a job is held back though its group has room": `
    SELECT id FROM queue_jobs j WHERE state = 'h' AND after_id IS NULL
      AND NOT EXISTS (SELECT FROM queue_groups g WHERE g.group_key = j.group_key AND g.taken >= 2)`,
  "a job waits for one that is gone": `
    SELECT h.id FROM queue_jobs h LEFT JOIN queue_jobs p ON p.id = h.after_id WHERE h.after_id IS NOT NULL AND p.id IS NULL`,
  "a job may be claimed that its group or key holds back": `
    SELECT id FROM queue_jobs WHERE state IN ('w', 'r') AND (after_id IS NOT NULL OR placed <> (group_key IS NOT NULL))`,
  "a lease and the state say different things":
    "SELECT id FROM queue_jobs WHERE (state = 'r') <> (lease_until IS NOT NULL)",
  "a job is in two places": "SELECT id FROM queue_jobs JOIN queue_ended USING (id)",
};
