/**
 * The documents store in PostgreSQL: its reads and upkeep. Puts and removals are commands of a unit, see `unit.ts`; pages are found by `document_pages.ts`.
 */
import type { Document, Documents } from "../../core/ports/documents.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { findHistory, findPage } from "./document_pages.ts";
import type { Pool, Statement } from "./pool.ts";

const TIMES = `millrace_ms(d.created_at) AS created_ms, millrace_ms(d.updated_at) AS updated_ms,
  millrace_ms(d.expires_at) AS expires_ms`;
const COLUMNS = `d.id, d.version::float8, d.body, ${TIMES}`;
const HELD = "d.realm = $1 AND d.collection = $2 AND (d.expires_at IS NULL OR d.expires_at > (SELECT millrace_now()))";

const GET_MANY: Statement = {
  name: "documents_get",
  text: `SELECT ${COLUMNS} FROM documents d WHERE ${HELD} AND d.id = ANY ($3::text[])`,
};

const GET_VERSION: Statement = {
  name: "documents_get_version",
  text: `SELECT ${COLUMNS} FROM documents d WHERE ${HELD} AND d.id = $3 AND d.version = $4
    UNION ALL
    SELECT d.id, v.version::float8, v.body, millrace_ms(d.created_at), millrace_ms(v.created_at), millrace_ms(d.expires_at)
    FROM documents d CROSS JOIN LATERAL (
      SELECT o.version, o.body, o.created_at FROM document_versions o
      WHERE o.realm = $1 AND o.collection = $2 AND o.id = $3 AND o.version = $4
    ) v
    WHERE ${HELD} AND d.id = $3`,
};

const LIST: Statement = {
  name: "documents_list",
  text: `SELECT ${COLUMNS} FROM documents d WHERE ${HELD} AND d.id > $3 ORDER BY d.id LIMIT $4`,
};

const EXPIRE: Statement = { name: "documents_expire", text: "SELECT document_expire($1) AS went" };

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
    async getVersion(realm, collection, id, version) {
      const [row] = await pool.query<Row>(GET_VERSION, [realm, collection, id, version]);
      return row ? documentOf(row) : null;
    },
    getMany,
    async list(realm, collection, after, limit) {
      const rows = await pool.query<Row>(LIST, [realm, collection, after, limit]);
      return rows.map(documentOf);
    },
    page: (query) => findPage(pool, query),
    history: (query) => findHistory(pool, query),
    async expire(limit) {
      const [row] = await pool.query<{ went: number }>(EXPIRE, [limit]);
      return row!.went;
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
