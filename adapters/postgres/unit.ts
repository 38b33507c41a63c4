/**
 * A unit of commands as one call of `commit_unit`. See migrations/0004_unit.sql.
 */
import type { Command, Committed, Outcome } from "../../core/ports/database.ts";
import type { DocumentCommand } from "../../core/ports/documents.ts";
import type { AppendEntries, CloseSubject, OpenSubject } from "../../core/ports/journal.ts";
import { plainArray } from "./array.ts";
import { appendParameters, type BatchRow, pack } from "./batch.ts";
import { documentCommand, type WrittenDocument, writtenDocument } from "./document_command.ts";
import { UNKNOWN } from "./journal.ts";
import type { Pool, Statement } from "./pool.ts";

const COMMIT: Statement = {
  name: "commit_unit",
  text: `SELECT place, refused, outcome FROM commit_unit($1::jsonb, $2::jsonb, ${appendParameters(3)}, $19::int[])`,
};

/** What became of one command, or of all appends together. */
type Row = { refused: boolean } & ({ place: number; outcome: Written } | { place: null; outcome: BatchRow });

type Written = WrittenDocument | { status: "opened" | "exists" | "closed" | "active" };

/** A command and its place in the unit. */
interface Placed<C extends Command> {
  place: number;
  command: C;
}

/** Carries out a unit of documents and journal, in one statement on the pool or within a transaction. */
export async function commitUnit(pool: Pick<Pool, "query">, unit: readonly Command[]): Promise<Committed> {
  const documents: Placed<DocumentCommand>[] = [];
  const subjects: Placed<OpenSubject | CloseSubject>[] = [];
  const appends: Placed<AppendEntries>[] = [];
  for (const [place, command] of unit.entries()) {
    if (command.op === "journal.append") appends.push({ place, command });
    else if (command.op === "journal.open" || command.op === "journal.close") subjects.push({ place, command });
    // All else is carried out elsewhere: see `mixed_unit.ts`.
    else documents.push({ place, command: command as DocumentCommand });
  }

  const { first, repeats } = apart(appends);
  const clash = repeats.find(({ command, of }) => command.fingerprint !== of.command.fingerprint);
  if (clash) return { committed: false, failed: clash.place, outcome: { status: "mismatch" } };

  const { parameters, unpack } = pack(
    first.map(({ command }) => command),
    subjects.map(({ command }) => command),
  );
  const rows = await pool.query<Row>(
    COMMIT,
    [
      JSON.stringify(documents.map(({ place, command }) => documentCommand(place, command))),
      JSON.stringify(subjects.map(subjectCommand)),
      ...parameters,
      versionsOf(first, unit),
    ],
    UNKNOWN,
  );

  const outcomes = new Array<Outcome>(unit.length);
  const refused: number[] = [];
  for (const row of rows) {
    if (row.place !== null) {
      outcomes[row.place] = outcomeOf(row.outcome);
      if (row.refused) refused.push(row.place);
      continue;
    }
    for (const [index, outcome] of unpack(row.outcome).entries()) {
      const { place } = first[index]!;
      outcomes[place] = outcome;
      if (outcome.status === "closed" || outcome.status === "mismatch") refused.push(place);
    }
  }
  if (refused.length > 0) {
    const failed = Math.min(...refused);
    return { committed: false, failed, outcome: outcomes[failed]! };
  }
  for (const { place, of } of repeats) outcomes[place] = repeated(outcomes[of.place]!);
  return { committed: true, outcomes };
}

/** An append under a key that an earlier append of the unit has used on the same subject. */
interface Repeat extends Placed<AppendEntries> {
  of: Placed<AppendEntries>;
}

// The database looks keys up before it stores any of the unit's, so repeats within the unit are found here.
function apart(appends: readonly Placed<AppendEntries>[]): { first: Placed<AppendEntries>[]; repeats: Repeat[] } {
  const seen = new Map<string, Placed<AppendEntries>>();
  const first: Placed<AppendEntries>[] = [];
  const repeats: Repeat[] = [];
  for (const append of appends) {
    const { realm, subject, key } = append.command;
    const name = JSON.stringify([realm, subject, key]);
    const of = key === undefined ? undefined : seen.get(name);
    if (of) {
      repeats.push({ ...append, of });
      continue;
    }
    if (key !== undefined) seen.set(name, append);
    first.push(append);
  }
  return { first, repeats };
}

/** For each entry the place of the command whose version it asks for; null when none does. */
function versionsOf(appends: readonly Placed<AppendEntries>[], unit: readonly Command[]): string | null {
  const asked = appends.flatMap(({ command }) => command.entries.map(({ versionOf }) => versionOf ?? null));
  if (asked.every((command) => command === null)) return null;
  return plainArray(
    asked.map((command) => {
      const place = command === null ? null : unit.indexOf(command);
      if (place === -1) throw new Error("an entry asks for the version of a command that is not in its unit");
      return place;
    }),
  );
}

function subjectCommand({ place, command }: Placed<OpenSubject | CloseSubject>): object {
  const { op, realm, subject } = command;
  return {
    n: place,
    op,
    realm,
    subject,
    if_idle_ms: command.op === "journal.close" ? (command.ifIdleMs ?? null) : null,
  };
}

function outcomeOf(outcome: Written): Outcome {
  switch (outcome.status) {
    case "opened":
    case "exists":
    case "closed":
    case "active":
      return { status: outcome.status };
    default:
      return writtenDocument(outcome);
  }
}

function repeated(outcome: Outcome): Outcome {
  return outcome.status === "appended" ? { status: "replayed", entries: outcome.entries } : outcome;
}
