/** Cursors from outside, held against the subject: history that is gone and ids that are not the subject's are told, never skipped in silence. */
import { type Bounds, EARLIEST, type Journal, type JournalPage } from "../ports/journal.ts";

/** What a reader must know: entries after its cursor are gone (`gap`), or its cursor is not of this subject (`reset`: it is given everything held). */
export type Notice =
  | { event: "gap"; after: string; lost_through: string; earliest: string | null }
  | { event: "reset"; after: string };

export interface Place {
  realm: string;
  subject: string;
  after: string;
}

/** Whether the cursor is neither stored nor of lost history: a restored database, another subject's id. */
export async function isForeign(journal: Journal, { realm, subject, after }: Place, bounds: Bounds): Promise<boolean> {
  if (after === EARLIEST || after <= bounds.lostThrough || after === bounds.lastId) return false;
  return after > bounds.lastId || !(await journal.holds(realm, subject, after));
}

/** The gap between a cursor and the page read after it, if there is one. */
export function gapBefore({ entries, bounds }: JournalPage, after: string): Notice | null {
  if (after >= bounds.lostThrough) return null;
  return { event: "gap", after, lost_through: bounds.lostThrough, earliest: entries[0]?.id ?? null };
}
