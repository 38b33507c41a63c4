/**
 * Reading the journal: its statements, and their rows as pages, entries and bounds. Rows come as text, as a page has many.
 */
import { type Bounds, EARLIEST, type Entry, type JournalPage } from "../../core/ports/journal.ts";
import type { Statement } from "./pool.ts";
import type { TextRow } from "./text_rows.ts";

const SUBJECT = `s.number, c.now, millrace_ms(c.now) AS now_ms, s.subject, s.last_id, s.closed_at IS NOT NULL AS shut,
  journal_lost_through(s.number, s.lost_through, s.next_expiry, s.last_expiry, c.now) AS lost_through`;
// The clock yields a row where there is no subject, too.
const CLOCK = "(SELECT millrace_now() AS now) c";
const BOUNDS_OF = "json_build_array(s.now_ms, s.subject, s.last_id, s.shut, s.lost_through)";

// Stored times are whole milliseconds; the driver would make dates of timestamps from text, which is slow.
const ms = (column: string) => `round(date_part('epoch', ${column}) * 1000)`;
const ENTRY_COLUMNS = `i.id, i.data, ${ms("i.created_at")}, ${ms("i.expires_at")},
  CASE WHEN i.blob_key IS NOT NULL THEN json_build_object('key', i.blob_key, 'size', i.blob_size, 'sha256', i.blob_sha256) END`;

/** Bounds of the subjects in $2, and at least one row. */
export const BOUNDS: Statement = {
  name: "journal_bounds",
  text: `SELECT ${BOUNDS_OF} FROM (
      SELECT ${SUBJECT} FROM ${CLOCK} LEFT JOIN journal_subjects s ON s.realm = $1 AND s.subject = ANY ($2::text[])
    ) s`,
  asText: true,
};

/** A row of bounds, then entries. One statement, so that all come from one snapshot. */
export const READ: Statement = {
  name: "journal_read",
  text: `WITH s AS MATERIALIZED (
      SELECT ${SUBJECT} FROM ${CLOCK} LEFT JOIN journal_subjects s ON s.realm = $1 AND s.subject = $2
    )
    SELECT NULL::uuid, s.subject, s.now_ms, NULL::float8, ${BOUNDS_OF} FROM s
    UNION ALL
    SELECT e.* FROM s CROSS JOIN LATERAL (
      SELECT ${ENTRY_COLUMNS} FROM journal_entries i
      WHERE i.subject_number = s.number AND i.id > $3 AND (i.expires_at IS NULL OR i.expires_at > s.now)
      ORDER BY i.id LIMIT $4
    ) e`,
  asText: true,
};

/** The unexpired entry with the highest id. */
export const NEWEST: Statement = {
  name: "journal_newest",
  text: `SELECT ${ENTRY_COLUMNS} FROM journal_entries i
    WHERE i.subject_number = (SELECT s.number FROM journal_subjects s WHERE s.realm = $1 AND s.subject = $2)
      AND (i.expires_at IS NULL OR i.expires_at > (SELECT millrace_now()))
    ORDER BY i.id DESC LIMIT 1`,
  asText: true,
};

/** The rows of `READ` as a page. */
export function pageOf([head, ...entries]: readonly TextRow[]): JournalPage {
  return { entries: entries.map(entryOf), bounds: boundsOf(JSON.parse(head![4]!)) };
}

/** The rows of `BOUNDS` as the bounds of the subjects asked for. */
export function boundsOfAll(rows: readonly TextRow[], subjects: readonly string[]): Bounds[] {
  const seen = rows.map(([bounds]) => JSON.parse(bounds!) as SeenBounds);
  const found = new Map(seen.map((bounds) => [bounds[1], bounds]));
  const missing: SeenBounds = [seen[0]![0], null, EARLIEST, false, EARLIEST];
  return subjects.map((subject) => boundsOf(found.get(subject) ?? missing));
}

/** A row of entry columns as an entry. */
export function entryOf([id, data, createdMs, expiresMs, blob]: TextRow): Entry {
  return {
    id: id!,
    data: data!,
    blob: blob ? JSON.parse(blob) : null,
    createdAt: new Date(Number(createdMs)),
    expiresAt: expiresMs === null ? null : new Date(Number(expiresMs)),
  };
}

/** `BOUNDS_OF`: the subject is null when it is missing. */
type SeenBounds = [nowMs: number, subject: string | null, lastId: string, shut: boolean, lostThrough: string];

function boundsOf([nowMs, subject, lastId, shut, lostThrough]: SeenBounds): Bounds {
  const now = new Date(nowMs);
  if (subject === null) return { state: "missing", lastId: EARLIEST, lostThrough: EARLIEST, now };
  return { state: shut ? "closed" : "open", lastId, lostThrough, now };
}
