/**
 * The documents store in PostgreSQL: its reads and upkeep. Puts and removals are commands of a unit, see `unit.ts`.
 */
import type { Document, Documents } from "../../core/ports/documents.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import type { Pool, Statement } from "./pool.ts";

const COLUMNS = `d.id, d.version::float8, d.body, millrace_ms(d.created_at) AS created_ms,
  millrace_ms(d.updated_at) AS updated_ms, millrace_ms(d.expires_at) AS expires_ms`;
const HELD = "d.realm = $1 AND d.collection = $2 AND (d.expires_at IS NULL OR d.expires_at > (SELECT millrace_now()))";

const GET_MANY: Statement = {
  name: "documents_get",
  text: `SELECT ${COLUMNS} FROM documents d WHERE ${HELD} AND d.id = ANY ($3::text[])`,
};

const LIST: Statement = {
  name: "documents_list",
  text: `SELECT ${COLUMNS} FROM documents d WHERE ${HELD} AND d.id > $3 ORDER BY d.id LIMIT $4`,
};

const EXPIRE: Statement = {
  name: "documents_expire",
  text: `DELETE FROM documents d USING (
      SELECT x.realm, x.collection, x.id FROM documents x
      WHERE x.expires_at <= (SELECT millrace_now()) ORDER BY x.expires_at LIMIT $1
      FOR UPDATE SKIP LOCKED
    ) due
    WHERE d.realm = due.realm AND d.collection = due.collection AND d.id = due.id
    RETURNING d.id`,
};

interface Row {
  id: string;
  version: number;
  body: string;
  created_ms: number;
  updated_ms: number;
  expires_ms: number | null;
}

/** The documents over a pool. */
export function postgresDocuments(pool: Pool): Documents {
  async function getMany(realm: string, collection: string, ids: readonly string[]): Promise<Document[]> {
    const rows = await pool.query<Row>(GET_MANY, [realm, collection, ids]);
    return rows.map(documentOf);
  }

  return {
    async get(realm, collection, id) {
      const [document] = await getMany(realm, collection, [id]);
      return document ?? null;
    },
    getMany,
    async list(realm, collection, after, limit) {
      const rows = await pool.query<Row>(LIST, [realm, collection, after, limit]);
      return rows.map(documentOf);
    },
    async expire(limit) {
      const rows = await pool.query(EXPIRE, [limit]);
      return rows.length;
    },
  };
}

function documentOf(row: Row): Document {
  return {
    id: row.id,
    version: row.version,
    body: JSON.parse(row.body) as JsonObject,
    createdAt: new Date(row.created_ms),
    updatedAt: new Date(row.updated_ms),
    expiresAt: row.expires_ms === null ? null : new Date(row.expires_ms),
  };
}
