/**
 * The journal in PostgreSQL. Appends go through lanes, all else is one statement each; the rules live in
 * migrations/0001_journal.sql and migrations/0002_journal_append.sql.
 */
import type { AppendEntries, Journal } from "../../core/ports/journal.ts";
import { textArray } from "./array.ts";
import { appendParameters, type BatchRow, pack, receipts } from "./batch.ts";
import { type Appended, type Lane, openLane } from "./lane.ts";
import { BOUNDS, boundsOfAll, entryOf, NEWEST, pageOf, READ } from "./page.ts";
import type { Pool, Statement } from "./pool.ts";
import type { TextRow } from "./text_rows.ts";

export interface JournalOptions {
  /** For reads and upkeep. */
  pool: Pool;
  /** For appends: with as many connections as there are lanes, they never wait for a read. */
  appends: Pool;
  lanes: number;
}

/** The journal, and a way to wait for appends under way. */
export interface PostgresJournal {
  readonly journal: Journal;
  drained(): Promise<void>;
}

/** Words for an append whose connection went away: only a retry under the same key is safe. */
export const UNKNOWN =
  "The connection to the database was lost: it is unknown whether this was stored. Retry with the same Idempotency-Key.";

const BATCH_APPENDS = 500;
const BATCH_BYTES = 8 * 1024 * 1024;
const WAITING_BYTES = 64 * 1024 * 1024;

const APPEND: Statement = {
  name: "journal_append",
  text: `SELECT created_ms, to_json(ids), to_json(previous), known FROM journal_append(${appendParameters(1)})`,
  asText: true,
};
const APPEND_ONE: Statement = {
  name: "journal_append_one",
  text: "SELECT journal_append_one($1, $2, $3, $4, $5, $6, $7, $8, $9)",
  asText: true,
};

const IDLE: Statement = {
  name: "journal_idle",
  text: `SELECT s.subject FROM journal_subjects s
    WHERE s.realm = $1
      AND (s.closed_at IS NOT NULL OR s.appended_at <= (SELECT millrace_now()) - $2::float8 * interval '1 millisecond')
    ORDER BY s.subject LIMIT $3`,
};

const EXPIRE: Statement = { name: "journal_expire", text: "SELECT journal_expire($1) AS went" };
const REMOVE: Statement = { name: "journal_remove", text: "SELECT journal_remove($1, $2, $3) AS gone" };
const REFERENCED: Statement = {
  name: "journal_referenced",
  text: `SELECT e.blob_key AS key FROM journal_entries e WHERE e.blob_key = ANY ($1::text[])
    UNION SELECT d.key FROM object_deletions d WHERE d.key = ANY ($1::text[])`,
};

const HOLDS: Statement = {
  name: "journal_holds",
  text: `SELECT 1 FROM journal_entries e
    WHERE e.subject_number = (SELECT s.number FROM journal_subjects s WHERE s.realm = $1 AND s.subject = $2) AND e.id = $3`,
};

/** The journal over two pools. */
export function postgresJournal({ pool, appends, lanes }: JournalOptions): PostgresJournal {
  async function store(batch: readonly AppendEntries[]): Promise<Appended[]> {
    const alone = batch.length === 1 && isPlain(batch[0]!) ? await storeOne(batch[0]!) : null;
    if (alone) return [alone];
    const { parameters, unpack } = pack(batch);
    const [row] = await appends.query<TextRow>(APPEND, parameters, UNKNOWN);
    const [createdMs, ids, previous, known] = row!.map((value) => JSON.parse(value ?? "null"));
    return unpack({ created_ms: createdMs, ids, previous, known } satisfies BatchRow);
  }

  /** Null when its key has been used before. */
  async function storeOne(command: AppendEntries): Promise<Appended | null> {
    const { realm, subject, key = null, fingerprint = null } = command;
    const { data, ttlMs, blob } = command.entries[0]!;
    const ofBlob = blob ? [blob.key, `${blob.size}`, blob.sha256] : [null, null, null];
    const values = [realm, subject, key, fingerprint, data, ttlMs === null ? null : `${ttlMs}`, ...ofBlob];
    const [row] = await appends.query<TextRow>(APPEND_ONE, values, UNKNOWN);
    const [made] = row!;
    if (made === null) return { status: "closed" };
    if (made === "known") return null;
    const [id, previous, createdMs] = made!.split(" ");
    return { status: "appended", entries: receipts(command, [id!], Number(createdMs)), previous: previous! };
  }

  const limits = { batchAppends: BATCH_APPENDS, batchBytes: BATCH_BYTES, waitingBytes: WAITING_BYTES };
  const open: Lane[] = Array.from({ length: lanes }, () => openLane({ store, ...limits }));

  const journal: Journal = {
    append: (command) => open[laneOf(command, lanes)]!.append(command),
    async read(realm, subject, after, limit) {
      return pageOf(await pool.query<TextRow>(READ, [realm, subject, after, `${limit}`]));
    },
    async newest(realm, subject) {
      const [row] = await pool.query<TextRow>(NEWEST, [realm, subject]);
      return row ? entryOf(row) : null;
    },
    async bounds(realm, subjects) {
      return boundsOfAll(await pool.query<TextRow>(BOUNDS, [realm, textArray(subjects)]), subjects);
    },
    async expire(limit) {
      const [row] = await pool.query<{ went: number }>(EXPIRE, [limit]);
      return row!.went;
    },
    async idle(realm, idleMs, limit) {
      const rows = await pool.query<{ subject: string }>(IDLE, [realm, idleMs, limit]);
      return rows.map(({ subject }) => subject);
    },
    async remove(realm, subject, limit) {
      const [row] = await pool.query<{ gone: boolean }>(REMOVE, [realm, subject, limit]);
      return row!.gone;
    },
    async holds(realm, subject, id) {
      return (await pool.query(HOLDS, [realm, subject, id])).length > 0;
    },
    async referenced(keys) {
      const rows = await pool.query<{ key: string }>(REFERENCED, [keys]);
      return rows.map(({ key }) => key);
    },
  };

  return {
    journal,
    async drained() {
      await Promise.all(open.map((lane) => lane.drained()));
    },
  };
}

/** Whether `journal_append_one` can carry it out. */
function isPlain({ entries, ifOpen }: AppendEntries): boolean {
  return entries.length === 1 && ifOpen === true;
}

/** The lane of a subject, always the same one: appends to it never contend within the process. (FNV-1a) */
function laneOf({ realm, subject }: AppendEntries, lanes: number): number {
  if (lanes === 1) return 0;
  let hash = 0x811c9dc5;
  for (const unit of `${realm}/${subject}`) hash = Math.imul(hash ^ unit.charCodeAt(0), 0x01000193);
  return (hash >>> 0) % lanes;
}
