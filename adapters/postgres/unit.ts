/**
 * A unit of commands as one call of `commit_unit`. See migrations/0002_documents.sql.
 */
import type { Command, Committed, Outcome } from "../../core/ports/database.ts";
import type { PutDocument, RemoveDocument } from "../../core/ports/documents.ts";
import type { AppendEntries, CloseSubject, OpenSubject } from "../../core/ports/journal.ts";
import { appendParameters, type BatchRow, pack } from "./batch.ts";
import { UNKNOWN } from "./journal.ts";
import type { Pool, Statement } from "./pool.ts";

const COMMIT: Statement = {
  name: "commit_unit",
  text: `SELECT place, refused, outcome FROM commit_unit($1::jsonb, $2::jsonb, ${appendParameters(3)})`,
};

/** What became of one command, or of all appends together. */
type Row = { refused: boolean } & ({ place: number; outcome: Written } | { place: null; outcome: BatchRow });

type Written =
  | { status: "put"; version: number; created_ms: number; updated_ms: number }
  | { status: "stale"; version: number }
  | { status: "removed" | "absent" | "opened" | "exists" | "closed" | "active" };

/** A command and its place in the unit. */
interface Placed<C extends Command> {
  place: number;
  command: C;
}

/** Carries out the unit on the pool. */
export async function commitUnit(pool: Pool, unit: readonly Command[]): Promise<Committed> {
  const documents: Placed<PutDocument | RemoveDocument>[] = [];
  const subjects: Placed<OpenSubject | CloseSubject>[] = [];
  const appends: Placed<AppendEntries>[] = [];
  for (const [place, command] of unit.entries()) {
    if (command.op === "journal.append") appends.push({ place, command });
    else if (command.op === "journal.open" || command.op === "journal.close") subjects.push({ place, command });
    else documents.push({ place, command });
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
    [JSON.stringify(documents.map(documentCommand)), JSON.stringify(subjects.map(subjectCommand)), ...parameters],
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

function documentCommand({ place, command }: Placed<PutDocument | RemoveDocument>): object {
  const { op, realm, collection, id } = command;
  const named = { n: place, op, realm, collection, id };
  if (command.op === "document.remove") return named;
  // The body as text within the JSON: jsonb would refuse U+0000 and lone surrogates in it.
  return {
    ...named,
    body: JSON.stringify(command.body),
    if_version: command.ifVersion ?? null,
    expires_ms: command.expiresAt?.getTime() ?? null,
  };
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
  const { status } = outcome;
  switch (status) {
    case "put":
      return {
        status,
        version: outcome.version,
        createdAt: new Date(outcome.created_ms),
        updatedAt: new Date(outcome.updated_ms),
      };
    case "stale":
      return { status, version: outcome.version };
    default:
      return { status };
  }
}

function repeated(outcome: Outcome): Outcome {
  return outcome.status === "appended" ? { status: "replayed", entries: outcome.entries } : outcome;
}
