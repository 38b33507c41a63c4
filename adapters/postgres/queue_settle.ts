/**
 * Claims and settlements in PostgreSQL, each for many callers at once; the rules live in migrations/0008_queue_claim.sql and
 * migrations/0009_queue_settle.sql.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type {
  Ack,
  AckOutcome,
  Claimed,
  ClaimedJob,
  ClaimOptions,
  Extend,
  ExtendOutcome,
  Nack,
  NackOutcome,
  TakenUp,
} from "../../core/ports/queue.ts";
import { plainArray, textArray } from "./array.ts";
import type { Pool, Statement } from "./pool.ts";
import type { TextRow, TextValue } from "./text_rows.ts";

/** The queue that a statement is about. */
export interface Place {
  pool: Pool;
  realm: string;
  queue: string;
}

/** One caller's wish for jobs, and what it acknowledges before. */
export interface Wish extends ClaimOptions {
  acks: readonly Ack[];
}

const CLAIM: Statement = {
  name: "queue_claim",
  text: `SELECT n, id, payload, attempt, max_attempts, priority, group_key, created_ms, lease_ms
    FROM queue_claim($1, $2, $3::uuid[], $4::bigint[])`,
  asText: true,
};
const TAKE_UP: Statement = {
  name: "queue_take_up",
  text: "SELECT realm, queue, taken AS count, ended::text[] FROM queue_take_up($1)",
};
const ACK_CLAIM: Statement = {
  name: "queue_ack_claim",
  text: `SELECT n, id, payload, attempt, max_attempts, priority, group_key, created_ms, lease_ms
    FROM queue_ack_claim($1, $2, $3::bigint[], $4::uuid[], $5::text[], $6::uuid[], $7::bigint[])`,
  asText: true,
};
const ACK: Statement = {
  name: "queue_ack",
  text: "SELECT queue_ack($1, $2, $3::bigint[], $4::uuid[], $5::text[])",
  asText: true,
};
const NACK: Statement = {
  name: "queue_nack",
  text: `SELECT n, code, visible_ms, attempt, max_attempts, released
    FROM queue_nack($1, $2, $3::bigint[], $4::uuid[], $5::float8[], $6::text[], $7::bool[])`,
};
const EXTEND: Statement = {
  name: "queue_extend",
  text: "SELECT n, code, lease_ms FROM queue_extend($1, $2, $3::bigint[], $4::uuid[], $5::float8[], $6::text[])",
};

const LOST_CLAIM =
  "The connection to the database was lost: jobs may have been claimed; they come back when their lease ends.";
const LOST_ACK_CLAIM =
  "The connection to the database was lost: it is unknown whether this took effect. Jobs that were claimed come back when their lease ends; the acknowledgements may be sent again.";
const LOST =
  "The connection to the database was lost: it is unknown whether this took effect. The same call may be made again.";

const TOKEN_BYTES = 16;
const TOKEN = /^[0-9a-f]{32}$/;
const ID = /^[1-9]\d{0,17}$/;
/** What no claim draws, in the place of a text that is no token. */
const NO_TOKEN = "0".repeat(32);

/** Acknowledges and then claims for all of these callers, those first who came first; no id of an ack may come twice. */
export async function claimTogether(
  place: Place,
  wishes: readonly Wish[],
): Promise<{ acks: AckOutcome[]; claimed: Claimed }[]> {
  const leases = wishes.flatMap(({ limit, leaseMs }) => new Array<number>(limit).fill(leaseMs));
  const tokens = newTokens(leases.length);
  const rows = await claimRows(
    place,
    wishes.flatMap(({ acks }) => acks),
    [`{${tokens.join(",")}}`, plainArray(leases)],
  );
  rows.sort(([left], [right]) => Number(left) - Number(right));
  const letters = rows[0]?.[0] === "-1" ? rows.shift()![2]! : "";
  const tooFew = rows[0]?.[0] === "0" ? rows.shift() : undefined;
  const due = tooFew?.[8] ?? null;
  const jobs = rows.map((row) => claimedJob(row, tokens[Number(row[0]) - 1]!));
  let at = 0;
  let acked = 0;
  return wishes.map(({ limit, acks }) => {
    const own = jobs.slice(at, at + limit);
    at += own.length;
    acked += acks.length;
    return {
      acks: Array.from(letters.slice(acked - acks.length, acked), ackOutcome),
      claimed: { jobs: own, dueInMs: own.length > 0 || due === null ? null : Math.max(0, Number(due)) },
    };
  });
}

function claimRows({ pool, realm, queue }: Place, acks: readonly Ack[], claim: readonly string[]): Promise<TextRow[]> {
  if (acks.length === 0) return pool.query<TextRow>(CLAIM, [realm, queue, ...claim], LOST_CLAIM);
  return pool.query<TextRow>(ACK_CLAIM, [realm, queue, ...ackValues(acks), ...claim], LOST_ACK_CLAIM);
}

/** Takes up ended leases and jobs that came due, wherever there are any. */
export function takeUp(pool: Pool, limit: number): Promise<TakenUp[]> {
  return pool.query<TakenUp>(TAKE_UP, [limit]);
}

/** Random tokens of 128 bits: drawn here, since the server's own random UUIDs have fewer. */
function newTokens(count: number): string[] {
  const hex = Buffer.from(randomBytes(TOKEN_BYTES * count)).toString("hex");
  return Array.from({ length: count }, (_, index) => hex.slice(index * 32, index * 32 + 32));
}

function claimedJob(row: TextRow, leaseToken: string): ClaimedJob {
  const [, id, payload, attempt, maxAttempts, priority, group, createdMs, leaseMs] = row;
  return {
    id: id!,
    payload: payload!,
    attempt: Number(attempt),
    maxAttempts: Number(maxAttempts),
    leaseToken,
    leaseExpiresAt: new Date(Number(leaseMs)),
    priority: Number(priority),
    group: group!,
    createdAt: new Date(Number(createdMs)),
  };
}

/** An id as a `bigint`; 0 for what is none, which no job has. */
export function idOf(id: string): string {
  return ID.test(id) ? id : "0";
}

function idsAndTokens(items: readonly { id: string; token: string }[]): string[] {
  const ids = items.map(({ id }) => idOf(id));
  const tokens = items.map(({ token }) => (TOKEN.test(token) ? token : NO_TOKEN));
  return [`{${ids.join(",")}}`, `{${tokens.join(",")}}`];
}

/** Acknowledges; no id may come twice. */
export async function ackTogether({ pool, realm, queue }: Place, acks: readonly Ack[]): Promise<AckOutcome[]> {
  const [row] = await pool.query<TextRow>(ACK, [realm, queue, ...ackValues(acks)], LOST);
  return Array.from(row![0]!, ackOutcome);
}

function ackValues(acks: readonly Ack[]): TextValue[] {
  const hasResults = acks.some(({ result }) => typeof result === "string");
  return [...idsAndTokens(acks), hasResults ? textArray(acks.map(({ result }) => result ?? null)) : null];
}

function ackOutcome(letter: string): AckOutcome {
  if (letter === "y") return { status: "already" };
  if (letter === "s") return { status: "stale" };
  if (letter === "-") return { status: "absent" };
  return { status: "acked", cancelRequested: letter === "c" || letter === "C", released: letter < "a" };
}

interface NackRow {
  n: number;
  code: string;
  visible_ms: number;
  attempt: number;
  max_attempts: number;
  released: boolean;
}

/** Gives back; no id may come twice. */
export async function nackTogether({ pool, realm, queue }: Place, nacks: readonly Nack[]): Promise<NackOutcome[]> {
  const rows = await pool.query<NackRow>(
    NACK,
    [
      ...[realm, queue, ...idsAndTokens(nacks)],
      plainArray(nacks.map(({ delayMs }) => delayMs ?? null)),
      textArray(nacks.map(({ error }) => error ?? null)),
      plainArray(nacks.map(({ final }) => final ?? false)),
    ],
    LOST,
  );
  return inPlace(rows, nackOutcome);
}

function nackOutcome(row: NackRow): NackOutcome {
  const { code, attempt, released } = row;
  if (code === "r") {
    return { status: "retried", visibleAt: new Date(row.visible_ms), attempt, maxAttempts: row.max_attempts };
  }
  if (code === "x" || code === "c") return { status: code === "x" ? "dead" : "cancelled", released };
  return { status: code === "y" ? "already" : code === "s" ? "stale" : "absent" };
}

interface ExtendRow {
  n: number;
  code: string;
  lease_ms: number;
}

/** Extends leases and notes progress; no id may come twice. */
export async function extendTogether(
  { pool, realm, queue }: Place,
  extensions: readonly Extend[],
): Promise<ExtendOutcome[]> {
  const rows = await pool.query<ExtendRow>(
    EXTEND,
    [
      ...[realm, queue, ...idsAndTokens(extensions)],
      plainArray(extensions.map(({ leaseMs }) => leaseMs ?? null)),
      textArray(extensions.map(({ progress }) => progress ?? null)),
    ],
    LOST,
  );
  return inPlace(rows, ({ code, lease_ms }) =>
    code.startsWith("e")
      ? { status: "extended", leaseExpiresAt: new Date(lease_ms), cancelRequested: code === "ec" }
      : { status: code === "s" ? "stale" : "absent" },
  );
}

function inPlace<Row extends { n: number }, Outcome>(
  rows: readonly Row[],
  outcomeOf: (row: Row) => Outcome,
): Outcome[] {
  const outcomes = new Array<Outcome>(rows.length);
  for (const row of rows) outcomes[row.n - 1] = outcomeOf(row);
  return outcomes;
}
