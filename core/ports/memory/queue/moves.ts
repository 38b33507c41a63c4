/**
 * How jobs move between states in the model: into their queue, up in their group, and out.
 */
import type { JobRow, QueueRow, Rows } from "./rows.ts";
import { compare, nameOf } from "./rows.ts";

/** How a job ends. */
export interface Ending {
  state: "done" | "dead" | "cancelled";
  token: string | null;
  error?: string | null;
  result?: string | null;
}

/** Writes the row in the state in which it belongs by its time, its group and the job before it. It does not admit: see `admit`. */
export function enter(rows: Rows, row: JobRow): JobRow {
  const entered = { ...row, state: stateOf(row, rows.now()) };
  rows.write(rows.jobs, row.id, entered);
  return entered;
}

function stateOf({ afterId, visibleAt, group, placed }: JobRow, now: number): JobRow["state"] {
  if (afterId !== null) return "held";
  if (visibleAt > now) return "delayed";
  return group === null || placed ? "waiting" : "held";
}

/** Gives the free places of a group to those held back, in order of position; returns whether anyone got one. */
export function admit(rows: Rows, queue: QueueRow, group: string | null): boolean {
  if (group === null) return false;
  const name = nameOf(queue.number, group);
  const free = queue.settings.groupConcurrency - (rows.groups.get(name) ?? 0);
  const next = [...rows.jobs.values()]
    .filter((row) => row.queue === queue.number && row.group === group && row.state === "held" && row.afterId === null)
    .sort((left, right) => compare([left.position], [right.position]))
    .slice(0, Math.max(free, 0));
  for (const row of next) rows.write(rows.jobs, row.id, { ...row, state: "waiting", placed: true });
  take(rows, name, next.length);
  return next.length > 0;
}

/** Fits all groups of a queue to its limit: where too many have a place, those that run keep theirs, then the earliest; free places are given. */
export function fit(rows: Rows, queue: QueueRow): void {
  for (const name of [...rows.groups.keys()]) {
    const [number, group] = JSON.parse(name) as [number, string];
    if (number !== queue.number) continue;
    const placed = [...rows.jobs.values()].filter((row) => row.queue === number && row.group === group && row.placed);
    const order = ({ state, position }: JobRow) => [state === "running" ? 0 : 1, position];
    placed.sort((left, right) => compare(order(left), order(right)));
    for (const row of placed.slice(queue.settings.groupConcurrency)) {
      if (row.state === "running") continue;
      rows.write(rows.jobs, row.id, { ...leave(rows, row), state: row.state === "waiting" ? "held" : row.state });
    }
    admit(rows, queue, group);
  }
}

function take(rows: Rows, name: string, places: number): void {
  const taken = (rows.groups.get(name) ?? 0) + places;
  rows.write(rows.groups, name, taken === 0 ? undefined : taken);
}

/** Gives up the row's place in its group, without admitting anyone. */
export function leave(rows: Rows, row: JobRow): JobRow {
  if (row.placed) take(rows, nameOf(row.queue, row.group!), -1);
  return { ...row, placed: false };
}

/** Takes the job out of the queue for good; returns whether that let another job be claimed. */
export function remove(rows: Rows, queue: QueueRow, row: JobRow): boolean {
  rows.write(rows.jobs, row.id, undefined);
  giveKeyBack(rows, row);
  const maySucceed = row.dedupKey !== null && !row.holdsKey;
  const successor = maySucceed ? [...rows.jobs.values()].find(({ afterId }) => afterId === row.id) : undefined;
  const freed = successor ? enter(rows, { ...successor, afterId: null }) : null;
  leave(rows, row);
  const admitted = [row.placed ? row.group : null, freed?.state === "held" ? freed.group : null].map((group) =>
    admit(rows, queue, group),
  );
  return freed?.state === "waiting" || admitted.includes(true);
}

/** A job that waited behind another of its key had the key from it. */
function giveKeyBack(rows: Rows, row: JobRow): void {
  const before = row.afterId === null ? undefined : rows.jobs.get(row.afterId);
  if (before && row.holdsKey) rows.write(rows.jobs, before.id, { ...before, holdsKey: true });
}

/** Ends the job; returns whether that let another job be claimed. */
export function end(rows: Rows, queue: QueueRow, { row, ending }: { row: JobRow; ending: Ending }): boolean {
  const released = remove(rows, queue, row);
  const { doneRetentionMs, deadRetentionMs } = queue.settings;
  rows.write(rows.jobs, row.id, {
    ...row,
    error: row.error,
    ...ending,
    placed: false,
    holdsKey: false,
    afterId: null,
    leaseUntil: null,
    finishedAt: rows.now(),
    expiresAt: rows.now() + (ending.state === "dead" ? deadRetentionMs : doneRetentionMs),
  });
  if (ending.state === "dead") rows.count(queue.number, "dead");
  return released;
}
