/** Document commands as `commit_unit` takes them, and what it says of them as outcomes. See migrations/0004_unit.sql. */
import type { DocumentCommand, DocumentOutcome } from "../../core/ports/documents.ts";

/** What became of one document command. */
export type WrittenDocument =
  | { status: "put"; version: number; is_new: boolean; created_ms: number; updated_ms: number }
  | { status: "stale" | "changed" | "removed"; version: number }
  | { status: "absent" | "checked" | "indexed" };

/** The command at this place of the unit. */
export function documentCommand(place: number, command: DocumentCommand): object {
  const { op, realm, collection, id } = command;
  const named = { n: place, op, realm, collection, id, if_version: command.ifVersion ?? null };
  switch (command.op) {
    case "document.check":
      return named;
    case "document.remove":
      return { ...named, must_exist: command.mustExist ?? false };
    case "document.index":
      return { ...named, ...entriesOf(command.keys) };
    case "document.put":
      // The body as text within the JSON: jsonb would refuse U+0000 and lone surrogates in it.
      return {
        ...named,
        body: JSON.stringify(command.body),
        expires_ms: command.expiresAt?.getTime() ?? null,
        ...(command.versions === undefined ? {} : { versions: command.versions, ...entriesOf(command.keys ?? []) }),
        ...(command.exclusive ? { exclusive: true } : {}),
      };
  }
}

function entriesOf(keys: readonly { field: string; value: string }[]): { fields: string[]; vals: string[] } {
  return { fields: keys.map(({ field }) => field), vals: keys.map(({ value }) => value) };
}

/** The outcome that it stands for. */
export function writtenDocument(written: WrittenDocument): DocumentOutcome {
  const { status } = written;
  switch (status) {
    case "put":
      return {
        status,
        version: written.version,
        isNew: written.is_new,
        createdAt: new Date(written.created_ms),
        updatedAt: new Date(written.updated_ms),
      };
    case "stale":
    case "changed":
    case "removed":
      return { status, version: written.version };
    default:
      return { status };
  }
}
