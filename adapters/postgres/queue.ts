/**
 * The queue store in PostgreSQL. What many callers do with one queue at the same time goes in one statement; the rules live in
 * migrations/0005_queue.sql to 0010_queue_manage.sql.
 */
import type {
  Ack,
  AckOutcome,
  CancelOutcome,
  Extend,
  ExtendOutcome,
  Nack,
  NackOutcome,
  PushJobs,
  PushOutcome,
  Queue,
} from "../../core/ports/queue.ts";
import { type Batches, type BatchRules, openBatches } from "./lane.ts";
import type { Pool, Statement } from "./pool.ts";
import { letterOf, pushTogether } from "./queue_push.ts";
import { postgresSchedules } from "./queue_schedules.ts";
import { configureQueue, infoOf, listQueues, pauseQueue, statsOf } from "./queue_settings.ts";
import {
  ackTogether,
  claimTogether,
  extendTogether,
  idOf,
  nackTogether,
  type Place,
  takeUp,
  type Wish,
} from "./queue_settle.ts";
import { openVacuum } from "./queue_vacuum.ts";
import { getJob, listJobs } from "./queue_views.ts";

const CANCEL: Statement = { name: "queue_cancel", text: "SELECT queue_cancel($1, $2, $3) AS code" };
const REDRIVE: Statement = {
  name: "queue_redrive",
  text: "SELECT queue_redrive($1, $2, $3::bigint[], $4)::text[] AS ids",
};
const DEAD: Statement = {
  name: "queue_dead",
  text: `SELECT e.id::text FROM queue_ended e
    WHERE e.queue_number = (SELECT q.number FROM queues q WHERE q.realm = $1 AND q.name = $2) AND e.state = 'x'
    ORDER BY e.finished_at, e.id LIMIT $3`,
};
const PURGE: Statement = { name: "queue_purge", text: "SELECT queue_purge($1, $2, $3, $4) AS went" };
const REMOVE: Statement = { name: "queue_remove", text: "SELECT queue_remove($1, $2) AS gone" };
const EXPIRE: Statement = { name: "queue_expire", text: "SELECT queue_expire($1) AS went" };

const BATCH_JOBS = 1_000;
const BATCH_BYTES = 8 * 1024 * 1024;
const WAITING_BYTES = 64 * 1024 * 1024;
const ITEM_BYTES = 256;
const LIMITS = { batchMost: BATCH_JOBS, batchBytes: BATCH_BYTES, waitingBytes: WAITING_BYTES };

type Settlement = Pick<Ack, "id" | "result"> & Pick<Nack, "error"> & Pick<Extend, "progress">;
type QueueRules<Item, Outcome> = Omit<BatchRules<Item, Outcome>, keyof typeof LIMITS | "rested">;

/** The queue, and a way to wait for what is under way. */
export interface PostgresQueue {
  readonly queue: Queue;
  drained(): Promise<void>;
}

/** The queue over a pool; `vacuumAfter`, how many claims a vacuum comes after at the least, is for tests. */
export function postgresQueue(pool: Pool, { vacuumAfter }: { vacuumAfter?: number } = {}): PostgresQueue {
  const vacuum = openVacuum(pool, vacuumAfter);
  const open = new Map<string, { drained(): Promise<void> }>();

  /** The lane of that kind for the queue: it is there while anything is under way. */
  function lane<Item, Outcome>(name: readonly string[], rules: QueueRules<Item, Outcome>): Batches<Item, Outcome> {
    const key = JSON.stringify(name);
    const present = open.get(key);
    if (present) return present as Batches<Item, Outcome>;
    const made = openBatches({ ...rules, ...LIMITS, rested: () => void open.delete(key) });
    open.set(key, made);
    return made;
  }

  /** Settlements of jobs, those of one call together; of a job that a call names more than once, one after the other. */
  async function settle<Item extends Settlement, Outcome>(
    how: { kind: string; place: Place; together(place: Place, items: readonly Item[]): Promise<Outcome[]> },
    items: readonly Item[],
  ): Promise<Outcome[]> {
    const { kind, place, together } = how;
    const { add } = lane<readonly Item[], Outcome[]>([kind, place.realm, place.queue], {
      store: async (batch) => apart(batch, await together(place, batch.flat())),
      countOf: ({ length }) => length,
      bytesOf: (some) => some.reduce((bytes, item) => bytes + ITEM_BYTES + textOf(item), 0),
      namesOf: (some) => some.map(({ id }) => id),
    });
    const outcomes = new Array<Outcome>(items.length);
    for (const round of rounds(items)) {
      const settled = await add(round.map((index) => items[index]!));
      for (const [at, index] of round.entries()) outcomes[index] = settled[at]!;
    }
    return outcomes;
  }

  /** Claims, with the acknowledgements that come with them: a worker that goes on and on then costs one transaction for each round. */
  function claims(realm: string, name: string) {
    return lane<Wish, Awaited<ReturnType<Queue["ackAndClaim"]>>>(["claim", realm, name], {
      async store(batch) {
        const done = await claimTogether({ pool, realm, queue: name }, batch);
        vacuum.claimed(done.reduce((count, { claimed }) => count + claimed.jobs.length, 0));
        return done;
      },
      countOf: ({ limit, acks }) => Math.max(limit, acks.length),
      bytesOf: ({ acks }) => acks.reduce((bytes, ack) => bytes + ITEM_BYTES + textOf(ack), ITEM_BYTES),
      namesOf: ({ acks }) => acks.map(({ id }) => id),
    });
  }

  const queue: Queue = {
    push(command) {
      const { realm, queue: name } = command;
      const { add } = lane<PushJobs, PushOutcome>(["push", realm, name], {
        store: (batch) => pushTogether(pool.query, batch),
        countOf: ({ jobs }) => jobs.length,
        bytesOf: ({ jobs }) => jobs.reduce((bytes, { payload }) => bytes + payload.length + ITEM_BYTES, 0),
        namesOf: () => [],
      });
      return add(command);
    },
    claim: async (realm, name, options) => (await claims(realm, name).add({ ...options, acks: [] })).claimed,
    async ackAndClaim(realm, name, acks, options) {
      if (rounds(acks).length <= 1) return claims(realm, name).add({ ...options, acks });
      return { acks: await queue.ack(realm, name, acks), claimed: await queue.claim(realm, name, options) };
    },
    takeUp: (limit) => takeUp(pool, limit),
    ack: (realm, name, acks) =>
      settle<Ack, AckOutcome>({ kind: "ack", place: { pool, realm, queue: name }, together: ackTogether }, acks),
    nack: (realm, name, nacks) =>
      settle<Nack, NackOutcome>({ kind: "nack", place: { pool, realm, queue: name }, together: nackTogether }, nacks),
    extend: (realm, name, extensions) =>
      settle<Extend, ExtendOutcome>(
        { kind: "extend", place: { pool, realm, queue: name }, together: extendTogether },
        extensions,
      ),
    async cancel(realm, name, id) {
      const [row] = await pool.query<{ code: string }>(CANCEL, [realm, name, idOf(id)]);
      return cancelOutcome(row!.code);
    },
    get: (realm, name, id) => getJob({ pool, realm, queue: name }, id),
    list: (realm, name, state, from) => listJobs({ pool, realm, queue: name }, { state, ...from }),
    async redrive(realm, name, ids, payload) {
      const wanted = [...new Set(ids.map(idOf))];
      const [row] = await pool.query<{ ids: string[] }>(REDRIVE, [realm, name, wanted, payload ?? null]);
      return row!.ids;
    },
    async redriveAll(realm, name, limit) {
      const dead = await pool.query<{ id: string }>(DEAD, [realm, name, limit]);
      if (dead.length === 0) return 0;
      return (
        await queue.redrive(
          realm,
          name,
          dead.map(({ id }) => id),
        )
      ).length;
    },
    async purge(realm, name, state, limit) {
      const [row] = await pool.query<{ went: number }>(PURGE, [realm, name, letterOf(state), limit]);
      return row!.went;
    },
    pause: (realm, name, paused) => pauseQueue({ pool, realm, queue: name }, paused),
    configure: (realm, name, settings) => configureQueue({ pool, realm, queue: name }, settings),
    async remove(realm, name) {
      const [row] = await pool.query<{ gone: boolean }>(REMOVE, [realm, name]);
      return row!.gone;
    },
    info: (realm, name) => infoOf({ pool, realm, queue: name }),
    stats: (realm, name) => statsOf({ pool, realm, queue: name }),
    queues: (realm, after, limit) => listQueues(pool, { realm, after, limit }),
    async expire(limit) {
      const [row] = await pool.query<{ went: number }>(EXPIRE, [limit]);
      return row!.went;
    },
    schedules: postgresSchedules(pool),
  };

  return {
    queue,
    async drained() {
      while (open.size > 0) await Promise.all([...open.values()].map((each) => each.drained()));
      await vacuum.drained();
    },
  };
}

/** How long the texts are that a settlement carries. */
function textOf({ result, error, progress }: Settlement): number {
  return (result?.length ?? 0) + (error?.length ?? 0) + (progress?.length ?? 0);
}

/** The places of the items in rounds, in each of which an id stands once. */
function rounds(items: readonly { id: string }[]): number[][] {
  const seen = new Map<string, number>();
  const made: number[][] = [];
  for (const [index, { id }] of items.entries()) {
    const round = seen.get(id) ?? 0;
    seen.set(id, round + 1);
    made[round] = [...(made[round] ?? []), index];
  }
  return made;
}

/** The outcomes of each call. */
function apart<Item, Outcome>(batch: readonly (readonly Item[])[], outcomes: readonly Outcome[]): Outcome[][] {
  let at = 0;
  return batch.map(({ length }) => {
    at += length;
    return outcomes.slice(at - length, at);
  });
}

function cancelOutcome(code: string): CancelOutcome {
  const statuses = { c: "cancelled", r: "requested", e: "ended", "-": "absent" } as const;
  return { status: statuses[code.toLowerCase() as keyof typeof statuses], released: code === "C" };
}
