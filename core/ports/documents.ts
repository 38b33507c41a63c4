/**
 * The documents store: JSON objects under (realm, collection, id), each with a version that grows by one at every put.
 * A realm is set by the capability, never from input. Expired documents MUST NOT be returned by any read, and to a command they are
 * not there: a put after expiry makes version 1.
 */
import type { JsonObject } from "./json.ts";

export interface Document {
  id: string;
  /** 1 at the first put, then one more at each. */
  version: number;
  body: JsonObject;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date | null;
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
}

export interface RemoveDocument {
  op: "document.remove";
  realm: string;
  collection: string;
  id: string;
}

/** What became of a document command: its new version, `removed` or `absent`, or `stale` with the version that is there (0: none). */
export type DocumentOutcome =
  | { status: "put"; version: number; createdAt: Date; updatedAt: Date }
  | { status: "removed" | "absent" }
  | { status: "stale"; version: number };

export interface Documents {
  /** The document, or `null` when there is none or it has expired. */
  get(realm: string, collection: string, id: string): Promise<Document | null>;
  /** Those of the documents that exist and have not expired, in no particular order. */
  getMany(realm: string, collection: string, ids: readonly string[]): Promise<Document[]>;
  /** Up to `limit` documents with an id greater than `after` ("" for the first page), in byte order of the id. */
  list(realm: string, collection: string, after: string, limit: number): Promise<Document[]>;
  /** Removes up to `limit` documents whose expiry has passed; returns how many went. */
  expire(limit: number): Promise<number>;
}
