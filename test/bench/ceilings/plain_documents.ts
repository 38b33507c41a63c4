/** Documents in plain SQL, as one would write them by hand: one row a key, its newest version only, an upsert or a look-up in each statement. */
import type pg from "pg";

const TABLE = `CREATE TABLE IF NOT EXISTS plain_documents (
  namespace text, key text, version integer NOT NULL, payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (namespace, key)
)`;
const PUT = {
  name: "put_document",
  text: `INSERT INTO plain_documents (namespace, key, version, payload) VALUES ($1, $2, 1, $3)
    ON CONFLICT (namespace, key) DO UPDATE SET version = plain_documents.version + 1, payload = excluded.payload, created_at = clock_timestamp()
    RETURNING version, created_at`,
} as const;
const GET = {
  name: "get_document",
  text: "SELECT version, payload, created_at FROM plain_documents WHERE namespace = $1 AND key = $2",
} as const;

export interface Stored {
  version: number;
  payload: unknown;
  created_at: Date;
}

export async function makeDocuments(client: pg.Client | pg.Pool): Promise<void> {
  await client.query(TABLE);
}

/** The version and the time that it got. */
export async function putDocument(pool: pg.Pool, [namespace, key]: [string, string], payload: unknown) {
  const { rows } = await pool.query<Omit<Stored, "payload">>({
    ...PUT,
    values: [namespace, key, JSON.stringify(payload)],
  });
  return rows[0]!;
}

export async function getDocument(pool: pg.Pool, [namespace, key]: [string, string]): Promise<Stored | undefined> {
  const { rows } = await pool.query<Stored>({ ...GET, values: [namespace, key] });
  return rows[0];
}
