/** Appending to a subject that may be followed: stored first, then handed to those who follow it here, then knocked for everybody else. */
import type { AppendEntries, Journal } from "../ports/journal.ts";
import { hand } from "./commit.ts";
import type { House } from "./context.ts";

/** Appends as a unit of one and lets followers know; resolves once the entries are durable. */
export async function append(
  { database, knocks }: Pick<House, "database" | "knocks">,
  command: AppendEntries,
): ReturnType<Journal["append"]> {
  const appended = await database.journal.append(command);
  // Nothing is awaited from here: what one commit stored is handed over, and written to readers, in one turn.
  if (appended.status !== "appended") return appended;
  hand({ knocks }, command, appended);
  return appended;
}
