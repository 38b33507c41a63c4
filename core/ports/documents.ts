/**
 * The documents store: JSON objects under (realm, collection, id), each with a version that grows by one at every put.
 * A realm is set by the capability, never from input. Expired documents MUST NOT be returned by any read, and to a command they are
 * not there.
 * A collection is plain or versioned: its puts give `versions` always or never. In a plain one a put after removal or expiry makes version 1. In a
 * versioned one older versions are kept, and versions MUST go on growing after removal and expiry for `REMEMBERED_MS`, so that no version of an id
 * comes again while somebody may still hold it.
 */
import type { JsonObject } from "./json.ts";

/** How long the last version of what has been removed, or dropped after its expiry, is remembered, in milliseconds (30 days). */
export const REMEMBERED_MS = 30 * 86_400_000;

/** The longest id, and the longest value of an index entry, in bytes of UTF-8. Whoever calls sees to it. */
export const ID_MAX_BYTES = 1_024;
export const VALUE_MAX_BYTES = 1_024;

/** How many index entries one page looks at: where few of them match, a page has less than was asked for, and says where to go on. */
export const SCAN_MOST = 5_000;

export interface Document {
  id: string;
  /** 1 at the first put, then one more at each. */
  version: number;
  body: JsonObject;
  createdAt: Date;
  /** When this version was put. */
  updatedAt: Date;
  expiresAt: Date | null;
}

/** A declared field's value of one document, as text whose byte order is the order of values. It MUST NOT hold U+0000. */
export interface IndexEntry {
  field: string;
  value: string;
}

export interface PutDocument {
  op: "document.put";
  realm: string;
  collection: string;
  id: string;
  body: JsonObject;
  /** Put only if the stored version is this one; 0: only if there is no document. Left out: whatever is there. */
  ifVersion?: number;
  /** When the document stops being returned, on the store's clock. Left out or null: never. */
  expiresAt?: Date | null;
  /** How many older versions are kept, the oldest fall away; in versioned collections always, elsewhere never. */
  versions?: number;
  /** All index entries of the document, one for a field; only beside `versions`. Left out: none. */
  keys?: readonly IndexEntry[];
  /** Wait until all units that `document.check` this document have ended, and make later ones wait for this: they then find it changed. */
  exclusive?: true;
}

export interface RemoveDocument {
  op: "document.remove";
  realm: string;
  collection: string;
  id: string;
  /** Remove only this version. */
  ifVersion?: number;
  /** What is not there is `stale`, with version 0. */
  mustExist?: true;
}

/** Has no effect; the unit fails with `changed` unless the document's version is this one (0: none), and stays so until the unit has ended (see `exclusive`). */
export interface CheckDocument {
  op: "document.check";
  realm: string;
  collection: string;
  id: string;
  ifVersion: number;
}

/** Replaces the index entries of one version; if another version is there, which has entries of its own, nothing happens. */
export interface IndexDocument {
  op: "document.index";
  realm: string;
  collection: string;
  id: string;
  ifVersion: number;
  keys: readonly IndexEntry[];
}

export type DocumentCommand = PutDocument | RemoveDocument | CheckDocument | IndexDocument;

/**
 * What became of a document command: its new version (`isNew`: the document came to be by it), `removed` (the version that was there) or `absent`, or `stale` with the version that is there
 * (0: none); that is `changed` for a check.
 */
export type DocumentOutcome =
  | { status: "put"; version: number; isNew: boolean; createdAt: Date; updatedAt: Date }
  | { status: "removed"; version: number }
  | { status: "absent" | "checked" | "indexed" }
  | { status: "stale" | "changed"; version: number };

/** The values of a field, in byte order: from `from` on, below `to`. */
export interface ValueRange {
  from: string;
  to: string;
}

/** True of a document whose entry for the field lies in one of the ranges, which MUST be disjoint and ascending. */
export interface Condition {
  field: string;
  ranges: readonly ValueRange[];
}

/** Where a page ended: the entry of the first condition's field ("" without conditions), and the id. */
export interface Position {
  value: string;
  id: string;
}

export interface DocumentQuery {
  realm: string;
  collection: string;
  /** Only ids that begin so. */
  prefix?: string | undefined;
  /** All of them hold. The first is looked up in the index, the others are checked. */
  where?: readonly Condition[];
  /** Left out or null: from the beginning. */
  after?: Position | null | undefined;
  limit: number;
  /** With bodies, until their texts exceed this many bytes; at least one. Left out: without bodies. */
  bodyBytes?: number;
}

/** A document of a page; `body` is null when none was asked for. */
export interface Listed extends Omit<Document, "body"> {
  body: JsonObject | null;
}

export interface DocumentPage {
  documents: Listed[];
  /** Null: there is nothing after these. */
  next: Position | null;
}

export interface HistoryQuery {
  realm: string;
  collection: string;
  id: string;
  /** Only versions below; left out or null: all. */
  before?: number | null | undefined;
  limit: number;
  /** As in `DocumentQuery`. */
  bodyBytes?: number;
}

export interface Version {
  version: number;
  body: JsonObject | null;
  createdAt: Date;
}

export interface HistoryPage {
  versions: Version[];
  /** `before` of the next page; null: there is no older version. */
  next: number | null;
}

export interface Documents {
  /** The document, or `null` when there is none or it has expired. */
  get(realm: string, collection: string, id: string): Promise<Document | null>;
  /** The document as it was at this version; `null` when that is not kept, or the document is gone or has expired. Its `expiresAt` is that of the newest. */
  getVersion(realm: string, collection: string, id: string, version: number): Promise<Document | null>;
  /** Those of the documents that exist and have not expired, in no particular order. */
  getMany(realm: string, collection: string, ids: readonly string[]): Promise<Document[]>;
  /** Up to `limit` documents with an id greater than `after` ("" for the first page), in byte order of the id. */
  list(realm: string, collection: string, after: string, limit: number): Promise<Document[]>;
  /**
   * A page in byte order of the id, or, with conditions, of (entry of the first one's field, id). What is neither put nor removed meanwhile MUST be
   * on exactly one of the pages that follow each other. A page MAY have fewer than `limit`, even none, and still a `next`.
   */
  page(query: DocumentQuery): Promise<DocumentPage>;
  /** The versions held of a document, newest first; none when it is gone or has expired. */
  history(query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Drops up to `limit` documents whose expiry has passed, with all their versions and index entries; each older version counts as one, too. Returns how many
   * went: less than `limit` when nothing is left. It forgets what was removed `REMEMBERED_MS` ago.
   */
  expire(limit: number): Promise<number>;
}

/** The end of a range of strings that begin with `prefix`: the next string in byte order that does not; the end of all where there is none. */
export function prefixEnd(prefix: string): string {
  const points = [...prefix];
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0)!;
    if (point === 0x10ffff) continue;
    // Surrogates are no code points of their own.
    return points.join("") + String.fromCodePoint(point === 0xd7ff ? 0xe000 : point + 1);
  }
  return EVERYTHING_ENDS;
}

/** Above every id and value of at most `ID_MAX_BYTES`. */
const EVERYTHING_ENDS = "\u{10ffff}".repeat(ID_MAX_BYTES / 4 + 1);
