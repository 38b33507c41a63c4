/**
 * The database: the stores, and the one way to write to several of them at once.
 * There are no interactive transactions: a unit is a list of commands with their preconditions as values.
 */
import type { DocumentCommand, DocumentOutcome, Documents } from "./documents.ts";
import type { Files } from "./files.ts";
import type { AppendEntries, CloseSubject, Journal, JournalOutcome, OpenSubject } from "./journal.ts";
import type { PushJobs, PushOutcome, Queue } from "./queue.ts";
import { TABLE_REFUSALS, type TableCommand, type TableOutcome, type Tables } from "./tables.ts";

export type Command = DocumentCommand | OpenSubject | CloseSubject | AppendEntries | PushJobs | TableCommand;

export type Outcome = DocumentOutcome | JournalOutcome | PushOutcome | TableOutcome;

/** Outcomes that make a unit fail. */
export const REFUSALS: ReadonlySet<Outcome["status"]> = new Set([
  "stale",
  "changed",
  "mismatch",
  "active",
  ...TABLE_REFUSALS,
]);

/** All commands took effect, with an outcome each; or none did, with the index of the one that was refused and why. */
export type Committed =
  | { committed: true; outcomes: Outcome[] }
  | { committed: false; failed: number; outcome: Outcome };

/** A named right that one process holds for a while. */
export interface Lease {
  /** Holds it for another `ttlMs` from now; false when it has been lost: its time was over, or it was released. */
  renew(): Promise<boolean>;
  /** Gives it up; harmless when already lost. */
  release(): Promise<void>;
}

export interface Readiness {
  ready: boolean;
  /** Version of the newest migration applied, for example "0002"; null when the database cannot be asked. */
  schema: string | null;
  /** What is missing, in words for an operator, when not ready. */
  reason?: string;
}

/** Objects whose rows are gone and which await deletion. */
export interface ObjectDeletions {
  /** Up to `limit` keys that were queued at least `graceMs` ago, those queued first before the others. */
  due(graceMs: number, limit: number): Promise<string[]>;
  /** Forgets keys whose objects have been deleted. */
  done(keys: readonly string[]): Promise<void>;
}

export interface Database {
  readonly journal: Journal;
  readonly documents: Documents;
  readonly files: Files;
  readonly queue: Queue;
  readonly tables: Tables;
  readonly objectDeletions: ObjectDeletions;
  /**
   * Carries out the unit: all or nothing, durable when it resolves. Commands take effect in this order, whatever their places in the unit: tables,
   * then the queue, then documents, then opens and closes, then appends; among their like in the order of the unit. So an append sees what the unit
   * opens and closes. Units MUST NOT deadlock: subjects are locked in order of (realm, subject), and where commands of a store wait for each other, the
   * store or the unit takes its locks in one order. It fails as a whole at the first outcome that is a refusal (see `REFUSALS`), or `closed` for an append
   * with `ifOpen`. A `replayed` append is a success: the rest of the unit takes effect. Outcomes stand at the places of their commands.
   *
   * A unit of documents and journal alone takes one round trip. One with others is a transaction, and so is one with `further`: further commands of the
   * same unit, made of the outcomes of the first ones, which take effect after them, and whose outcomes follow theirs. `further` MUST be a pure
   * function, since it may be called again, and MUST return commands of documents and journal only.
   */
  commit(unit: readonly Command[], further?: (outcomes: readonly Outcome[]) => readonly Command[]): Promise<Committed>;
  /** The named lease for `ttlMs` on the store's clock, or `null` while anyone holds it: each call is a holder of its own. */
  lease(name: string, ttlMs: number): Promise<Lease | null>;
  /** A name that this database got when it was made and keeps: 32 hex digits. What belongs to it elsewhere, such as objects, bears this name. */
  installation(): Promise<string>;
  /** It MUST NOT throw: a database that cannot be reached is not ready. */
  ready(): Promise<Readiness>;
  /** Releases connections. Repeatable; afterwards the database is not ready. */
  close(): Promise<void>;
}
