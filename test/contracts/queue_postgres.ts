/**
 * What only the queue on PostgreSQL promises: plans that suit a large queue though they were made for a small one, callers who share statements, and
 * that nobody waits for a row.
 */
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { migrateUp, readMigrations } from "../../adapters/postgres/migrate.ts";
import { openPool, type Pool } from "../../adapters/postgres/pool.ts";
import { postgresQueue } from "../../adapters/postgres/queue.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import type { ClaimedJob, Queue } from "../../core/ports/queue.ts";
import { eventually } from "../support/eventually.ts";
import { job, lease } from "../support/queue_steps.ts";
import { createTestDatabase } from "../support/test_database.ts";
import { storm, UNSOUND } from "./queue_storm.ts";

const REALM = "r";
/** The steps of the queue, and the one that they stand on. */
const OWN = /^(database|queue(_.+)?)$/;

interface Own {
  readonly queue: Queue;
  /** The same as another process has it. */
  readonly other: Queue;
  /** The statements that the queue has run, by name. */
  readonly ran: string[];
  query(text: string): Promise<Record<string, unknown>[]>;
  /** Another session. */
  connect(): Promise<pg.Client>;
  /** Closes the queue's connections: the server counts what one has read once it ends. */
  close(): Promise<void>;
}

/** Runs the test on a database of its own. */
async function onDatabase(server: string, proof: (own: Own) => Promise<void>): Promise<void> {
  const database = await createTestDatabase(server);
  const connection = { connectionString: database.url };
  const log = memoryLog("error");
  const migrations = (await readMigrations()).filter(({ name }) => OWN.test(name));
  await migrateUp({ connection, migrations, log });
  const pool = openPool({ connection, schema: "public", clockOffsetMs: 0, size: 4, log });
  const second = openPool({ connection, schema: "public", clockOffsetMs: 0, size: 4, log });
  const ran: string[] = [];
  const counting: Pool = {
    ...pool,
    query(statement, values, lost) {
      ran.push(statement.name);
      return pool.query(statement, values, lost);
    },
  };
  const clients: pg.Client[] = [];
  const connect = async () => {
    const client = new pg.Client(connection);
    clients.push(client);
    await client.connect();
    return client;
  };
  const client = await connect();
  try {
    const query = async (text: string) => (await client.query(text)).rows;
    const other = postgresQueue(second, { vacuumAfter: 300 }).queue;
    const close = async () => void (await Promise.all([pool.end(), second.end()]));
    await proof({ queue: postgresQueue(counting).queue, other, ran, query, connect, close });
  } finally {
    await Promise.all(clients.map((each) => each.end()));
    await Promise.allSettled([pool.end(), second.end()]);
    await database.drop();
  }
}

const push = (queue: Queue, count: number, how: object = {}) =>
  queue.push({
    op: "queue.push",
    realm: REALM,
    queue: "q",
    jobs: Array.from({ length: count }, (_, n) => job(n, how)),
  });
const claim = async (queue: Queue, limit = 1): Promise<ClaimedJob[]> =>
  (await queue.claim(REALM, "q", { limit, leaseMs: 60_000 })).jobs;

/** Registers the suite on the server of this URL. */
export function queueOnPostgres(server: string): void {
  const own = suite("queue, postgres alone");
  const keeps = (promise: string, proof: (own: Own) => Promise<void>) => own(promise, () => onDatabase(server, proof));
  keepsPlans(keeps);
  keepsBatches(keeps);
  keepsWaiting(keeps);
  keepsSoundness(keeps);
  own.run();
}

type KeepsOwn = (promise: string, proof: (own: Own) => Promise<void>) => void;

function keepsPlans(keeps: KeepsOwn): void {
  keeps("plans made for a handful of jobs do not read all of a large queue", async ({ queue, query, close }) => {
    const use = async () => {
      await push(queue, 4, { group: "g" });
      await push(queue, 12);
      await push(queue, 2, { dedup: { key: "k", mode: "replace" } });
      const [one, two, three, ...rest] = await claim(queue, 10);
      await queue.extend(REALM, "q", [lease(one!), { ...lease(two!), leaseMs: 90_000 }]);
      await queue.nack(REALM, "q", [
        { ...lease(one!), delayMs: 0 },
        { ...lease(two!), final: true },
      ]);
      await queue.ack(REALM, "q", [lease(three!), lease(three!), ...rest.map(lease)]);
      await queue.cancel(REALM, "q", one!.id);
      await queue.get(REALM, "q", three!.id);
      await queue.redrive(REALM, "q", [two!.id, three!.id]);
      for (const state of ["waiting", "delayed", "running", "done", "dead"] as const) {
        const { next } = await queue.list(REALM, "q", state, { after: null, limit: 5 });
        if (next) await queue.list(REALM, "q", state, { after: next, limit: 5 });
      }
      await queue.redriveAll(REALM, "q", 2);
      await queue.purge(REALM, "q", "dead", 3);
      await queue.purge(REALM, "q", "waiting", 100);
      await queue.expire(10);
      await queue.takeUp(5);
      for (const groupConcurrency of [3, 1]) await queue.configure(REALM, "q", { groupConcurrency });
    };
    await query("VACUUM ANALYZE");
    for (let round = 0; round < 3; round += 1) await use();
    await query("VACUUM ANALYZE");
    for (let round = 0; round < 3; round += 1) await use();
    await query(`
      INSERT INTO queue_ended (
        id, queue_number, created_at, visible_at, finished_at, expires_at, attempt, max_attempts, redrives, priority, state, cancel_requested, payload
      )
      SELECT nextval('queue_order'), q.number, now(), now(), now() - g * interval '1 second', now() + interval '1 day', 5, 5, 0, 0,
        (ARRAY['x', 'o', 'c'])[1 + g % 3]::"char", false, '1'
      FROM queues q, generate_series(1, 30000) g`);
    for (const [state, more] of [
      ["d", "now() + interval '1 day', NULL, NULL"],
      ["r", "now(), now() + interval '1 day', NULL"],
      ["h", "now(), NULL, 'busy'"],
    ]) {
      await query(`
        INSERT INTO queue_jobs (
          id, queue_number, position, created_at, max_attempts, priority, state, payload, visible_at, lease_until, group_key
        )
        SELECT nextval('queue_order'), q.number, currval('queue_order'), now(), 5, 9, '${state}', '1', ${more}
        FROM queues q, generate_series(1, 10000) g`);
    }
    await query("INSERT INTO queue_groups SELECT number, 'busy', 1 FROM queues");
    await query("SELECT pg_stat_reset()");
    await use();
    await close();
    const [read] = await query(
      "SELECT sum(idx_tup_fetch + seq_tup_read)::int AS rows FROM pg_stat_user_tables WHERE relname LIKE 'queue%'",
    );
    assert.ok(Number(read!.rows) < 3_000, `${read!.rows} rows were read`);
  });
}

function keepsBatches(keeps: KeepsOwn): void {
  keeps("callers with a job each share statements: to push, to claim, to acknowledge", async ({ queue, ran }) => {
    await Promise.all(Array.from({ length: 64 }, () => push(queue, 1)));
    assert.ok(ran.splice(0).length <= 2, "the pushes were not stored together");
    const claims = await Promise.all(Array.from({ length: 70 }, () => claim(queue)));
    assert.ok(ran.splice(0).length <= 2, "the claims were not made together");
    const claimed = claims.flat();
    assert.is(new Set(claimed.map(({ id }) => id)).size, 64);
    assert.is(claims.filter(({ length }) => length === 0).length, 6);
    const acks = await Promise.all(claimed.map((each) => queue.ack(REALM, "q", [lease(each)])));
    assert.ok(ran.splice(0).length <= 2, "the acknowledgements were not stored together");
    assert.ok(acks.flat().every(({ status }) => status === "acked"));
  });

  keeps("of pushes that are stored together a bad one fails alone", async ({ queue }) => {
    const payloads = ["1", '"\u0000"', "3"];
    const results = await Promise.allSettled(
      payloads.map((payload) => queue.push({ op: "queue.push", realm: REALM, queue: "q", jobs: [{ payload }] })),
    );
    assert.equal(
      results.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    const { reason } = results[1] as PromiseRejectedResult;
    assert.ok(reason instanceof Fault && reason.code === "invalid_input");
    assert.equal(
      (await claim(queue, 9)).map(({ payload }) => payload),
      ["1", "3"],
    );
  });
}

function keepsWaiting(keeps: KeepsOwn): void {
  keeps(
    "what many claims leave behind in the table is cleared away without waiting for the server's turn",
    async ({ other, query }) => {
      await push(other, 500);
      for (let round = 0; round < 4; round += 1) await other.ack(REALM, "q", (await claim(other, 100)).map(lease));
      await eventually("the table was vacuumed", async () => {
        const [told] = await query("SELECT vacuum_count::int FROM pg_stat_user_tables WHERE relname = 'queue_jobs'");
        return Number(told?.vacuum_count) > 0;
      });
      assert.is((await claim(other, 100)).length, 100);
    },
  );

  keeps("a claim does not wait for rows that another session holds, and takes the next", async ({ queue, connect }) => {
    await push(queue, 3);
    const other = await connect();
    await other.query("BEGIN");
    await other.query("SELECT FROM queue_jobs ORDER BY position LIMIT 1 FOR UPDATE");
    const started = performance.now();
    assert.equal(
      (await claim(queue, 9)).map(({ payload }) => payload),
      ["1", "2"],
    );
    assert.ok(performance.now() - started < 1_000, "the claim waited");
    await other.query("ROLLBACK");
    assert.equal(
      (await claim(queue, 9)).map(({ payload }) => payload),
      ["0"],
    );
  });

  keeps("leases that ended and jobs that came due wait for nobody either", async ({ queue, query, connect }) => {
    await push(queue, 2);
    await claim(queue, 2);
    await push(queue, 2, { delayMs: 60_000 });
    await query("UPDATE queue_jobs SET lease_until = now() - interval '1 second' WHERE state = 'r'");
    await query("UPDATE queue_jobs SET visible_at = now() - interval '1 second' WHERE state = 'd'");
    const other = await connect();
    await other.query("BEGIN");
    await other.query("SELECT FROM queue_jobs WHERE payload = '0' FOR UPDATE");
    const started = performance.now();
    assert.equal(
      (await claim(queue, 9)).map(({ payload, attempt }) => [payload, attempt]),
      [
        ["1", 2],
        ["1", 1],
      ],
    );
    assert.ok(performance.now() - started < 1_000, "the claim waited");
    await other.query("ROLLBACK");
    assert.is((await claim(queue, 9)).length, 2);
  });
}

/** Returns once a statement with that word waits for a lock. The session must not be in a transaction, which would see the activity of its first look for ever. */
function waitingFor(query: Own["query"], word: string): Promise<void> {
  const text = `SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND query LIKE '%${word}%'`;
  return eventually(`${word} waits`, async () => (await query(text)).length > 0);
}

function keepsSoundness(keeps: KeepsOwn): void {
  keeps(
    "a limit that is lowered while a claim is under way counts what that claim takes",
    async ({ queue, query, connect }) => {
      await queue.configure(REALM, "q", { groupConcurrency: 2 });
      await push(queue, 2, { group: "g" });
      const other = await connect();
      await other.query("BEGIN");
      await other.query(
        "UPDATE queue_jobs SET state = 'r', lease_until = now() + interval '1 minute', lease_token = gen_random_uuid() WHERE payload = '1'",
      );
      // One statement of those that lower it: the next would put right what this one got wrong.
      const second = await connect();
      const lowered = second.query("SELECT queue_configure($1, 'q', 1, NULL, NULL, NULL, NULL)", [REALM]);
      // Told where it is awaited; a test that fails before that ends its connection.
      lowered.catch(() => undefined);
      await waitingFor(query, "queue_configure");
      await other.query("COMMIT");
      await lowered;
      assert.equal(await claim(queue, 9), []);
    },
  );

  keeps("a change of the limit holds for more groups than one statement fits, at once", async ({ queue, query }) => {
    await queue.configure(REALM, "q", { groupConcurrency: 2 });
    await push(queue, 2, { group: "" });
    await query(`
      INSERT INTO queue_jobs (
        id, queue_number, position, created_at, visible_at, max_attempts, priority, state, payload, group_key, placed
      )
      SELECT nextval('queue_order'), q.number, currval('queue_order'), now(), now(), 5, 0, 'w', '1', 'g' || g, true
      FROM queues q, generate_series(1, 10500) g, generate_series(1, 2)`);
    await query("INSERT INTO queue_groups SELECT number, 'g' || g, 2 FROM queues, generate_series(1, 10500) g");
    for (const groupConcurrency of [1, 2, 1]) {
      await queue.configure(REALM, "q", { groupConcurrency });
      const [told] = await query("SELECT count(*)::int FROM queue_jobs WHERE state = 'w' AND placed");
      assert.is(told!.count, 10_501 * groupConcurrency);
    }
    for (const text of Object.values(UNSOUND).slice(0, 1)) assert.equal(await query(text), []);
  });

  keeps("a push that waited for a change of the limit keeps to the new one", async ({ queue, query, connect }) => {
    await queue.configure(REALM, "q", { groupConcurrency: 3 });
    await push(queue, 1, { group: "other" });
    const other = await connect();
    await other.query("BEGIN");
    await other.query("SELECT queue_configure($1, 'q', 1, NULL, NULL, NULL, NULL)", [REALM]);
    const pushed = push(queue, 3, { group: "g" });
    await waitingFor(query, "queue_push");
    await other.query("COMMIT");
    await pushed;
    assert.is((await claim(queue, 9)).length, 2);
  });

  keeps(
    "whatever two processes do to groups and keys at once, nobody waits in a circle and nothing is left over",
    async (own) => {
      const { queue, other, query, close } = own;
      await queue.configure(REALM, "q", {
        groupConcurrency: 2,
        maxAttempts: 3,
        backoff: { delayMs: 3, factor: 1, mostMs: 3, jitter: 0.5 },
      });
      await storm([queue, other], { realm: REALM, queue: "q", rounds: 60 });
      await queue.configure(REALM, "q", { groupConcurrency: 2 });
      for (const [what, text] of Object.entries(UNSOUND)) assert.equal(await query(text), [], what);
      await query("UPDATE queue_jobs SET visible_at = now() WHERE state = 'd'");
      await query("UPDATE queue_jobs SET lease_until = now() WHERE state = 'r'");
      for (let idle = 0; idle < 5; ) {
        const jobs = await claim(queue, 100);
        idle = jobs.length === 0 ? idle + 1 : 0;
        await other.ack(REALM, "q", jobs.map(lease));
      }
      assert.equal(await query("SELECT state, count(*) FROM queue_jobs GROUP BY state"), []);
      assert.equal(await query("SELECT * FROM queue_groups"), []);
      // The server counts what a connection has met once it ends.
      await close();
      const [met] = await query("SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()");
      assert.is(met?.deadlocks, 0);
    },
  );
}
