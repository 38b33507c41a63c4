/**
 * The queue store: jobs under (realm, queue) that workers claim for a while and settle. A realm is set by the capability, never from
 * input. Payloads, results and progress are JSON texts that the store does not read. All times are the store's clock.
 *
 * A job waits, is claimed (`running`, under a lease), and ends: `done`, `dead` or `cancelled`. A claim counts as an attempt. A lease
 * whose time is over stays good until a claim or `takeUp` takes its job up; from then on its token MUST be refused and MUST change nothing.
 * A job that was claimed `maxAttempts` times and neither acknowledged nor given back MUST become dead when it is taken up, so that no
 * claim gets it once more. Ended jobs are kept for the retention of their queue.
 *
 * A queue comes into being with its first job or with `configure`. What has no queue has no jobs: reads of it find nothing.
 */
import type { Backoff, JobState, QueueInfo, QueueSettings, QueueStats } from "./queue_settings.ts";

export type { Backoff, JobState } from "./queue_settings.ts";

/**
 * One job of a kind. While a job with the key has not ended, a push with the same key
 * `drop`: is dropped; `replace`: takes the place of the one that waits (same id and group, all else new, attempts from 0), and is a job beside the
 * one that runs; `one-more-after-running`: likewise, but MUST NOT be claimed before the one that runs has ended. So of one key at most one job
 * that has not been claimed waits. The key of a running job passes to the job that a push puts behind it.
 */
export interface Dedup {
  key: string;
  mode: "drop" | "replace" | "one-more-after-running";
  /** With `drop`: the key also drops for this long from the push on, though the job has ended. */
  windowMs?: number;
}

export interface NewJob {
  /** JSON text, returned as it is. */
  payload: string;
  /** How long until it may be claimed. Left out: at once. */
  delayMs?: number;
  /** The instant from which it may be claimed, instead of `delayMs`. */
  visibleAt?: Date;
  /** −32,768 to 32,767; greater ones are claimed first. Left out: 0. */
  priority?: number;
  /** Jobs of a group are claimed in the order in which they were pushed or came due, whatever their priority, and few of them at once. */
  group?: string | null;
  /** How often it may be claimed. Left out: the queue's default. */
  maxAttempts?: number;
  dedup?: Dedup;
  /** Left out: the queue's. */
  backoff?: Backoff;
}

/** Puts jobs into a queue: ready in this order, all or none. */
export interface PushJobs {
  op: "queue.push";
  realm: string;
  queue: string;
  jobs: readonly NewJob[];
}

/** What became of one job of a push; a `dropped` one is the job that was there, whatever its state, a `replaced` one the job that was changed. */
export interface PushedJob {
  id: string;
  state: JobState;
  visibleAt: Date;
  deduplicated: "dropped" | "replaced" | null;
}

export type PushOutcome = { status: "pushed"; jobs: PushedJob[] };

export interface ClaimedJob {
  id: string;
  payload: string;
  /** 1 at the first claim, and at the first after a redrive; in between it only grows. */
  attempt: number;
  maxAttempts: number;
  /** 32 hex digits, random, this claim's alone. */
  leaseToken: string;
  leaseExpiresAt: Date;
  priority: number;
  group: string | null;
  createdAt: Date;
}

export interface ClaimOptions {
  limit: number;
  leaseMs: number;
}

export interface Claimed {
  /** Those of higher priority first, among their like in the order in which they were pushed, came due or were given back. */
  jobs: ClaimedJob[];
  /** When there is none: in how many milliseconds a delayed job comes due or a lease ends, if one does; null too while paused. */
  dueInMs: number | null;
}

/** `result` is JSON text. */
export type Ack = { id: string; token: string; result?: string | null };

/**
 * `acked`: done; `already`: this very acknowledgement was made before; `stale`: the token is not the job's lease (any more), nothing changed;
 * `absent`: the queue has no such job. `released`: a job that was held back because of this one may be claimed now.
 */
export type AckOutcome =
  | { status: "acked"; cancelRequested: boolean; released: boolean }
  | { status: "already" | "stale" | "absent" };

export interface Nack extends Omit<Ack, "result"> {
  /** How long until it may be claimed again. Left out: by the backoff of the job or else of the queue. */
  delayMs?: number;
  /** What went wrong, kept with the job. */
  error?: string | null;
  /** No further attempt: dead at once. */
  final?: boolean;
}

/** `retried`: claimable again at `visibleAt`; `dead` after its last attempt; `cancelled` when that had been asked for; the rest as for an ack. */
export type NackOutcome =
  | { status: "retried"; visibleAt: Date; attempt: number; maxAttempts: number }
  | { status: "dead" | "cancelled"; released: boolean }
  | { status: "already" | "stale" | "absent" };

/** What a worker may change while it works. */
export interface Extend extends Omit<Ack, "result"> {
  /** The lease ends this long from now. Left out: it stays. */
  leaseMs?: number;
  /** JSON text that stands with the job from now on. Left out: it stays. */
  progress?: string;
}

export type ExtendOutcome =
  | { status: "extended"; leaseExpiresAt: Date; cancelRequested: boolean }
  | { status: "stale" | "absent" };

/** `cancelled`: it will not be claimed; `requested`: it runs, and its worker learns of it; `ended`: too late; `absent`: no such job. */
export type CancelOutcome = { status: "cancelled" | "requested" | "ended" | "absent"; released: boolean };

/** All that is known of a job. */
export interface Job {
  id: string;
  state: JobState;
  payload: string;
  priority: number;
  group: string | null;
  dedupKey: string | null;
  /** How often it has been claimed since it was pushed or redriven. */
  attempt: number;
  maxAttempts: number;
  createdAt: Date;
  /** From when on it may be claimed, or could last. */
  visibleAt: Date;
  /** The latest claim. */
  claimedAt: Date | null;
  /** Of a running job. */
  leaseExpiresAt: Date | null;
  finishedAt: Date | null;
  /** Why the latest attempt that failed did. */
  error: string | null;
  progress: string | null;
  result: string | null;
  cancelRequested: boolean;
  /** How often it was brought back from the dead. */
  redrives: number;
}

/** How many leases that ended and how many jobs that came due each claim takes up before it claims, the earliest first; it MAY leave them to another that is at them. */
export const TAKEN_UP_MOST = 200;

/** What was taken up in a queue: how many leases that ended and jobs that came due, and the ids of those that became dead or cancelled with it. */
export interface TakenUp {
  realm: string;
  queue: string;
  count: number;
  ended: string[];
}

/** What the store says of an attempt whose lease ran out. */
export const LEASE_EXPIRED = "The lease expired.";

/** A page of jobs and where the next one begins, `null` after the last. */
export type JobPage = { jobs: Job[]; next: string | null };

/** A job that is pushed again and again. The store keeps the time of the next tick; whoever reads `cron` computes it. */
export interface Schedule {
  realm: string;
  queue: string;
  name: string;
  cron: string;
  /** An IANA time zone. */
  zone: string;
  job: NewJob;
  paused: boolean;
  /** When it is to tick; null: never again. */
  nextAt: Date | null;
  /** The time that the latest tick was for, and the job it made. */
  lastAt: Date | null;
  lastJobId: string | null;
  createdAt: Date;
  updatedAt: Date;
}

export type PutSchedule = Pick<Schedule, "realm" | "queue" | "name" | "cron" | "zone" | "job" | "paused" | "nextAt">;

export interface Schedules {
  /** Makes the schedule or changes it; `lastAt` and `createdAt` stay. */
  put(schedule: PutSchedule): Promise<{ schedule: Schedule; created: boolean }>;
  get(realm: string, queue: string, name: string): Promise<Schedule | null>;
  /** Up to `limit` of the queue with a name greater than `after`, in byte order. */
  list(realm: string, queue: string, after: string, limit: number): Promise<Schedule[]>;
  /** Whether there was one. */
  remove(realm: string, queue: string, name: string): Promise<boolean>;
  /** Up to `limit` schedules of all realms whose time has come and which are not paused, the earliest first; and the store's time. */
  due(limit: number): Promise<{ now: Date; schedules: Schedule[] }>;
  /**
   * Pushes the job stored and sets the next time, both or neither, if the time stored is still `schedule.nextAt` and it is not paused: of several processes
   * exactly one ticks. `stale`: another did, or the schedule has changed.
   */
  tick(schedule: Schedule, nextAt: Date | null): Promise<{ status: "ticked"; job: PushedJob } | { status: "stale" }>;
}

export interface Queue {
  /** One push, as a unit of one; pushes that wait at the same time are stored together, and one that fails fails alone. */
  push(command: PushJobs): Promise<PushOutcome>;
  /** Up to `limit` (1 to 100) jobs that may be claimed now. Two claims MUST NOT get the same job while a lease is good. A paused queue gives none. */
  claim(realm: string, queue: string, options: ClaimOptions): Promise<Claimed>;
  /** The acks, and then a claim, which may get what they released. */
  ackAndClaim(
    realm: string,
    queue: string,
    acks: readonly Ack[],
    options: ClaimOptions,
  ): Promise<{ acks: AckOutcome[]; claimed: Claimed }>;
  /**
   * Takes up, as a claim does first, in one queue after the other of all realms, paused ones too, those first in which something has been due longest, until it has
   * taken up `limit` or more; returns where it took up any. It MAY leave what another is at.
   */
  takeUp(limit: number): Promise<TakenUp[]>;
  /** Ends jobs as done, each by its token, with an outcome for each in the order given. */
  ack(realm: string, queue: string, acks: readonly Ack[]): Promise<AckOutcome[]>;
  /** Gives jobs back, each by its token. */
  nack(realm: string, queue: string, nacks: readonly Nack[]): Promise<NackOutcome[]>;
  /** Heartbeat and progress, each by its token. */
  extend(realm: string, queue: string, extensions: readonly Extend[]): Promise<ExtendOutcome[]>;
  cancel(realm: string, queue: string, id: string): Promise<CancelOutcome>;
  get(realm: string, queue: string, id: string): Promise<Job | null>;
  /**
   * A page of up to `limit` jobs, from the beginning or from the `next` of a page before. Waiting ones: in the order of claims, then those held back;
   * delayed ones: by their time; running ones: by the end of the lease; ended ones: the latest first. A cursor that is none is an `invalid_input` Fault.
   */
  list(realm: string, queue: string, state: JobState, from: { after: string | null; limit: number }): Promise<JobPage>;
  /** Brings dead jobs back to wait, with another payload if one is given, attempts from 0; returns the ids of those that were dead. */
  redrive(realm: string, queue: string, ids: readonly string[], payload?: string): Promise<string[]>;
  /** Brings up to `limit` dead jobs back, those that died first before the others; returns how many. */
  redriveAll(realm: string, queue: string, limit: number): Promise<number>;
  /** Removes up to `limit` jobs of a state without a trace; returns how many went. What runs loses its lease. */
  purge(realm: string, queue: string, state: JobState, limit: number): Promise<number>;
  /** Lets a queue give no jobs, or give them again; durable. False when there is no such queue. */
  pause(realm: string, queue: string, paused: boolean): Promise<boolean>;
  /** Makes the queue, or changes the settings that are given. */
  configure(realm: string, queue: string, settings: Partial<QueueSettings>): Promise<QueueInfo>;
  /** Forgets a queue that has no jobs, ended ones included, and no schedules; false while it has some. True when there is none. */
  remove(realm: string, queue: string): Promise<boolean>;
  info(realm: string, queue: string): Promise<QueueInfo | null>;
  stats(realm: string, queue: string): Promise<QueueStats | null>;
  /** Up to `limit` queues with a name greater than `after`, in byte order. */
  queues(realm: string, after: string, limit: number): Promise<QueueInfo[]>;
  /** Removes up to `limit` ended jobs whose retention is over, and of dedup windows and minutes that are over as many; returns how many jobs went. */
  expire(limit: number): Promise<number>;
  readonly schedules: Schedules;
}
