/**
 * The queue store in memory: the reference model of `core/ports/queue.ts`. Its rules are those of the functions in
 * migrations/0005_queue.sql to 0010_queue_manage.sql, told one job at a time; random are only the rests of a backoff with jitter.
 */

import { byteOrder } from "../byte_order.ts";
import type { Clock } from "../clock.ts";
import type { PushJobs, PushOutcome, Queue } from "../queue.ts";
import { memoryIds } from "./ids.ts";
import { claimJobs, takeUp } from "./queue/claim.ts";
import { ensureQueue, pushOne } from "./queue/push.ts";
import { emptyRows, jobOf, nameOf, queueOf } from "./queue/rows.ts";
import { memorySchedules } from "./queue/schedules.ts";
import { ackOne, cancelOne, extendOne, nackOne } from "./queue/settle.ts";
import { configureQueue, deadOf, expireJobs, purgeJobs, redriveOne, removeQueue } from "./queue/upkeep.ts";
import { infoOf, jobView, pageOfJobs, statsOf } from "./queue/views.ts";

export interface MemoryQueue {
  readonly queue: Queue;
  /** Carries out one command and adds to `undo` what takes it back. */
  apply(command: PushJobs, undo: (() => void)[]): PushOutcome;
}

/** An empty store whose times are the clock's. */
export function memoryQueue(clock: Clock): MemoryQueue {
  const rows = emptyRows(clock);
  const ids = memoryIds(7);
  const newToken = () => Array.from(ids.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");

  function apply({ realm, queue, jobs }: PushJobs, undo: (() => void)[]): PushOutcome {
    return rows.recording(undo, () => {
      const row = ensureQueue(rows, realm, queue);
      return { status: "pushed", jobs: jobs.map((job) => pushOne(rows, row, job)) };
    });
  }

  const queue: Queue = {
    push: async (command) => apply(command, []),
    claim: async (realm, name, options) => claimJobs(rows, queueOf(rows, realm, name), { ...options, newToken }),
    takeUp: async (limit) => takeUp(rows, limit),
    async ackAndClaim(realm, name, acks, options) {
      const queue = queueOf(rows, realm, name);
      const outcomes = acks.map((ack) => ackOne(rows, queue, ack));
      return { acks: outcomes, claimed: claimJobs(rows, queue, { ...options, newToken }) };
    },
    ack: async (realm, name, acks) => acks.map((ack) => ackOne(rows, queueOf(rows, realm, name), ack)),
    nack: async (realm, name, nacks) => nacks.map((nack) => nackOne(rows, queueOf(rows, realm, name), nack)),
    async extend(realm, name, extensions) {
      return extensions.map((extension) => extendOne(rows, queueOf(rows, realm, name), extension));
    },
    cancel: async (realm, name, id) => cancelOne(rows, queueOf(rows, realm, name), id),
    async get(realm, name, id) {
      const row = jobOf(rows, queueOf(rows, realm, name), id);
      return row ? jobView(row) : null;
    },
    async list(realm, name, state, from) {
      const row = queueOf(rows, realm, name);
      return row ? pageOfJobs(rows, row, { state, ...from }) : { jobs: [], next: null };
    },
    async redrive(realm, name, wanted, payload) {
      const row = queueOf(rows, realm, name);
      const dead = [...new Set(wanted)].filter((id) => jobOf(rows, row, id)?.state === "dead");
      for (const id of dead)
        redriveOne(rows, row!, { row: jobOf(rows, row, id)!, ...(payload !== undefined && { payload }) });
      return dead;
    },
    async redriveAll(realm, name, limit) {
      const row = queueOf(rows, realm, name);
      const dead = row ? deadOf(rows, row).slice(0, limit) : [];
      for (const job of dead) redriveOne(rows, row!, { row: job });
      return dead.length;
    },
    async purge(realm, name, state, limit) {
      const row = queueOf(rows, realm, name);
      return row ? purgeJobs(rows, row, { state, limit }) : 0;
    },
    async pause(realm, name, paused) {
      const row = queueOf(rows, realm, name);
      if (row) rows.write(rows.queues, nameOf(realm, name), { ...row, paused });
      return row !== undefined;
    },
    configure: async (realm, name, settings) => infoOf(configureQueue(rows, { realm, queue: name, settings })),
    remove: async (realm, name) => removeQueue(rows, realm, name),
    async info(realm, name) {
      const row = queueOf(rows, realm, name);
      return row ? infoOf(row) : null;
    },
    async stats(realm, name) {
      const row = queueOf(rows, realm, name);
      return row ? statsOf(rows, row) : null;
    },
    async queues(realm, after, limit) {
      return [...rows.queues.values()]
        .filter((row) => row.realm === realm && byteOrder(row.queue, after) > 0)
        .sort((left, right) => byteOrder(left.queue, right.queue))
        .slice(0, limit)
        .map(infoOf);
    },
    expire: async (limit) => expireJobs(rows, limit),
    schedules: memorySchedules(rows),
  };

  return { queue, apply };
}
