/**
 * What an operator does with a queue, in the model: redrive, purge, settings, forgetting.
 */
import type { JobState } from "../../queue.ts";
import type { QueueSettings } from "../../queue_settings.ts";
import { admit, enter, fit, remove } from "./moves.ts";
import { ensureQueue } from "./push.ts";
import { compare, type JobRow, nameOf, type QueueRow, queueOf, type Rows, sorted } from "./rows.ts";
import { orderOf } from "./views.ts";

/** Brings one dead job back. */
export function redriveOne(rows: Rows, queue: QueueRow, { row, payload }: { row: JobRow; payload?: string }): void {
  enter(rows, {
    ...row,
    payload: payload ?? row.payload,
    position: rows.next(),
    attempt: 0,
    visibleAt: rows.now(),
    claimedAt: null,
    token: null,
    error: null,
    progress: null,
    result: null,
    cancelRequested: false,
    redrives: row.redrives + 1,
    finishedAt: null,
    expiresAt: null,
  });
  admit(rows, queue, row.group);
}

/** The dead jobs of the queue, those that died first before the others. */
export function deadOf(rows: Rows, queue: QueueRow): JobRow[] {
  return sorted(rows, queue, { states: ["dead"], by: ({ finishedAt, id }) => [finishedAt!, id] });
}

/** Removes up to `limit` jobs of a state; returns how many went. */
export function purgeJobs(rows: Rows, queue: QueueRow, { state, limit }: { state: JobState; limit: number }): number {
  const ended = state === "done" || state === "dead" || state === "cancelled";
  const by = ended ? ({ finishedAt, id }: JobRow) => [finishedAt!, id] : orderOf(state).by;
  const gone = sorted(rows, queue, { states: orderOf(state).states, by }).slice(0, limit);
  for (const { id } of gone) {
    if (ended) rows.write(rows.jobs, id, undefined);
    else remove(rows, queue, rows.jobs.get(id)!);
  }
  return gone.length;
}

/** Makes the queue or changes its settings, which hold at once. */
export function configureQueue(
  rows: Rows,
  { realm, queue, settings }: { realm: string; queue: string; settings: Partial<QueueSettings> },
): QueueRow {
  const row = ensureQueue(rows, realm, queue);
  const changed = { ...row, settings: structuredClone({ ...row.settings, ...settings }) };
  rows.write(rows.queues, nameOf(realm, queue), changed);
  if (settings.groupConcurrency !== undefined) fit(rows, changed);
  return changed;
}

/** Forgets the queue if nothing is left of it; returns whether it is gone. */
export function removeQueue(rows: Rows, realm: string, queue: string): boolean {
  const row = queueOf(rows, realm, queue);
  if (!row) return true;
  const ticks = [...rows.schedules.values()].some((each) => each.realm === realm && each.queue === queue);
  if (ticks || [...rows.jobs.values()].some((job) => job.queue === row.number)) return false;
  rows.write(rows.queues, nameOf(realm, queue), undefined);
  for (const table of [rows.windows, rows.minutes]) {
    for (const name of table.keys())
      if (JSON.parse(name)[0] === row.number) rows.write<string, unknown>(table, name, undefined);
  }
  return true;
}

const MINUTES_KEPT_MS = 3_600_000;

/** Forgets up to `limit` ended jobs whose retention is over; returns how many. */
export function expireJobs(rows: Rows, limit: number): number {
  const now = rows.now();
  const over = [...rows.jobs.values()]
    .filter(({ expiresAt }) => expiresAt !== null && expiresAt <= now)
    .sort((left, right) => compare([left.expiresAt!, left.id], [right.expiresAt!, right.id]))
    .slice(0, limit);
  for (const { id } of over) rows.write(rows.jobs, id, undefined);
  const windows = [...rows.windows].filter(([, { until }]) => until <= now).slice(0, limit);
  for (const [name] of windows) rows.write(rows.windows, name, undefined);
  const minutes = [...rows.minutes].filter(([, { at }]) => at <= now - MINUTES_KEPT_MS).slice(0, limit);
  for (const [name] of minutes) rows.write(rows.minutes, name, undefined);
  return over.length;
}
