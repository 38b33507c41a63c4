/**
 * The object store: bytes under a key, written once, never changed. Durable: when `put` resolves, the bytes survive a crash.
 * Keys are `/`-separated segments of `[A-Za-z0-9._-]`, at most 512 characters, never derived from user input.
 */

export interface ObjectInfo {
  key: string;
  /** Bytes. */
  size: number;
  modifiedAt: Date;
}

export interface ByteRange {
  /** First byte, from 0. */
  start: number;
  /** Last byte, included. */
  end: number;
}

export interface Objects {
  /**
   * Stores `body` under `key`; an object already there is replaced. It MUST be all or nothing: a failed put leaves no
   * partial object that `get` would serve. A streamed body MUST NOT be held in memory whole, and when it fails, its own error is what
   * put rejects with.
   */
  put(key: string, body: Uint8Array | ReadableStream<Uint8Array>): Promise<ObjectInfo>;
  /** The bytes of the object, or of one range of it; `null` when there is none. A range starts within the object, and ends with it at the latest. */
  get(key: string, range?: ByteRange): Promise<ReadableStream<Uint8Array> | null>;
  /** Size and age, or `null` when there is none. */
  head(key: string): Promise<ObjectInfo | null>;
  /** Removes an object. It MUST be idempotent: a missing one is not an error. */
  remove(key: string): Promise<void>;
  /** Up to `limit` objects whose key starts with `prefix` and is greater than `after`, in byte order of the key. */
  list(prefix: string, after: string, limit: number): Promise<ObjectInfo[]>;
  /** Resolves when the store can be written; throws `unavailable` otherwise. */
  ready(): Promise<void>;
}
