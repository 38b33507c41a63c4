/**
 * Appends as the parameters of `journal_append`, and its row as outcomes. See migrations/0002_journal_append.sql.
 */
import type { Buffer } from "node:buffer";
import type { AppendEntries, AppendedEntry } from "../../core/ports/journal.ts";
import { plainArray, textArray } from "./array.ts";
import type { Appended } from "./lane.ts";

/** What `journal_append` says of a batch. */
export interface BatchRow {
  created_ms: number;
  /** An id for each entry; null where its append was refused or replayed. */
  ids: (string | null)[] | null;
  /** For each subject its last id before these. */
  previous: (string | null)[] | null;
  /** The appends whose key was known; null when none was. */
  known: KnownKey[] | null;
}

interface KnownKey {
  /** Place in the batch, from 1. */
  n: number;
  status: "replayed" | "mismatch";
  ids: string[];
  created_ms: number;
  expires_ms: (number | null)[];
}

/** A batch ready to be sent. */
export interface Packed {
  readonly parameters: (Buffer | string | null)[];
  /** The outcome of each append. */
  unpack(row: BatchRow): Appended[];
}

/** One subject of a batch. */
interface Place {
  realm: string;
  subject: string;
  count: number;
  soonestMs: number | null;
  latestMs: number | null;
}

const TYPES = [
  ...["text", "text", "int", "bigint", "bigint"],
  ...["int", "bool", "text", "text"],
  ...["int", "int", "text", "bigint", "text", "bigint", "text"],
];

/** The parameters' types, in order, for the call in a statement whose parameters begin at `$first`. */
export function appendParameters(first: number): string {
  return TYPES.map((type, index) => `$${first + index}::${type}[]`).join(", ");
}

/** Makes the parameters. `others` are subjects that are to be locked along with those appended to. */
export function pack(
  batch: readonly AppendEntries[],
  others: readonly { realm: string; subject: string }[] = [],
): Packed {
  const { places, placeOf } = placesFor();
  const at = batch.map((command) => placeOf(command));
  for (const other of others) placeOf(other);

  const entries = batch.flatMap((command) => command.entries);
  const of: number[] = [];
  const steps: number[] = [];
  for (const [index, command] of batch.entries()) {
    const place = places[at[index]! - 1]!;
    for (const { ttlMs } of command.entries) {
      of.push(index + 1);
      steps.push(++place.count);
      if (ttlMs === null) continue;
      place.soonestMs = Math.min(place.soonestMs ?? ttlMs, ttlMs);
      place.latestMs = Math.max(place.latestMs ?? ttlMs, ttlMs);
    }
  }

  const keyed = batch.some(({ key }) => key !== undefined);
  const blobs = entries.some(({ blob }) => blob);
  return {
    parameters: [
      textArray(places.map(({ realm }) => realm)),
      textArray(places.map(({ subject }) => subject)),
      plainArray(places.map(({ count }) => count)),
      plainArray(places.map(({ soonestMs }) => soonestMs)),
      plainArray(places.map(({ latestMs }) => latestMs)),
      plainArray(at),
      batch.every(({ ifOpen }) => ifOpen) ? null : plainArray(batch.map(({ ifOpen }) => ifOpen ?? false)),
      keyed ? textArray(batch.map(({ key }) => key ?? null)) : null,
      keyed ? textArray(batch.map(({ fingerprint }) => fingerprint ?? null)) : null,
      plainArray(of),
      plainArray(steps),
      textArray(entries.map(({ data }) => data)),
      plainArray(entries.map(({ ttlMs }) => ttlMs)),
      blobs ? textArray(entries.map(({ blob }) => blob?.key ?? null)) : null,
      blobs ? plainArray(entries.map(({ blob }) => blob?.size ?? null)) : null,
      blobs ? textArray(entries.map(({ blob }) => blob?.sha256 ?? null)) : null,
    ],
    unpack: (row) => unpack(row, batch, at),
  };
}

/** Numbers subjects from 1 in the order in which they come up. */
function placesFor(): { places: Place[]; placeOf: (of: { realm: string; subject: string }) => number } {
  const numbers = new Map<string, Map<string, number>>();
  const places: Place[] = [];
  function placeOf({ realm, subject }: { realm: string; subject: string }): number {
    const inRealm = numbers.get(realm) ?? new Map<string, number>();
    const known = inRealm.get(subject);
    if (known !== undefined) return known;
    const number = places.push({ realm, subject, count: 0, soonestMs: null, latestMs: null });
    numbers.set(realm, inRealm.set(subject, number));
    return number;
  }
  return { places, placeOf };
}

function unpack(row: BatchRow, batch: readonly AppendEntries[], at: readonly number[]): Appended[] {
  const known = new Map((row.known ?? []).map((key) => [key.n, key]));
  const last = [...(row.previous ?? [])];
  let next = 0;
  return batch.map((command, index): Appended => {
    const from = next;
    next += command.entries.length;
    const key = known.get(index + 1);
    if (key)
      return key.status === "mismatch" ? { status: "mismatch" } : { status: "replayed", entries: entriesOf(key) };
    const ids = row.ids!.slice(from, next) as string[];
    if (ids[0] === null) return { status: "closed" };
    const place = at[index]! - 1;
    const previous = last[place]!;
    last[place] = ids.at(-1)!;
    return { status: "appended", entries: receipts(command, ids, row.created_ms), previous };
  });
}

/** What the appended entries became. */
export function receipts({ entries }: AppendEntries, ids: readonly string[], createdMs: number): AppendedEntry[] {
  return entries.map(({ ttlMs }, index) => ({
    id: ids[index]!,
    createdAt: new Date(createdMs),
    expiresAt: ttlMs === null ? null : new Date(createdMs + ttlMs),
  }));
}

function entriesOf({ ids, created_ms, expires_ms }: KnownKey): AppendedEntry[] {
  return ids.map((id, index) => {
    const expires = expires_ms[index] ?? null;
    return { id, createdAt: new Date(created_ms), expiresAt: expires === null ? null : new Date(expires) };
  });
}
