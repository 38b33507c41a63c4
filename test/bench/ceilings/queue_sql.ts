/**
 * Queues in plain SQL, as one would write them by hand: `FOR UPDATE SKIP LOCKED` in a materialized CTE, a lease and its token, acknowledging by deletion. Prints jobs a second as JSON.
 * `node queue_sql.ts DATABASE_URL one CALLERS SECONDS`: each caller puts a job in, claims one and acknowledges it, over a pool of 16 connections.
 * `next CALLERS SECONDS`: the same without putting in, from a backlog. `batch WORKERS SECONDS`: each claims a hundred and acknowledges them, from a backlog.
 */
import pg from "pg";

const PAYLOAD = "x".repeat(128);
const BATCH = 100;
const WARM_MS = 300;
/** More than is worked off in a second. */
const BACKLOG_A_SECOND: Record<string, number> = { one: 0, next: 10_000, batch: 90_000 };

const TABLE = `CREATE TABLE IF NOT EXISTS plain_jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL, attempt integer NOT NULL DEFAULT 0,
  visible_at timestamptz NOT NULL DEFAULT clock_timestamp(), lease_token uuid
)`;
const INDEX = "CREATE INDEX IF NOT EXISTS plain_jobs_by_time ON plain_jobs (visible_at, id)";
const FILL = "INSERT INTO plain_jobs (payload) SELECT $1 FROM generate_series(1, $2)";
const PUSH = { name: "push", text: "INSERT INTO plain_jobs (payload) VALUES ($1) RETURNING id" };
const CLAIM = {
  name: "claim",
  text: `WITH c AS MATERIALIZED (
      SELECT id FROM plain_jobs WHERE visible_at <= clock_timestamp() ORDER BY visible_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE plain_jobs j SET attempt = j.attempt + 1, lease_token = gen_random_uuid(), visible_at = clock_timestamp() + interval '10 minutes'
    FROM c WHERE j.id = c.id RETURNING j.id, j.payload, j.attempt, j.lease_token`,
};
const ACK = {
  name: "ack",
  text: "DELETE FROM plain_jobs j USING unnest($1::bigint[], $2::uuid[]) AS a (id, token) WHERE j.id = a.id AND j.lease_token = a.token",
};

const [url, what, count, length] = process.argv.slice(2);
const seconds = Number(length);
const pool = new pg.Pool({ connectionString: url!, max: Math.min(16, Number(count)) });

async function claimAndAck(limit: number): Promise<number> {
  const { rows } = await pool.query<{ id: string; lease_token: string }>({ ...CLAIM, values: [limit] });
  if (rows.length === 0) return 0;
  const done = await pool.query({ ...ACK, values: [rows.map(({ id }) => id), rows.map((row) => row.lease_token)] });
  return done.rowCount ?? 0;
}

async function one(): Promise<number> {
  await pool.query({ ...PUSH, values: [PAYLOAD] });
  return claimAndAck(1);
}

await pool.query(TABLE);
await pool.query(INDEX);
await pool.query(FILL, [PAYLOAD, Math.ceil(BACKLOG_A_SECOND[what!]! * (seconds + 1))]);
await pool.query("ANALYZE plain_jobs");
const step = what === "one" ? one : () => claimAndAck(what === "next" ? 1 : BATCH);
const warm = performance.now() + WARM_MS;
const end = warm + seconds * 1_000;
let jobs = 0;
await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    while (performance.now() < end) {
      const done = await step();
      const now = performance.now();
      if (now >= warm && now < end) jobs += done;
    }
  }),
);
console.log(JSON.stringify({ rate: jobs / seconds }));
process.exit(0);
