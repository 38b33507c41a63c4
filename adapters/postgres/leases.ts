/**
 * Leases in PostgreSQL: a row for each name, and whoever holds its token until its time is over holds the lease.
 */
import type { Database } from "../../core/ports/database.ts";
import type { Pool, Statement } from "./pool.ts";

const UNTIL = "millrace_now() + $3::float8 * interval '1 millisecond'";

const TAKE: Statement = {
  name: "lease_take",
  text: `INSERT INTO leases AS l (name, holder, expires_at) VALUES ($1, $2, ${UNTIL})
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE l.expires_at <= millrace_now()
    RETURNING l.name`,
};

const RENEW: Statement = {
  name: "lease_renew",
  text: `UPDATE leases SET expires_at = ${UNTIL}
    WHERE name = $1 AND holder = $2 AND expires_at > millrace_now()
    RETURNING name`,
};

const RELEASE: Statement = { name: "lease_release", text: "DELETE FROM leases WHERE name = $1 AND holder = $2" };

/** The `lease` member of the database. */
export function postgresLeases(pool: Pool): Database["lease"] {
  return async (name, ttlMs) => {
    const holder = crypto.randomUUID();
    const taken = await pool.query(TAKE, [name, holder, ttlMs]);
    if (taken.length === 0) return null;
    return {
      async renew() {
        const rows = await pool.query(RENEW, [name, holder, ttlMs]);
        return rows.length > 0;
      },
      async release() {
        await pool.query(RELEASE, [name, holder]);
      },
    };
  };
}
