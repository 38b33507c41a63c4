/**
 * Pushes in the model, one job after the other.
 */
import type { NewJob, PushedJob } from "../../queue.ts";
import { QUEUE_DEFAULTS } from "../../queue_settings.ts";
import { admit, enter, leave } from "./moves.ts";
import { type JobRow, nameOf, type QueueRow, type Rows } from "./rows.ts";

/** The queue's row, made if there is none. */
export function ensureQueue(rows: Rows, realm: string, queue: string): QueueRow {
  const name = nameOf(realm, queue);
  const present = rows.queues.get(name);
  if (present) return present;
  const settings = structuredClone(QUEUE_DEFAULTS);
  const made = { realm, queue, number: rows.next(), paused: false, settings, createdAt: rows.now() };
  rows.write(rows.queues, name, made);
  return made;
}

/** Pushes one job, and tells what became of it. */
export function pushOne(rows: Rows, queue: QueueRow, job: NewJob): PushedJob {
  const holder = job.dedup && holderOf(rows, queue, job.dedup.key);
  if (job.dedup && holder && (job.dedup.mode === "drop" || holder.state !== "running")) {
    return job.dedup.mode === "drop" ? dropped(rows, holder) : replaced(rows, queue, { holder, job });
  }
  const window = job.dedup?.mode === "drop" && rows.windows.get(nameOf(queue.number, job.dedup.key));
  if (window && window.until > rows.now()) return droppedByWindow(rows, window.id);
  return added(rows, queue, { job, holder });
}

function holderOf(rows: Rows, queue: QueueRow, key: string): JobRow | undefined {
  return [...rows.jobs.values()].find((row) => row.holdsKey && row.queue === queue.number && row.dedupKey === key);
}

function added(rows: Rows, queue: QueueRow, { job, holder }: { job: NewJob; holder: JobRow | undefined }): PushedJob {
  const id = rows.next();
  if (holder) rows.write(rows.jobs, holder.id, { ...holder, holdsKey: false });
  const row: JobRow = {
    ...fresh(rows, queue, job),
    id,
    queue: queue.number,
    state: "waiting",
    position: id,
    group: job.group ?? null,
    placed: false,
    dedupKey: job.dedup?.key ?? null,
    holdsKey: job.dedup !== undefined,
    afterId: holder && job.dedup?.mode === "one-more-after-running" ? holder.id : null,
    createdAt: rows.now(),
    result: null,
    redrives: 0,
    finishedAt: null,
    expiresAt: null,
  };
  enter(rows, row);
  admit(rows, queue, row.group);
  if (job.dedup?.mode === "drop" && job.dedup.windowMs !== undefined) {
    rows.write(rows.windows, nameOf(queue.number, job.dedup.key), { id, until: rows.now() + job.dedup.windowMs });
  }
  rows.count(queue.number, "pushed");
  return pushed(rows.jobs.get(id)!, null);
}

function replaced(rows: Rows, queue: QueueRow, { holder, job }: { holder: JobRow; job: NewJob }): PushedJob {
  const stays = holder.state === "waiting" || holder.state === "held";
  const changed: JobRow = { ...holder, ...fresh(rows, queue, job) };
  const later = changed.visibleAt > rows.now();
  // One that comes to wait only now does so behind the others; one that is put off gives its place in the group to the next.
  if (!later && !stays) changed.position = rows.next();
  enter(rows, later ? leave(rows, changed) : changed);
  admit(rows, queue, changed.group);
  return pushed(rows.jobs.get(holder.id)!, "replaced");
}

/** What a push says of a job, and what a job has that was never claimed. */
function fresh(rows: Rows, queue: QueueRow, job: NewJob) {
  return {
    payload: job.payload,
    priority: job.priority ?? 0,
    maxAttempts: job.maxAttempts ?? queue.settings.maxAttempts,
    backoff: job.backoff ? { ...job.backoff } : null,
    visibleAt: Math.max(rows.now(), job.visibleAt?.getTime() ?? rows.now() + (job.delayMs ?? 0)),
    attempt: 0,
    claimedAt: null,
    leaseUntil: null,
    token: null,
    error: null,
    progress: null,
    cancelRequested: false,
  };
}

function dropped(rows: Rows, row: JobRow | undefined): PushedJob {
  return pushed(row && rows.jobs.get(row.id)!, "dropped");
}

function droppedByWindow(rows: Rows, id: number): PushedJob {
  const row = rows.jobs.get(id);
  if (row) return dropped(rows, row);
  return { id: `${id}`, state: "done", visibleAt: new Date(rows.now()), deduplicated: "dropped" };
}

function pushed(row: JobRow | undefined, deduplicated: PushedJob["deduplicated"]): PushedJob {
  const { id, state, visibleAt } = row!;
  return { id: `${id}`, state: state === "held" ? "waiting" : state, visibleAt: new Date(visibleAt), deduplicated };
}
