/** The one place where a channel's messages reach the journal. */
import { append } from "../../kernel/append.ts";
import type { Context } from "../../kernel/context.ts";
import type { AppendEntries, Journal, NewEntry } from "../../ports/journal.ts";
import { REALM } from "./channel.ts";

/** An idempotency key, and what it is used for. */
export interface UsedKey {
  key: string;
  fingerprint: string;
}

/** Appends the entries to an open channel, all or none, and lets its readers know; `key` null: every call stores anew. */
export function appendMessages(
  context: Context,
  subject: string,
  entries: NewEntry[],
  key: UsedKey | null,
): ReturnType<Journal["append"]> {
  return append(context, appending(subject, entries, key));
}

/** The command that does so, for a unit. */
export function appending(subject: string, entries: NewEntry[], key: UsedKey | null): AppendEntries {
  return { op: "journal.append", realm: REALM, subject, entries, ifOpen: true, ...key };
}
