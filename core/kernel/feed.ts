/** What a feed operation's handler returns: which subject of the journal is followed, from where, and how an entry reads. */
import type { Entry } from "../ports/journal.ts";

export interface Feed {
  realm: string;
  subject: string;
  /** The cursor to continue after; EARLIEST: from the beginning. */
  after: string;
  /**
   * `after` is the subject's last id, read just now: only what comes from then on. It is read before the answer begins, so that whoever
   * publishes once the stream has opened finds the message in it.
   */
  live: boolean;
  /** JSON text of an entry's event, on one line. It MUST NOT reject: what cannot be read is said inside the event. */
  message(entry: Entry): Promise<string>;
}

/** How a face writes a feed as bytes. */
export interface Wire {
  /** First bytes of an answer. */
  opening: Uint8Array;
  heartbeat: Uint8Array;
  message(id: string, json: string): Uint8Array;
  /** Tells that history is missing: `gap` (expired meanwhile) or `reset` (the cursor is not of this subject). */
  notice(event: "gap" | "reset", json: string): Uint8Array;
}
