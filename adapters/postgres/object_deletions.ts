/**
 * The queue of objects whose rows are gone, in PostgreSQL. The journal fills it in the transaction that drops the rows.
 */
import type { ObjectDeletions } from "../../core/ports/database.ts";
import type { Pool, Statement } from "./pool.ts";

const DUE: Statement = {
  name: "object_deletions_due",
  text: `SELECT key FROM object_deletions
    WHERE queued_at <= (SELECT millrace_now()) - $1::float8 * interval '1 millisecond'
    ORDER BY queued_at LIMIT $2`,
};

const DONE: Statement = {
  name: "object_deletions_done",
  text: "DELETE FROM object_deletions WHERE key = ANY ($1::text[])",
};

/** The queue over a pool. */
export function postgresObjectDeletions(pool: Pool): ObjectDeletions {
  return {
    async due(graceMs, limit) {
      const rows = await pool.query<{ key: string }>(DUE, [graceMs, limit]);
      return rows.map(({ key }) => key);
    },
    async done(keys) {
      await pool.query(DONE, [keys]);
    },
  };
}
