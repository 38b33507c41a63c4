/**
 * What the model shows of its jobs and queues.
 */
import { Fault } from "../../fault.ts";
import type { Job, JobPage, JobState } from "../../queue.ts";
import {
  ATTEMPTS_ASKED_MOST,
  COUNTED_MOST,
  type QueueAttempts,
  type QueueInfo,
  type QueueStats,
} from "../../queue_settings.ts";
import { claimOrder } from "./claim.ts";
import { compare, type JobRow, type QueueRow, type Rows, sorted } from "./rows.ts";

/** A queue as the port has it. */
export function infoOf({ queue, paused, settings, createdAt }: QueueRow): QueueInfo {
  return { queue, paused, settings: structuredClone(settings), createdAt: new Date(createdAt) };
}

/** A job as the port has it. */
export function jobView(row: JobRow): Job {
  return {
    id: `${row.id}`,
    state: row.state === "held" ? "waiting" : row.state,
    payload: row.payload,
    priority: row.priority,
    group: row.group,
    dedupKey: row.dedupKey,
    attempt: row.attempt,
    maxAttempts: row.maxAttempts,
    createdAt: new Date(row.createdAt),
    visibleAt: new Date(row.visibleAt),
    claimedAt: dateOf(row.claimedAt),
    leaseExpiresAt: dateOf(row.leaseUntil),
    finishedAt: dateOf(row.finishedAt),
    error: row.error,
    progress: row.progress,
    result: row.result,
    cancelRequested: row.cancelRequested,
    redrives: row.redrives,
  };
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}

type Order = { states: readonly JobRow["state"][]; by: (row: JobRow) => number[] };

/** The order in which jobs of a state are listed. */
export function orderOf(state: JobState): Order {
  switch (state) {
    case "waiting":
      return {
        states: ["waiting", "held"],
        by: (row) => (row.state === "held" ? [1, row.position, 0] : [0, ...claimOrder(row)]),
      };
    case "delayed":
      return { states: [state], by: ({ visibleAt, id }) => [visibleAt, id] };
    case "running":
      return { states: [state], by: ({ leaseUntil, id }) => [leaseUntil!, id] };
    default:
      return { states: [state], by: ({ finishedAt, id }) => [-finishedAt!, -id] };
  }
}

interface From {
  after: string | null;
  limit: number;
}

/** A page of jobs of a state; the cursor is the state and the numbers that the last job of the page before was sorted by. */
export function pageOfJobs(rows: Rows, queue: QueueRow, { state, after, limit }: From & { state: JobState }): JobPage {
  const order = orderOf(state);
  const from = after === null ? null : numbersOf(state, after);
  const rest = sorted(rows, queue, order).filter((row) => from === null || compare(order.by(row), from) > 0);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    jobs: page.map(jobView),
    next: last && rest.length > limit ? [state, ...order.by(last)].join(":") : null,
  };
}

function numbersOf(state: JobState, cursor: string): number[] {
  const [of, ...numbers] = cursor.split(":");
  const width = state === "waiting" ? 3 : 2;
  if (of !== state || numbers.length !== width || !numbers.every((number) => /^-?\d{1,16}$/.test(number))) {
    throw new Fault("invalid_input", `The cursor is none of a list of ${state} jobs; send the next_cursor of a page.`);
  }
  return numbers.map(Number);
}

/** The figures of a queue. */
export function statsOf(rows: Rows, queue: QueueRow): QueueStats {
  const jobs = [...rows.jobs.values()].filter((row) => row.queue === queue.number);
  const waiting = jobs.filter(({ state }) => state === "waiting");
  const count = (state: JobRow["state"]) => Math.min(COUNTED_MOST, jobs.filter((row) => row.state === state).length);
  const held = count("held");
  const oldest = Math.min(...waiting.map(({ visibleAt }) => visibleAt));
  return {
    ...infoOf(queue),
    counts: {
      waiting: count("waiting") + held,
      delayed: count("delayed"),
      running: count("running"),
      done: count("done"),
      dead: count("dead"),
      cancelled: count("cancelled"),
    },
    held,
    attempts: attemptsOf(rows, queue),
    oldestWaitingMs: waiting.length === 0 ? null : Math.max(0, rows.now() - oldest),
    minutes: [...rows.minutes.values()]
      .filter((minute) => minute.queue === queue.number && minute.at > rows.now() - 3_600_000)
      .sort((left, right) => right.at - left.at)
      .slice(0, 15)
      .map(({ queue: _, at, ...counts }) => ({ at: new Date(at), ...counts })),
  };
}

function attemptsOf(rows: Rows, queue: QueueRow): QueueAttempts {
  const orders = (["waiting", "delayed", "running"] as const).map(orderOf);
  const asked = orders.flatMap(({ states, by }) =>
    states.flatMap((state) => sorted(rows, queue, { states: [state], by }).slice(0, ATTEMPTS_ASKED_MOST)),
  );
  const attempts = asked.map(({ attempt }) => attempt).filter((attempt) => attempt > 0);
  const sum = attempts.reduce((total, attempt) => total + attempt, 0);
  return { jobs: attempts.length, sum, most: attempts.reduce((most, attempt) => Math.max(most, attempt), 0) };
}
