/**
 * What the queue in PostgreSQL shows of its jobs: one by id, pages by state.
 */
import { Fault } from "../../core/ports/fault.ts";
import type { Job, JobPage, JobState } from "../../core/ports/queue.ts";
import type { Pool, Statement } from "./pool.ts";
import { letterOf, STATES } from "./queue_push.ts";
import { idOf, type Place } from "./queue_settle.ts";

const SHARED = `j.id::text, j.state::text, j.payload, j.priority, j.group_key, j.dedup_key, j.attempt, j.max_attempts, j.redrives, j.cancel_requested,
  j.error, j.progress, millrace_ms(j.created_at) AS created_ms, millrace_ms(j.visible_at) AS visible_ms, millrace_ms(j.claimed_at) AS claimed_ms`;
const LIVE = `${SHARED}, millrace_ms(j.lease_until) AS lease_ms, NULL::float8 AS finished_ms, NULL::text AS result, j.position::text AS position`;
const ENDED = `${SHARED}, NULL::float8 AS lease_ms, millrace_ms(j.finished_at) AS finished_ms, j.result, NULL::text AS position`;
const NUMBER = "(SELECT q.number FROM queues q WHERE q.realm = $1 AND q.name = $2)";

const GET: Statement = {
  name: "queue_get",
  text: `SELECT ${LIVE} FROM queue_jobs j WHERE j.queue_number = ${NUMBER} AND j.id = $3
    UNION ALL SELECT ${ENDED} FROM queue_ended j WHERE j.queue_number = ${NUMBER} AND j.id = $3`,
};

// In three parts, since the priority falls while the position grows: the rest of a priority, the priorities below it, and those held back.
const WAITING_BESIDE: Statement = {
  name: "queue_list_waiting_beside",
  text: `SELECT ${LIVE} FROM queue_jobs j
    WHERE j.queue_number = ${NUMBER} AND j.state = 'w' AND j.priority = $3::int AND j.position > $4::bigint
    ORDER BY j.position LIMIT $5`,
};
const WAITING_BELOW: Statement = {
  name: "queue_list_waiting_below",
  text: `SELECT ${LIVE} FROM queue_jobs j WHERE j.queue_number = ${NUMBER} AND j.state = 'w' AND j.priority < $3::int
    ORDER BY j.priority DESC, j.position LIMIT $4`,
};
const HELD: Statement = {
  name: "queue_list_held",
  text: `SELECT ${LIVE} FROM queue_jobs j WHERE j.queue_number = ${NUMBER} AND j.state = 'h' AND j.position > $3::bigint
    ORDER BY j.position LIMIT $4`,
};
const DELAYED: Statement = {
  name: "queue_list_delayed",
  text: `SELECT ${LIVE} FROM queue_jobs j
    WHERE j.queue_number = ${NUMBER} AND j.state = 'd' AND (j.visible_at, j.id) > (to_timestamp($3::float8 / 1000), $4::bigint)
    ORDER BY j.visible_at, j.id LIMIT $5`,
};
const RUNNING: Statement = {
  name: "queue_list_running",
  text: `SELECT ${LIVE} FROM queue_jobs j
    WHERE j.queue_number = ${NUMBER} AND j.state = 'r' AND (j.lease_until, j.id) > (to_timestamp($3::float8 / 1000), $4::bigint)
    ORDER BY j.lease_until, j.id LIMIT $5`,
};
const FINISHED: Statement = {
  name: "queue_list_ended",
  text: `SELECT ${ENDED} FROM queue_ended j
    WHERE j.queue_number = ${NUMBER} AND j.state = $6::text::"char" AND (j.finished_at, j.id) < (to_timestamp($3::float8 / 1000), $4::bigint)
    ORDER BY j.finished_at DESC, j.id DESC LIMIT $5`,
};

interface Row {
  id: string;
  state: string;
  payload: string;
  priority: number;
  group_key: string | null;
  dedup_key: string | null;
  attempt: number;
  max_attempts: number;
  redrives: number;
  cancel_requested: boolean;
  error: string | null;
  progress: string | null;
  result: string | null;
  created_ms: number;
  visible_ms: number;
  claimed_ms: number | null;
  lease_ms: number | null;
  finished_ms: number | null;
  position: string | null;
}

/** One job, or null. */
export async function getJob({ pool, realm, queue }: Place, id: string): Promise<Job | null> {
  const [row] = await pool.query<Row>(GET, [realm, queue, idOf(id)]);
  return row ? jobOf(row) : null;
}

interface Listed {
  state: JobState;
  after: string | null;
  limit: number;
}

/** A page of jobs of a state. A cursor is `w:priority:position`, `h:position`, or the state's letter with a time in milliseconds and an id. */
export async function listJobs({ pool, realm, queue }: Place, { state, after, limit }: Listed): Promise<JobPage> {
  const from = after === null ? null : partsOf(state, after);
  // One more than asked for tells whether there is a next page.
  const rows = await rowsOf(pool, { state, from, limit: limit + 1, named: [realm, queue] });
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { jobs: page.map(jobOf), next: last && rows.length > limit ? cursorOf(last) : null };
}

interface Asked {
  state: JobState;
  from: string[] | null;
  limit: number;
  named: [string, string];
}

async function rowsOf(pool: Pool, { state, from, limit, named }: Asked): Promise<Row[]> {
  switch (state) {
    case "waiting":
      return waitingRows(pool, { from, limit, named });
    case "delayed":
      return pool.query<Row>(DELAYED, [...named, from?.[1] ?? 0, from?.[2] ?? 0, limit]);
    case "running":
      return pool.query<Row>(RUNNING, [...named, from?.[1] ?? 0, from?.[2] ?? 0, limit]);
    default:
      return pool.query<Row>(FINISHED, [...named, from?.[1] ?? "Infinity", from?.[2] ?? 0, limit, letterOf(state)]);
  }
}

const ABOVE_ALL = 32_768;

async function waitingRows(pool: Pool, { from, limit, named }: Omit<Asked, "state">): Promise<Row[]> {
  const rows: Row[] = [];
  if (from?.[0] !== "h") {
    const priority = from?.[1] ?? ABOVE_ALL;
    if (from) rows.push(...(await pool.query<Row>(WAITING_BESIDE, [...named, priority, from[2], limit])));
    if (rows.length < limit) {
      rows.push(...(await pool.query<Row>(WAITING_BELOW, [...named, priority, limit - rows.length])));
    }
  }
  if (rows.length < limit) {
    const position = from?.[0] === "h" ? from[1] : 0;
    rows.push(...(await pool.query<Row>(HELD, [...named, position, limit - rows.length])));
  }
  return rows;
}

function cursorOf(row: Row): string {
  const { state, id } = row;
  if (state === "w") return `w:${row.priority}:${row.position}`;
  if (state === "h") return `h:${row.position}`;
  return `${state}:${state === "d" ? row.visible_ms : state === "r" ? row.lease_ms : row.finished_ms}:${id}`;
}

function partsOf(state: JobState, cursor: string): string[] {
  const parts = cursor.split(":");
  const shaped = /^(h:\d{1,18}|w:-?\d{1,5}:\d{1,18}|[droxc]:\d{1,15}:\d{1,18})$/.test(cursor);
  if (!shaped || STATES[parts[0]!] !== state) {
    throw new Fault("invalid_input", `The cursor is none of a list of ${state} jobs; send the next_cursor of a page.`);
  }
  return parts;
}

function jobOf(row: Row): Job {
  return {
    id: row.id,
    state: STATES[row.state]!,
    payload: row.payload,
    priority: row.priority,
    group: row.group_key,
    dedupKey: row.dedup_key,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    createdAt: new Date(row.created_ms),
    visibleAt: new Date(row.visible_ms),
    claimedAt: dateOf(row.claimed_ms),
    leaseExpiresAt: dateOf(row.lease_ms),
    finishedAt: dateOf(row.finished_ms),
    error: row.error,
    progress: row.progress,
    result: row.result,
    cancelRequested: row.cancel_requested,
    redrives: row.redrives,
  };
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
