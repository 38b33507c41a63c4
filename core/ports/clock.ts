/** The process's clock. Stored times come from the database's clock instead; this one drives waiting and ids of objects. */

export interface Clock {
  /** The present instant. It MAY jump; nothing durable depends on it. */
  now(): Date;
  /** Milliseconds that MUST never go backwards, for intervals and rate limits. */
  elapsed(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts. It MUST NOT reject and MUST NOT keep a process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
