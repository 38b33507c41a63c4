/** What the corridor gets to see of a request, whatever protocol it came by. */

/** One request, as a face hands it over. */
export interface Call {
  face: "rest" | "mcp";
  requestId: string;
  /** The caller's address, proxies resolved. */
  address: string;
  /** Scheme and host the caller used, without a trailing slash. */
  origin: string;
  readonly signal: AbortSignal;
  /** Secrets in the form the face carries them; null when there is none. */
  secret(header: string, argument: string): string | null;
  bearer(): string | null;
  /** A secret in the query of the URL; null when there is none. */
  query(name: string): string | null;
  /** Only the head of the answer is wanted, so nothing may be used up by it. */
  headOnly?: boolean;
  /** Fields known before anything is read: path parameters, or all arguments. */
  early: Record<string, unknown>;
  /** All fields; called once, after permission. */
  read(): Promise<unknown>;
  /** Takes how far the work is, with the answer's headers so far; left out where nobody is told. */
  progress?(value: unknown, headers: Record<string, string>): void;
}
