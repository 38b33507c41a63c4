/**
 * The files store: what is known of files whose bytes are in the object store, for a limited time. Their owners have a quota, their downloads may be
 * counted out. A file whose time is over MUST NOT be returned by any read; it takes room in its owner's quota until `expire` has dropped it, as its
 * bytes do in the object store. Times are the store's clock.
 */

/** How long a file that has been downloaded for the last time is kept at most, so that who is still receiving it gets it whole: an hour. */
export const SPENT_MS = 3_600_000;

/** What the keys of files' objects begin with. */
export const FILES_PREFIX = "f/";

export interface NewFile {
  /** A lower-case UUID that no file has. */
  id: string;
  /** Whose quota it takes room in: the id of a credential. */
  owner: string;
  /** Hash of the secret that opens it. */
  secretHash: string;
  /** Data for people, never a path. */
  name: string;
  contentType: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of the bytes, lower-case hex. */
  sha256: string;
  objectKey: string;
  ttlMs: number;
  /** How often it may be downloaded; null: any number of times. */
  maxDownloads: number | null;
}

export interface StoredFile extends Omit<NewFile, "ttlMs"> {
  createdAt: Date;
  expiresAt: Date;
  /** How often it has been downloaded. */
  downloads: number;
}

/** `full`: the owner's files and this one would have more bytes than the quota, of which `used` are taken. */
export type Added = { status: "added"; createdAt: Date; expiresAt: Date } | { status: "full"; used: number };

export interface Files {
  /** Stores the file, unless its owner's files would then have more than `quota` bytes: of adds at once no more MUST be stored than there is room for. */
  add(file: NewFile, quota: number): Promise<Added>;
  /** The file, or null when there is none. One that has been downloaded as often as it may is still returned. */
  get(id: string): Promise<StoredFile | null>;
  /**
   * Takes one download; false when there is no such file, or it has been downloaded as often as it may. Of calls at once no more than `maxDownloads` MUST
   * succeed. The last one makes the file expire after `SPENT_MS` at the latest.
   */
  take(id: string): Promise<boolean>;
  /** Drops the file and queues its object for deletion, both or neither; false when there was none. */
  remove(id: string): Promise<boolean>;
  /** Up to `limit` files of the owner (null: of everybody) with an id smaller than `before` (null: from the greatest), greatest first. */
  list(owner: string | null, before: string | null, limit: number): Promise<StoredFile[]>;
  /** Bytes that the owner's files take. */
  used(owner: string): Promise<number>;
  /** Drops up to `limit` files whose time is over and queues their objects for deletion, both or neither; returns how many went. */
  expire(limit: number): Promise<number>;
  /** Those of the object keys that a file refers to, expired ones included as long as they have not been dropped, or that wait for deletion. */
  referenced(keys: readonly string[]): Promise<string[]>;
}
