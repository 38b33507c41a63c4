/**
 * A unit of commands as one call of `commit_unit`. See migrations/0002_documents.sql.
 */
import type { Command, Committed, Outcome } from "../../core/ports/database.ts";
import type { PutDocument, RemoveDocument } from "../../core/ports/documents.ts";
import type { AppendEntries, CloseSubject, OpenSubject } from "../../core/ports/journal.ts";
import { type AppendRow, appendParameters, pack, unpack } from "./batch.ts";
import { UNKNOWN } from "./journal.ts";
import type { Pool, Statement } from "./pool.ts";

const COMMIT: Statement = {
  name: "commit_unit",
  text: `SELECT place, refused, outcome FROM commit_unit($1::jsonb, $2::jsonb, $3::int[], ${appendParameters(4)})`,
};

interface Row {
  place: number;
  refused: boolean;
  outcome:
    | (Omit<AppendRow, "status"> & { status: "appended" | "replayed" })
    | { status: "put"; version: number; created_ms: number; updated_ms: number }
    | { status: "stale"; version: number }
    | { status: "removed" | "absent" | "opened" | "exists" | "closed" | "mismatch" | "active" };
}

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

  const rows = await pool.query<Row>(
    COMMIT,
    [
      JSON.stringify(documents.map(documentCommand)),
      JSON.stringify(subjects.map(subjectCommand)),
      first.map(({ place }) => place),
      ...pack(
        first.map(({ command }) => command),
        subjects.map(({ command }) => command),
      ),
    ],
    UNKNOWN,
  );

  const refused = rows.filter((row) => row.refused).sort((left, right) => left.place - right.place)[0];
  if (refused) return { committed: false, failed: refused.place, outcome: outcomeOf(refused.outcome) };
  const outcomes = new Array<Outcome>(unit.length);
  for (const { place, outcome } of rows) outcomes[place] = outcomeOf(outcome);
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

function outcomeOf(outcome: Row["outcome"]): Outcome {
  const { status } = outcome;
  switch (status) {
    case "appended":
    case "replayed":
      return unpack({ ...outcome, status });
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
  return outcome.status === "appended" ? { ...outcome, status: "replayed" } : outcome;
}
