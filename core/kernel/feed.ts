/** What a feed operation's handler returns: which subjects of the journal are followed, from where, and how an entry reads. */
import type { Entry } from "../ports/journal.ts";
import type { Notice } from "./cursor.ts";

/**
 * Where `after` comes from. `cursor`: from the reader, so history that is gone since is told. `earliest`: it asks for what there is. `live`: the subject's last id,
 * read before the answer begins, so that whoever publishes once the stream has opened finds the message in it.
 */
export type Start = "cursor" | "earliest" | "live";

/** One subject of a feed. */
export interface Part {
  subject: string;
  /** The cursor to continue after. */
  after: string;
  start: Start;
  /** An entry that is given first, whatever the cursor: the newest one held. */
  first?: Entry;
}

export interface Feed {
  realm: string;
  parts: readonly Part[];
  /**
   * For a feed of several subjects: the JSON member, without braces, that says which of them a message is from. Every id then names
   * where each subject stands.
   */
  origin?: (subject: string) => string;
  /** JSON text of an entry's event, an object on one line. A promise of it rejects when the entry cannot be read now but may be later. */
  message(entry: Entry): string | Promise<string>;
}

/** How a face writes a feed. All of it but the JSON of messages is ASCII. */
export interface Wire {
  /** What an answer begins with; a reader that is cut comes back after `retryMs`. */
  opening(retryMs: number): string;
  heartbeat: string;
  /** What stands before and after the JSON of a message. */
  before(id: string): string;
  after: string;
  /** Tells a reader where it stands, without an event: a reader that is cut before its first message comes back with this cursor. */
  mark(id: string): string;
  /** Tells that history is missing, and the cursor that the reader has then. */
  notice(event: Notice["event"], json: string, id: string): string;
  /** The last words of an answer that the server ends: come back after `retryMs`. */
  farewell(retryMs: number): string;
}
