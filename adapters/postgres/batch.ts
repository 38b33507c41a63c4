/**
 * Appends as the arrays that `journal_append` takes, and its rows as outcomes. See migrations/0001_journal.sql.
 */
import type { AppendEntries, AppendedEntry } from "../../core/ports/journal.ts";
import type { Appended } from "./lane.ts";

/** What `journal_append` says of one append. */
export interface AppendRow {
  /** Place in the batch, from 1. */
  n: number;
  status: Appended["status"];
  ids: string[] | null;
  created_ms: number | null;
  expires_ms: (number | null)[] | null;
}

/** The parameters' types, in order, for the call in a statement whose parameters begin at `$first`. */
export function appendParameters(first: number): string {
  const types = ["text", "text", "int", "bool", "text", "text", "int", "text", "bigint", "text", "bigint", "text"];
  return types.map((type, index) => `$${first + index}::${type}[]`).join(", ");
}

/** The arrays, one for each parameter. `others` are subjects that are to be locked along with those appended to. */
export function pack(
  batch: readonly AppendEntries[],
  others: readonly { realm: string; subject: string }[] = [],
): unknown[][] {
  const places = new Map<string, number>();
  const realms: string[] = [];
  const subjects: string[] = [];
  function placeOf({ realm, subject }: { realm: string; subject: string }): number {
    const name = `${realm.length}:${realm}${subject}`;
    const known = places.get(name);
    if (known !== undefined) return known;
    subjects.push(subject);
    places.set(name, realms.push(realm));
    return realms.length;
  }

  const at = batch.map(placeOf);
  for (const other of others) placeOf(other);
  const entries = batch.flatMap((command, index) => command.entries.map((entry) => ({ of: index + 1, entry })));
  return [
    realms,
    subjects,
    at,
    batch.map(({ ifOpen }) => ifOpen ?? false),
    batch.map(({ key }) => key ?? null),
    batch.map(({ fingerprint }) => fingerprint ?? null),
    entries.map(({ of }) => of),
    entries.map(({ entry }) => entry.data),
    entries.map(({ entry }) => entry.ttlMs),
    entries.map(({ entry }) => entry.blob?.key ?? null),
    entries.map(({ entry }) => entry.blob?.size ?? null),
    entries.map(({ entry }) => entry.blob?.sha256 ?? null),
  ];
}

/** One row as an outcome. */
export function unpack({ status, ids, created_ms, expires_ms }: Omit<AppendRow, "n">): Appended {
  if (status === "closed" || status === "mismatch") return { status };
  const entries = (ids ?? []).map((id, index): AppendedEntry => {
    const expires = expires_ms?.[index] ?? null;
    return { id, createdAt: new Date(created_ms ?? 0), expiresAt: expires === null ? null : new Date(expires) };
  });
  return { status, entries };
}
