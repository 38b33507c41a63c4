/**
 * What core sees of a runtime besides `fetch`: who called, which apps the listener serves, and a way to write a long answer.
 */

/** The four apps; a listener serves one or several. */
export const appNames = ["site", "rest", "mcp", "connections"] as const;

export type AppName = (typeof appNames)[number];

/** Where the bytes of one long answer go. Nothing is awaited to write; whoever writes watches what is queued. */
export interface Sink {
  /** Queues the bytes (shared, never changed afterwards) and returns how many bytes now wait to be taken. After `close` it returns 0. */
  write(bytes: Uint8Array): number;
  /** Resolves when less than 64 KiB wait, or when the sink has closed. */
  drained(): Promise<void>;
  /** Ends the answer after what is queued. */
  close(): void;
  /** Ends the answer at once and drops what is queued. */
  abort(): void;
  /** Aborts when the answer is over, from whichever side. */
  readonly closed: AbortSignal;
}

export interface Host {
  /** The caller's address as the socket has it, without port. */
  readonly address: string;
  readonly apps: ReadonlySet<AppName>;
  /** A response whose body is what `serve` writes to its sink. Head and first bytes are sent at once. `serve` MUST NOT throw. */
  stream(serve: (sink: Sink) => void, init: { status: number; headers: Headers }): Response;
}
