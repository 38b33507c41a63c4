/**
 * The journal: for each (realm, subject) an append-only log whose ids are its cursor.
 * Ids are UUIDv7 of the store's making, `max(uuidv7(now), last_id + 1)` under the subject's lock: within a subject they MUST strictly
 * increase in commit order, whatever the clocks do. Times are the store's clock. Expired entries MUST NOT be returned.
 */

import type { PutDocument, RemoveDocument } from "./documents.ts";

/** Before every id: read after it to read from the beginning. */
export const EARLIEST = "00000000-0000-0000-0000-000000000000";

/** The longest idempotency key, in bytes, and how long one is kept, in milliseconds (48 h). */
export const KEY_MAX_BYTES = 255;
export const KEY_KEPT_MS = 48 * 3_600_000;

/** Bytes in the object store that belong to an entry: they are deleted after it is. */
export interface Blob {
  key: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of the bytes, lower-case hex. */
  sha256: string;
}

export interface NewEntry {
  /** JSON text, opaque to the store: kept and returned byte for byte. */
  data: string;
  blob?: Blob | null;
  /** Milliseconds until the entry expires; null: never. */
  ttlMs: number | null;
  /**
   * A document command of the same unit, the very same value: the version that it makes, or removes (0: there was none), MUST become the first member of `data`, which is an object
   * with members (see `withVersion`). Only in units, and without `key`.
   */
  versionOf?: PutDocument | RemoveDocument;
}

/** The data of an entry once the version is known that its `versionOf` asks for. */
export function withVersion(data: string, version: number): string {
  return `{"version":${version},${data.slice(1)}`;
}

export interface Entry {
  id: string;
  data: string;
  blob: Blob | null;
  createdAt: Date;
  expiresAt: Date | null;
}

/** Makes a subject ready for `ifOpen` appends. An existing subject is left as it is. */
export interface OpenSubject {
  op: "journal.open";
  realm: string;
  subject: string;
}

/** Ends a subject: later `ifOpen` appends are refused. Repeatable; what is missing or closed already is `closed`, and nothing is made. */
export interface CloseSubject {
  op: "journal.close";
  realm: string;
  subject: string;
  /** Close only if the subject has had no append (nor opening) for this long; else the outcome is `active` and the unit fails. */
  ifIdleMs?: number;
}

export interface AppendEntries {
  op: "journal.append";
  realm: string;
  subject: string;
  /** At least one; they get ascending ids in this order. */
  entries: NewEntry[];
  /**
   * Refuse with `closed` unless the subject's state is `open`; this is checked before the key, so a closed subject replays nothing.
   * Without it a missing subject comes to be, open, and a closed one takes the entries and stays closed.
   */
  ifOpen?: boolean;
  /** Idempotency key, one subject's own: the same key within 48 h returns the first ids and appends nothing. It goes with the subject. */
  key?: string;
  /** What the key was used for; the same key with another fingerprint is a `mismatch`. */
  fingerprint?: string;
}

export interface AppendedEntry {
  id: string;
  createdAt: Date;
  expiresAt: Date | null;
}

/** What became of a journal command. */
export type JournalOutcome =
  | {
      status: "appended";
      entries: AppendedEntry[];
      /**
       * It MUST be the subject's last id directly before the first of these entries, as the lock showed it; EARLIEST when there was none.
       * So whoever has all up to `previous` has, with these entries, all up to the last of them.
       */
      previous: string;
    }
  | { status: "replayed"; entries: AppendedEntry[] }
  | { status: "opened" | "exists" }
  | { status: "closed" }
  | { status: "mismatch" }
  | { status: "active" };

/** A subject as one read saw it. */
export interface Bounds {
  /** `missing`: never opened nor appended to, or removed. Its ids are EARLIEST. */
  state: "open" | "closed" | "missing";
  /** The highest id ever assigned; EARLIEST when none was. */
  lastId: string;
  /** The highest id that has expired, whether or not `expire` has dropped it yet, or was removed; EARLIEST when none has. */
  lostThrough: string;
  /** MUST be the store's clock when it looked, of a missing subject too. */
  now: Date;
}

export interface JournalPage {
  entries: Entry[];
  /** Seen by the same snapshot as the entries. */
  bounds: Bounds;
}

export interface Journal {
  /** Appends as a unit of one. Concurrent calls MAY share one commit; each MUST resolve only once its own entries are durable. */
  append(
    command: AppendEntries,
  ): Promise<Extract<JournalOutcome, { status: "appended" | "replayed" | "closed" | "mismatch" }>>;
  /** Up to `limit` unexpired entries with an id greater than `after`, ascending. */
  read(realm: string, subject: string, after: string, limit: number): Promise<JournalPage>;
  /** The unexpired entry with the highest id; null when there is none. An expired one MUST NOT be returned. */
  newest(realm: string, subject: string): Promise<Entry | null>;
  /** Where the subjects stand now, in the order asked for, by one look at the store. */
  bounds(realm: string, subjects: readonly string[]): Promise<Bounds[]>;
  /**
   * Drops up to `limit` entries whose expiry has passed, and idempotency keys older than 48 h. It MUST raise `lostThrough` of their subjects
   * and queue their blobs for deletion in the same transaction. Returns how many entries went.
   */
  expire(limit: number): Promise<number>;
  /** Up to `limit` subjects of the realm that are closed, or had no append (nor opening) for `idleMs`. */
  idle(realm: string, idleMs: number, limit: number): Promise<string[]>;
  /**
   * Removes up to `limit` entries of a closed subject, oldest first, then the subject itself; true when nothing is left, or nothing was. Blobs
   * and `lostThrough` as with `expire`. Of an open subject it MUST NOT remove anything, and resolves to false.
   */
  remove(realm: string, subject: string, limit: number): Promise<boolean>;
  /** Whether the entry of this id is stored, expired or not. */
  holds(realm: string, subject: string, id: string): Promise<boolean>;
  /** Those of the object keys that an entry refers to, expired ones included as long as they have not been dropped, or that wait for deletion. */
  referenced(keys: readonly string[]): Promise<string[]>;
}
