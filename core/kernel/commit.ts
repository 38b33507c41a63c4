/** Units whose appends may be followed: stored first, then handed to those who follow here, then knocked for everybody else. */
import type { Command, Committed, Outcome } from "../ports/database.ts";
import { type AppendEntries, type Entry, type JournalOutcome, withVersion } from "../ports/journal.ts";
import type { House } from "./context.ts";
import { knockOf } from "./knock.ts";

type Appended = Extract<JournalOutcome, { status: "appended" }>;

/** Commits the unit, with what `further` makes of its outcomes, and lets the followers of its appends know; resolves once all is durable. */
export async function commitAndHand(
  house: Pick<House, "database" | "knocks">,
  unit: readonly Command[],
  further?: (outcomes: readonly Outcome[]) => readonly Command[],
): Promise<Committed> {
  let added: readonly Command[] = [];
  const noted =
    further &&
    ((outcomes: readonly Outcome[]) => {
      added = further(outcomes);
      return added;
    });
  const result = await house.database.commit(unit, noted);
  // Nothing is awaited from here: what one commit stored is handed over, and written to readers, in one turn.
  if (!result.committed) return result;
  for (const [index, outcome] of result.outcomes.entries()) {
    const command = index < unit.length ? unit[index]! : added[index - unit.length]!;
    if (command.op !== "journal.append" || outcome.status !== "appended") continue;
    hand(house, filled(command, unit, result.outcomes), outcome);
  }
  return result;
}

/** The append as it was stored: with the versions that its entries ask for. */
function filled(command: AppendEntries, unit: readonly Command[], outcomes: readonly Outcome[]): AppendEntries {
  if (!command.entries.some(({ versionOf }) => versionOf)) return command;
  const entries = command.entries.map((entry) => {
    const outcome = entry.versionOf && outcomes[unit.indexOf(entry.versionOf)];
    if (!outcome) return entry;
    return { ...entry, data: withVersion(entry.data, "version" in outcome ? outcome.version : 0) };
  });
  return { ...command, entries };
}

/** Hands what one append stored to whoever follows its subject here, and knocks for everybody else. */
export function hand({ knocks }: Pick<House, "knocks">, command: AppendEntries, appended: Appended): void {
  const entries = command.entries.map(({ data, blob = null }, index): Entry => {
    const { id, createdAt, expiresAt } = appended.entries[index]!;
    return { id, data, blob, createdAt, expiresAt };
  });
  knocks.hand(knockOf.journal(command.realm, command.subject), { previous: appended.previous, entries });
}
