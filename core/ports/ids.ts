/** Where names and secrets come from. Ids of journal entries are not made here: the journal assigns them in commit order. */

export interface Ids {
  /** A random UUID of version 4, lower case. */
  uuid(): string;
  /** `length` bytes from a cryptographic source. */
  bytes(length: number): Uint8Array<ArrayBuffer>;
}
