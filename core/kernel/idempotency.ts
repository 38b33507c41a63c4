/**
 * Answers that are kept under an idempotency key, so that a retry gets the same one and changes nothing more. An answer is stored by the unit that it is
 * about: it is there exactly when what it tells of is.
 */
import * as v from "valibot";
import type { PutDocument } from "../ports/documents.ts";
import { Fault } from "../ports/fault.ts";
import { KEY_KEPT_MS, KEY_MAX_BYTES } from "../ports/journal.ts";
import type { Json } from "../ports/json.ts";
import type { Context } from "./context.ts";
import { toHex } from "./credential.ts";
import { quote } from "./fields.ts";

const REALM = "answers";

/** The input field of a key; `description` says what it makes safe. */
export function idempotencyKey(description: string) {
  return v.pipe(
    v.string(),
    v.regex(
      new RegExp(`^[\\x21-\\x7e]{1,${KEY_MAX_BYTES}}$`),
      `is no key; send 1 to ${KEY_MAX_BYTES} visible ASCII characters`,
    ),
    v.description(description),
  );
}

/** A key in the hands of one caller, and what it is used for. */
export interface UsedKey {
  /** Names the caller: keys of different callers have nothing to do with each other. */
  holder: string;
  key: string;
  fingerprint: string;
}

/** What tells two uses of a key apart. */
export async function fingerprintOf(value: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** The answer that is kept under the key, or null; throws `idempotency_mismatch` when it was used for something else. */
export async function keptAnswer(
  { database }: Pick<Context, "database">,
  { holder, key, fingerprint }: UsedKey,
): Promise<{ answer: Json } | null> {
  const kept = await database.documents.get(REALM, holder, key);
  if (kept === null) return null;
  if (kept.body.fingerprint === fingerprint) return { answer: kept.body.answer! };
  throw new Fault(
    "idempotency_mismatch",
    `The Idempotency-Key ${quote(key)} was used with another body; send a new key for a new request`,
    { details: { field: "idempotency_key" } },
  );
}

/** Keeps the answer for 48 h, as part of the unit that it is about; `stale` when the key has been used meanwhile. */
export function keeping(
  { clock }: Pick<Context, "clock">,
  { holder, key, fingerprint }: UsedKey,
  answer: Json,
): PutDocument {
  return {
    op: "document.put",
    realm: REALM,
    collection: holder,
    id: key,
    body: { fingerprint, answer },
    ifVersion: 0,
    expiresAt: new Date(clock.now().getTime() + KEY_KEPT_MS),
  };
}
