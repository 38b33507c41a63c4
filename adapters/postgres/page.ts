/**
 * Reading the journal: its statements, and their rows as pages, entries and bounds. Rows come as arrays, as a page has many.
 */
import { type Bounds, EARLIEST, type Entry, type JournalPage } from "../../core/ports/journal.ts";
import type { Statement } from "./pool.ts";

const SUBJECT = `s.number, c.now, millrace_ms(c.now) AS now_ms, s.subject, s.last_id, s.closed_at IS NOT NULL AS shut,
  journal_lost_through(s.number, s.lost_through, s.next_expiry, s.last_expiry, c.now) AS lost_through`;
// The clock yields a row where there is no subject, too.
const CLOCK = "(SELECT millrace_now() AS now) c";
const BOUNDS_COLUMNS = "s.now_ms, s.subject, s.last_id, s.shut, s.lost_through";

// Stored times are whole milliseconds; the driver would make dates of timestamps from text, which is slow.
const ms = (column: string) => `round(date_part('epoch', ${column}) * 1000)`;
const ENTRY_COLUMNS = `i.id, i.data, ${ms("i.created_at")}, ${ms("i.expires_at")},
  CASE WHEN i.blob_key IS NOT NULL THEN json_build_object('key', i.blob_key, 'size', i.blob_size, 'sha256', i.blob_sha256) END`;

/** Bounds of the subjects in $2, and at least one row. */
export const BOUNDS: Statement = {
  name: "journal_bounds",
  text: `SELECT ${BOUNDS_COLUMNS} FROM (
      SELECT ${SUBJECT} FROM ${CLOCK} LEFT JOIN journal_subjects s ON s.realm = $1 AND s.subject = ANY ($2)
    ) s`,
  rowMode: "array",
};

/** A row of bounds, then entries. One statement, so that all come from one snapshot. */
export const READ: Statement = {
  name: "journal_read",
  text: `WITH s AS MATERIALIZED (
      SELECT ${SUBJECT} FROM ${CLOCK} LEFT JOIN journal_subjects s ON s.realm = $1 AND s.subject = $2
    )
    SELECT NULL::uuid, s.subject, s.now_ms, NULL::float8, json_build_array(${BOUNDS_COLUMNS}) FROM s
    UNION ALL
    SELECT e.* FROM s CROSS JOIN LATERAL (
      SELECT ${ENTRY_COLUMNS} FROM journal_entries i
      WHERE i.subject_number = s.number AND i.id > $3 AND (i.expires_at IS NULL OR i.expires_at > s.now)
      ORDER BY i.id LIMIT $4
    ) e`,
  rowMode: "array",
};

/** The unexpired entry with the highest id. */
export const NEWEST: Statement = {
  name: "journal_newest",
  text: `SELECT ${ENTRY_COLUMNS} FROM journal_entries i
    WHERE i.subject_number = (SELECT s.number FROM journal_subjects s WHERE s.realm = $1 AND s.subject = $2)
      AND (i.expires_at IS NULL OR i.expires_at > (SELECT millrace_now()))
    ORDER BY i.id DESC LIMIT 1`,
  rowMode: "array",
};

/** The clock, then the subject's name and what it stands at: null when it is missing. */
export type BoundsRow = [nowMs: number, subject: string | null, lastId: string, shut: boolean, lostThrough: string];

/** The id, the data, when it was made and when it expires in milliseconds, and its blob. */
export type EntryRow = [id: string, data: string, createdMs: number, expiresMs: number | null, blob: Entry["blob"]];

type HeadRow = [id: null, subject: string | null, nowMs: number, expiresMs: null, bounds: BoundsRow];

/** The rows of `READ` as a page. */
export function pageOf(rows: readonly (HeadRow | EntryRow)[]): JournalPage {
  const [head, ...entries] = rows as [HeadRow, ...EntryRow[]];
  return { entries: entries.map(entryOf), bounds: boundsOf(head[4]) };
}

/** The rows of `BOUNDS` as the bounds of the subjects asked for. */
export function boundsOfAll(rows: readonly BoundsRow[], subjects: readonly string[]): Bounds[] {
  const found = new Map(rows.map((row) => [row[1], row]));
  const [nowMs] = rows[0]!;
  return subjects.map((subject) => boundsOf(found.get(subject) ?? [nowMs, null, EARLIEST, false, EARLIEST]));
}

/** A row as an entry. */
export function entryOf([id, data, createdMs, expiresMs, blob]: EntryRow): Entry {
  return {
    id,
    data,
    blob,
    createdAt: new Date(createdMs),
    expiresAt: expiresMs === null ? null : new Date(expiresMs),
  };
}

function boundsOf([nowMs, subject, lastId, shut, lostThrough]: BoundsRow): Bounds {
  const now = new Date(nowMs);
  if (subject === null) return { state: "missing", lastId: EARLIEST, lostThrough: EARLIEST, now };
  return { state: shut ? "closed" : "open", lastId, lostThrough, now };
}
