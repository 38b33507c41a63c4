/**
 * Settling in the model: acknowledging, giving back, extending, cancelling.
 */
import type { Ack, AckOutcome, Backoff, CancelOutcome, Extend, ExtendOutcome, Nack, NackOutcome } from "../../queue.ts";
import { end, enter } from "./moves.ts";
import { type JobRow, jobOf, type QueueRow, type Rows } from "./rows.ts";

/** Acknowledges one job. */
export function ackOne(rows: Rows, queue: QueueRow | undefined, { id, token, result = null }: Ack): AckOutcome {
  const row = jobOf(rows, queue, id);
  if (!queue || !row) return { status: "absent" };
  if (row.state === "done" && row.token === token) return { status: "already" };
  if (row.state !== "running" || row.token !== token) return { status: "stale" };
  rows.count(queue.number, "acked");
  const released = end(rows, queue, { row, ending: { state: "done", token, result } });
  return { status: "acked", cancelRequested: row.cancelRequested, released };
}

/** Gives one job back. */
export function nackOne(rows: Rows, queue: QueueRow | undefined, nack: Nack): NackOutcome {
  const row = jobOf(rows, queue, nack.id);
  if (!queue || !row) return { status: "absent" };
  if (row.token !== nack.token || row.state === "done") return { status: "stale" };
  if (row.state !== "running") return { status: "already" };
  rows.count(queue.number, "nacked");
  const { token, error = null } = nack;
  const { attempt, maxAttempts } = row;
  if (row.cancelRequested || nack.final || attempt >= maxAttempts) {
    const state = row.cancelRequested ? "cancelled" : "dead";
    return { status: state, released: end(rows, queue, { row, ending: { state, token, error } }) };
  }
  const visibleAt = rows.now() + (nack.delayMs ?? restAfter(attempt, row.backoff ?? queue.settings.backoff));
  const position = visibleAt > rows.now() ? row.position : rows.next();
  enter(rows, { ...row, position, visibleAt, error, leaseUntil: null });
  return { status: "retried", visibleAt: new Date(visibleAt), attempt, maxAttempts };
}

/** How long a job rests after that attempt, in whole milliseconds. */
function restAfter(attempt: number, { delayMs, factor, mostMs, jitter }: Backoff): number {
  const rest = Math.min(delayMs * factor ** Math.min(attempt - 1, 1_000), mostMs);
  return Math.floor(rest * (1 - jitter * Math.random()));
}

/** Extends one lease, or notes progress. */
export function extendOne(rows: Rows, queue: QueueRow | undefined, extension: Extend): ExtendOutcome {
  const { id, token, leaseMs, progress } = extension;
  const row = jobOf(rows, queue, id);
  if (!row) return { status: "absent" };
  if (row.state !== "running" || row.token !== token) return { status: "stale" };
  const leaseUntil = leaseMs === undefined ? row.leaseUntil! : rows.now() + leaseMs;
  rows.write(rows.jobs, row.id, { ...row, leaseUntil, progress: progress ?? row.progress });
  return { status: "extended", leaseExpiresAt: new Date(leaseUntil), cancelRequested: row.cancelRequested };
}

/** Cancels one job. */
export function cancelOne(rows: Rows, queue: QueueRow | undefined, id: string): CancelOutcome {
  const row = jobOf(rows, queue, id);
  if (!queue || !row) return { status: "absent", released: false };
  if (hasEnded(row)) return { status: "ended", released: false };
  if (row.state !== "running") {
    return { status: "cancelled", released: end(rows, queue, { row, ending: { state: "cancelled", token: null } }) };
  }
  rows.write(rows.jobs, row.id, { ...row, cancelRequested: true });
  return { status: "requested", released: false };
}

function hasEnded({ finishedAt }: JobRow): boolean {
  return finishedAt !== null;
}
