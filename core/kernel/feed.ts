/** What a feed operation's handler returns: which subject of the journal is followed, from where, and how an entry reads. */
import type { Entry } from "../ports/journal.ts";
import type { Notice } from "./cursor.ts";

/**
 * Where `after` comes from. `cursor`: from the reader, so history that is gone since is told. `earliest`: it asks for what there is. `live`: the subject's last id,
 * read before the answer begins, so that whoever publishes once the stream has opened finds the message in it.
 */
export type Start = "cursor" | "earliest" | "live";

export interface Feed {
  realm: string;
  subject: string;
  /** The cursor to continue after. */
  after: string;
  start: Start;
  /** JSON text of an entry's event, on one line. It rejects when the entry cannot be read now but may be later. */
  message(entry: Entry): Promise<string>;
}

/** How a face writes a feed as bytes. */
export interface Wire {
  /** First bytes of an answer. */
  opening: Uint8Array;
  heartbeat: Uint8Array;
  message(id: string, json: string): Uint8Array;
  /** Tells a reader where it stands, without an event: a reader that is cut before its first message comes back with this cursor. */
  mark(id: string): Uint8Array;
  /** Tells that history is missing, and the cursor that the reader has then. */
  notice(event: Notice["event"], json: string, id: string): Uint8Array;
}
