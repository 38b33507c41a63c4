/**
 * Knocks between processes: "something about this subject has changed, look at the store".
 * A knock carries no data and MAY be lost, doubled or late; whoever listens also looks by itself from time to time.
 */

export interface Bus {
  /**
   * Tells every listener of every process, this one included, that the subjects changed. Listeners of this process
   * MUST hear it before the call returns; those of others as soon as the transport allows. It MUST NOT throw: a knock that cannot
   * be sent is dropped, and a listener that throws hinders neither the caller nor the other listeners. Subjects are at most 200 bytes.
   */
  knock(subjects: readonly string[]): void;
  /**
   * Calls `heard` with knocked subjects until `signal` aborts. After a lost connection it MUST call
   * `heard("all")` once it listens again, since knocks in between are gone.
   */
  listen(heard: (subjects: readonly string[] | "all") => void, signal: AbortSignal): void;
  /** Sends what is pending and releases connections. */
  close(): Promise<void>;
}
