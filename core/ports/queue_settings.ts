/**
 * A queue as a whole: what holds for its jobs, and what is told of it.
 */

/** Where a job stands; `delayed`: its time has not come; `waiting`: it may be claimed, or is held back by its group or its key. */
export type JobState = "waiting" | "delayed" | "running" | "done" | "dead" | "cancelled";

/** How long a job rests before the attempt after a failed one: `delayMs · factor^(attempt − 1)`, at most `mostMs`, less up to `jitter` of it by chance. */
export interface Backoff {
  delayMs: number;
  factor: number;
  mostMs: number;
  /** 0 (exact) to 1 (anything down to no rest at all). */
  jitter: number;
}

export interface QueueSettings {
  /**
   * How many jobs of one group may be under way. A change holds for every group at once: of jobs that have a place and do not run, the earliest keep theirs, and
   * what runs goes on; or the next ones get a place.
   */
  groupConcurrency: number;
  /** For jobs that name none. */
  maxAttempts: number;
  backoff: Backoff;
  /** How long done and cancelled jobs are kept from their end on, and dead ones. */
  doneRetentionMs: number;
  deadRetentionMs: number;
}

/** What a queue has until it is configured. */
export const QUEUE_DEFAULTS: Readonly<QueueSettings> = {
  groupConcurrency: 1,
  maxAttempts: 5,
  backoff: { delayMs: 1_000, factor: 2, mostMs: 3_600_000, jitter: 0.2 },
  doneRetentionMs: 86_400_000,
  deadRetentionMs: 1_209_600_000,
};

export interface QueueInfo {
  queue: string;
  paused: boolean;
  settings: QueueSettings;
  createdAt: Date;
}

/** The most jobs of one state that `stats` counts: beyond, it says this number. */
export const COUNTED_MOST = 1_000_000;

/** What happened in the minute that begins `at`: jobs pushed, attempts begun, ended well, given back and run out, jobs that became dead. */
export interface QueueMinute {
  at: Date;
  pushed: number;
  claimed: number;
  acked: number;
  nacked: number;
  expired: number;
  dead: number;
}

/** The most jobs that `stats` asks for their attempts: the first so many that may be claimed, and of those held back, delayed and running each, as `list` has them. */
export const ATTEMPTS_ASKED_MOST = 10_000;

/** Of the jobs asked that have been claimed: how many there are, and how often they have been, all together and at most. */
export interface QueueAttempts {
  jobs: number;
  sum: number;
  most: number;
}

export interface QueueStats extends QueueInfo {
  counts: Record<JobState, number>;
  /** Of those waiting, how many are held back by their group or key. */
  held: number;
  /** How long ago the job that has waited longest could first have been claimed; null when none may be claimed. */
  oldestWaitingMs: number | null;
  attempts: QueueAttempts;
  /** The last 15 minutes in which anything happened within the last hour, the present one first. */
  minutes: QueueMinute[];
}
