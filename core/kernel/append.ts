/** Appending to a subject that may be followed: stored first, then handed to those who follow it here, then knocked for everybody else. */
import type { AppendEntries, Entry, Journal } from "../ports/journal.ts";
import type { House } from "./context.ts";
import { knockOf } from "./knock.ts";

/** Appends as a unit of one and lets followers know; resolves once the entries are durable. */
export async function append(
  { database, knocks }: Pick<House, "database" | "knocks">,
  command: AppendEntries,
): ReturnType<Journal["append"]> {
  const appended = await database.journal.append(command);
  // Nothing is awaited from here: what one commit stored is handed over, and written to readers, in one turn.
  if (appended.status !== "appended") return appended;
  const entries = command.entries.map(({ data, blob = null }, index): Entry => {
    const { id, createdAt, expiresAt } = appended.entries[index]!;
    return { id, data, blob, createdAt, expiresAt };
  });
  knocks.hand(knockOf.journal(command.realm, command.subject), { previous: appended.previous, entries });
  return appended;
}
