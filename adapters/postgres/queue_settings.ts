/**
 * The queues themselves in PostgreSQL: their settings, figures and list.
 */
import {
  ATTEMPTS_ASKED_MOST,
  COUNTED_MOST,
  type QueueInfo,
  type QueueMinute,
  type QueueSettings,
  type QueueStats,
} from "../../core/ports/queue_settings.ts";
import type { Pool, Statement } from "./pool.ts";
import { backoffText } from "./queue_push.ts";
import type { Place } from "./queue_settle.ts";

const COLUMNS = `q.name, q.paused, q.group_concurrency, q.max_attempts, q.backoff, q.done_retention_ms::float8, q.dead_retention_ms::float8,
  millrace_ms(q.created_at) AS created_ms`;

const INFO: Statement = {
  name: "queue_info",
  text: `SELECT ${COLUMNS} FROM queues q WHERE q.realm = $1 AND q.name = $2`,
};
const LIST: Statement = {
  name: "queue_queues",
  text: `SELECT ${COLUMNS} FROM queues q WHERE q.realm = $1 AND q.name > $2 ORDER BY q.name LIMIT $3`,
};
const CONFIGURE: Statement = {
  name: "queue_configure",
  text: `SELECT ${COLUMNS} FROM queue_configure($1, $2, $3::int, $4::int, $5::float8[], $6::bigint, $7::bigint) q`,
};
const REFIT: Statement = { name: "queue_refit", text: "SELECT queue_refit($1, $2, $3) AS after" };
const PAUSE: Statement = {
  name: "queue_pause",
  text: "UPDATE queues q SET paused = $3 WHERE q.realm = $1 AND q.name = $2 RETURNING q.number",
};

const liveCount = (state: string) =>
  `(SELECT count(*)::float8 FROM (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = '${state}' LIMIT ${COUNTED_MOST}) c)`;
const endedCount = (state: string) =>
  `(SELECT count(*)::float8 FROM (SELECT FROM queue_ended e WHERE e.queue_number = q.number AND e.state = '${state}' LIMIT ${COUNTED_MOST}) c)`;

/** In the order of the state's index, so that no more is read. */
const firstAttempts = (state: string, order: string) =>
  `(SELECT j.attempt FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = '${state}' ORDER BY ${order} LIMIT ${ATTEMPTS_ASKED_MOST})`;
const ATTEMPTS = [
  firstAttempts("w", "j.priority DESC, j.position"),
  firstAttempts("h", "j.position"),
  firstAttempts("d", "j.visible_at, j.id"),
  firstAttempts("r", "j.lease_until, j.id"),
].join(" UNION ALL ");

const STATS: Statement = {
  name: "queue_stats",
  text: `SELECT ${COLUMNS}, w.waiting, w.oldest_ms, ${liveCount("h")} AS held, ${liveCount("d")} AS delayed, ${liveCount("r")} AS running,
      ${endedCount("o")} AS done, ${endedCount("x")} AS dead, ${endedCount("c")} AS cancelled, a.claimed, a.attempts, a.most_attempts
    FROM queues q CROSS JOIN LATERAL (
      SELECT count(*)::float8 AS waiting, millrace_ms(millrace_now()) - millrace_ms(min(c.visible_at)) AS oldest_ms
      FROM (SELECT j.visible_at FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'w' LIMIT ${COUNTED_MOST}) c
    ) w CROSS JOIN LATERAL (
      SELECT count(*)::float8 AS claimed, coalesce(sum(c.attempt), 0)::float8 AS attempts, coalesce(max(c.attempt), 0) AS most_attempts
      FROM (${ATTEMPTS}) c WHERE c.attempt > 0
    ) a
    WHERE q.realm = $1 AND q.name = $2`,
};
const MINUTES: Statement = {
  name: "queue_minutes",
  text: `SELECT millrace_ms(m.at) AS at_ms, sum(m.pushed)::float8 AS pushed, sum(m.claimed)::float8 AS claimed, sum(m.acked)::float8 AS acked,
      sum(m.nacked)::float8 AS nacked, sum(m.expired)::float8 AS expired, sum(m.dead)::float8 AS dead
    FROM queue_minutes m
    WHERE m.queue_number = (SELECT q.number FROM queues q WHERE q.realm = $1 AND q.name = $2) AND m.at > (SELECT millrace_now()) - interval '1 hour'
    GROUP BY m.at ORDER BY m.at DESC LIMIT 15`,
};

interface InfoRow {
  name: string;
  paused: boolean;
  group_concurrency: number;
  max_attempts: number;
  backoff: [number, number, number, number];
  done_retention_ms: number;
  dead_retention_ms: number;
  created_ms: number;
}

type Counts = Record<"waiting" | "held" | "delayed" | "running" | "done" | "dead" | "cancelled", number>;
type Attempts = Record<"claimed" | "attempts" | "most_attempts", number>;
type StatsRow = InfoRow & Counts & Attempts & { oldest_ms: number | null };

/** The queue's settings, or null. */
export async function infoOf({ pool, realm, queue }: Place): Promise<QueueInfo | null> {
  const [row] = await pool.query<InfoRow>(INFO, [realm, queue]);
  return row ? opened(row) : null;
}

/** A page of queues. */
export async function listQueues(
  pool: Pool,
  { realm, after, limit }: { realm: string; after: string; limit: number },
): Promise<QueueInfo[]> {
  return (await pool.query<InfoRow>(LIST, [realm, after, limit])).map(opened);
}

/** Makes the queue or changes what is given. */
export async function configureQueue(
  { pool, realm, queue }: Place,
  settings: Partial<QueueSettings>,
): Promise<QueueInfo> {
  const { groupConcurrency, maxAttempts, backoff, doneRetentionMs, deadRetentionMs } = settings;
  const [row] = await pool.query<InfoRow>(CONFIGURE, [
    ...[realm, queue, groupConcurrency ?? null, maxAttempts ?? null],
    ...[backoff ? backoffText(backoff) : null, doneRetentionMs ?? null, deadRetentionMs ?? null],
  ]);
  if (groupConcurrency !== undefined) await refit({ pool, realm, queue });
  return opened(row!);
}

/** In parts, so that neither the lock is held long nor the time limit of a statement reached where there are very many groups. */
async function refit({ pool, realm, queue }: Place): Promise<void> {
  let after: string | null = null;
  do {
    const [row]: { after: string | null }[] = await pool.query(REFIT, [realm, queue, after]);
    after = row!.after;
  } while (after !== null);
}

/** Pauses or resumes; false when there is no such queue. */
export async function pauseQueue({ pool, realm, queue }: Place, paused: boolean): Promise<boolean> {
  return (await pool.query(PAUSE, [realm, queue, paused])).length > 0;
}

/** The queue's figures, or null. */
export async function statsOf({ pool, realm, queue }: Place): Promise<QueueStats | null> {
  const [row] = await pool.query<StatsRow>(STATS, [realm, queue]);
  if (!row) return null;
  const minutes = await pool.query<Omit<QueueMinute, "at"> & { at_ms: number }>(MINUTES, [realm, queue]);
  const most = (count: number) => Math.min(count, COUNTED_MOST);
  return {
    ...opened(row),
    counts: {
      waiting: row.waiting + row.held,
      delayed: most(row.delayed),
      running: most(row.running),
      done: most(row.done),
      dead: most(row.dead),
      cancelled: most(row.cancelled),
    },
    held: row.held,
    attempts: { jobs: row.claimed, sum: row.attempts, most: row.most_attempts },
    oldestWaitingMs: row.oldest_ms === null ? null : Math.max(0, row.oldest_ms),
    minutes: minutes.map(({ at_ms, ...counts }) => ({ at: new Date(at_ms), ...counts })),
  };
}

function opened(row: InfoRow): QueueInfo {
  const [delayMs, factor, mostMs, jitter] = row.backoff;
  return {
    queue: row.name,
    paused: row.paused,
    settings: {
      groupConcurrency: row.group_concurrency,
      maxAttempts: row.max_attempts,
      backoff: { delayMs, factor, mostMs, jitter },
      doneRetentionMs: row.done_retention_ms,
      deadRetentionMs: row.dead_retention_ms,
    },
    createdAt: new Date(row.created_ms),
  };
}
