/** Sums over bytes as they come by, for what is too large to be held: WebCrypto takes only what is there as a whole. */

/** One sum under way. */
export interface Hash {
  /** Takes the next bytes in; what their owner does to them afterwards MUST NOT change the sum. */
  update(bytes: Uint8Array): void;
  /** The sum of all that was taken in, as lower-case hex. Called once, at the end. */
  hex(): Promise<string>;
}

export interface Hashes {
  sha256(): Hash;
}
