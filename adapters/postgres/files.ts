/**
 * The files store in PostgreSQL. Each change of a file, of its owner's usage and of the queue of objects to delete is one statement, so all or none of it
 * takes effect. See migrations/0012_files.sql.
 */
import { type Added, type Files, SPENT_MS, type StoredFile } from "../../core/ports/files.ts";
import type { Pool, Statement } from "./pool.ts";

const COLUMNS = `f.id, f.owner, f.secret_hash, f.name, f.content_type, f.size::float8, f.sha256, f.object_key,
  millrace_ms(f.created_at) AS created_ms, millrace_ms(f.expires_at) AS expires_ms, f.max_downloads, f.downloads`;
const LIVE = "f.expires_at > (SELECT millrace_now())";

const ADD: Statement = {
  name: "files_add",
  text: `WITH room AS (
      INSERT INTO file_usage AS u (owner, bytes) SELECT $2, $6::bigint WHERE $6::bigint <= $11::bigint
      ON CONFLICT (owner) DO UPDATE SET bytes = u.bytes + excluded.bytes WHERE u.bytes + excluded.bytes <= $11::bigint
      RETURNING u.owner
    ), clock AS MATERIALIZED (
      SELECT date_trunc('milliseconds', millrace_now()) AS now FROM room
    )
    INSERT INTO files AS f (
      id, owner, secret_hash, name, content_type, size, sha256, object_key, created_at, expires_at, max_downloads
    )
    SELECT $1::uuid, $2, $3, $4, $5, $6::bigint, $7, $8, c.now, c.now + $9::float8 * interval '1 millisecond', $10::integer FROM clock c
    RETURNING millrace_ms(f.created_at) AS created_ms, millrace_ms(f.expires_at) AS expires_ms`,
};

const USED: Statement = {
  name: "files_used",
  text: "SELECT u.bytes::float8 AS bytes FROM file_usage u WHERE u.owner = $1",
};

const GET: Statement = {
  name: "files_get",
  text: `SELECT ${COLUMNS} FROM files f WHERE f.id = $1::uuid AND ${LIVE}`,
};

const TAKE: Statement = {
  name: "files_take",
  text: `UPDATE files f SET downloads = f.downloads + 1,
      expires_at = CASE
        WHEN f.downloads + 1 = f.max_downloads
        THEN least(f.expires_at, date_trunc('milliseconds', millrace_now()) + $2::float8 * interval '1 millisecond')
        ELSE f.expires_at
      END
    WHERE f.id = $1::uuid AND ${LIVE} AND (f.max_downloads IS NULL OR f.downloads < f.max_downloads)
    RETURNING f.downloads`,
};

const PAGE = "ORDER BY f.id DESC LIMIT $2";

const LIST_ALL: Statement = {
  name: "files_list_all",
  text: `SELECT ${COLUMNS} FROM files f WHERE f.id < $1::uuid AND ${LIVE} ${PAGE}`,
};

const LIST_OWN: Statement = {
  name: "files_list_own",
  text: `SELECT ${COLUMNS} FROM files f WHERE f.owner = $3 AND f.id < $1::uuid AND ${LIVE} ${PAGE}`,
};

/** After every id that a file can have. */
const LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** What goes with the files that `gone` has deleted. */
const WITH_GONE = `queued AS (
      INSERT INTO object_deletions (key, queued_at) SELECT g.object_key, millrace_now() FROM gone g
      ON CONFLICT (key) DO NOTHING
    ), freed AS (
      UPDATE file_usage u SET bytes = u.bytes - s.bytes
      FROM (SELECT g.owner, sum(g.size)::bigint AS bytes FROM gone g GROUP BY g.owner) s
      WHERE u.owner = ANY (ARRAY[s.owner])
    )
    SELECT g.id FROM gone g`;

const REMOVE: Statement = {
  name: "files_remove",
  text: `WITH gone AS (
      DELETE FROM files f WHERE f.id = $1::uuid AND ${LIVE} RETURNING f.id, f.owner, f.size, f.object_key
    ), ${WITH_GONE}`,
};

const EXPIRE: Statement = {
  name: "files_expire",
  text: `WITH due AS MATERIALIZED (
      SELECT x.id FROM files x WHERE x.expires_at <= (SELECT millrace_now()) ORDER BY x.expires_at LIMIT $1
      FOR UPDATE SKIP LOCKED
    ), gone AS (
      DELETE FROM files f USING due d WHERE f.id = ANY (ARRAY[d.id]) RETURNING f.id, f.owner, f.size, f.object_key
    ), ${WITH_GONE}`,
};

const FORGET: Statement = { name: "files_forget_unused", text: "DELETE FROM file_usage u WHERE u.bytes = 0" };

const REFERENCED: Statement = {
  name: "files_referenced",
  text: `SELECT f.object_key AS key FROM files f WHERE f.object_key = ANY ($1::text[])
    UNION SELECT d.key FROM object_deletions d WHERE d.key = ANY ($1::text[])`,
};

interface Row {
  id: string;
  owner: string;
  secret_hash: string;
  name: string;
  content_type: string;
  size: number;
  sha256: string;
  object_key: string;
  created_ms: number;
  expires_ms: number;
  max_downloads: number | null;
  downloads: number;
}

const UNKNOWN = "The connection to the database was lost: it is unknown whether the file was stored. Send it again.";

/** The files over a pool. */
export function postgresFiles(pool: Pool): Files {
  async function used(owner: string): Promise<number> {
    const [row] = await pool.query<{ bytes: number }>(USED, [owner]);
    return row?.bytes ?? 0;
  }

  return {
    async add(file, quota): Promise<Added> {
      const { id, owner, secretHash, name, contentType, size, sha256, objectKey, ttlMs, maxDownloads } = file;
      const values = [id, owner, secretHash, name, contentType, size, sha256, objectKey, ttlMs, maxDownloads, quota];
      const [row] = await pool.query<Pick<Row, "created_ms" | "expires_ms">>(ADD, values, UNKNOWN);
      if (row === undefined) return { status: "full", used: await used(owner) };
      return { status: "added", createdAt: new Date(row.created_ms), expiresAt: new Date(row.expires_ms) };
    },
    async get(id) {
      const [row] = await pool.query<Row>(GET, [id]);
      return row === undefined ? null : fileOf(row);
    },
    async take(id) {
      return (await pool.query(TAKE, [id, SPENT_MS])).length > 0;
    },
    async remove(id) {
      return (await pool.query(REMOVE, [id])).length > 0;
    },
    async list(owner, before, limit) {
      const place = [before ?? LAST, limit];
      const rows = await (owner === null
        ? pool.query<Row>(LIST_ALL, place)
        : pool.query<Row>(LIST_OWN, [...place, owner]));
      return rows.map(fileOf);
    },
    used,
    async expire(limit) {
      const gone = (await pool.query(EXPIRE, [limit])).length;
      if (gone > 0) await pool.query(FORGET, []);
      return gone;
    },
    async referenced(keys) {
      return (await pool.query<{ key: string }>(REFERENCED, [keys])).map(({ key }) => key);
    },
  };
}

function fileOf(row: Row): StoredFile {
  return {
    id: row.id,
    owner: row.owner,
    secretHash: row.secret_hash,
    name: row.name,
    contentType: row.content_type,
    size: row.size,
    sha256: row.sha256,
    objectKey: row.object_key,
    createdAt: new Date(row.created_ms),
    expiresAt: new Date(row.expires_ms),
    maxDownloads: row.max_downloads,
    downloads: row.downloads,
  };
}
