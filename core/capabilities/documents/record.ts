/** A document as users see it: key, payload, version and times, and its entity tag. */
import * as v from "valibot";
import { instant, quote, whole } from "../../kernel/fields.ts";
import type { Settings } from "../../kernel/settings.ts";
import type { Document } from "../../ports/documents.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";

/** How many older versions of a document are kept. */
export const VERSIONS_KEPT = 1_000;
/** The longest key, in bytes of UTF-8. */
export const KEY_MAX_BYTES = 512;
/** The longest time to live: 10 years. */
const TTL_MAX_SECONDS = 315_360_000;

const encoder = new TextEncoder();

export const key = v.pipe(
  v.string(),
  v.check(
    (text) =>
      text !== "" &&
      text !== "." &&
      text !== ".." &&
      !/\p{Cc}/u.test(text) &&
      encoder.encode(text).length <= KEY_MAX_BYTES,
    (issue) =>
      `is ${quote(issue.input)}; send 1 to ${KEY_MAX_BYTES} bytes of text without control characters, not . or ..`,
  ),
  v.metadata({ minLength: 1, maxLength: KEY_MAX_BYTES }),
  v.description("The document's key within its namespace"),
);

export const payload = v.pipe(v.unknown(), v.description("Any JSON value"));

export const version = whole(1, Number.MAX_SAFE_INTEGER, "The version; each put makes one more");
export const ifVersion = whole(
  0,
  Number.MAX_SAFE_INTEGER,
  "Put only if this is the document's version; 0: only if there is no document",
);
export const expiresAt = instant(
  "When the document goes with all its versions, RFC 3339, in the future; left out: never",
);
export const ttlSeconds = whole(
  1,
  TTL_MAX_SECONDS,
  "Seconds until the document goes, instead of expires_at",
  "10 years",
);

export const recordFields = {
  namespace: v.string(),
  key: v.string(),
  version: v.pipe(v.number(), v.description("1 at the first put, then one more at each, also after a deletion")),
  payload,
  created_at: v.pipe(v.string(), v.description("When this version was put")),
  expires_at: v.optional(v.pipe(v.string(), v.description("When the document goes; missing: never"))),
};

export interface Record {
  namespace: string;
  key: string;
  version: number;
  payload: Json;
  created_at: string;
  expires_at?: string;
}

/** The store takes objects only. */
export function toBody(value: Json): { payload: Json } {
  return { payload: value };
}

export function recordOf(namespace: string, document: Document): Record {
  const { id, version, body, updatedAt } = document;
  return {
    namespace,
    key: id,
    version,
    payload: body.payload!,
    created_at: updatedAt.toISOString(),
    ...expiryOf(document),
  };
}

export function expiryOf({ expiresAt }: { expiresAt: Date | null }): { expires_at?: string } {
  return expiresAt === null ? {} : { expires_at: expiresAt.toISOString() };
}

/**
 * The entity tag of a version: it also holds when the document came to be, so that no tag ever comes again, however long after a deletion
 * the key is used anew.
 */
export function tagOf({ version, createdAt }: { version: number; createdAt: Date }): string {
  return `"${version}-${createdAt.getTime().toString(36)}"`;
}

/** When the document is to go; throws for a time that is past and for two times. */
export function expiryFrom(
  input: { expires_at?: string | undefined; ttl_seconds?: number | undefined },
  now: Date,
): Date | null {
  const { expires_at, ttl_seconds } = input;
  if (expires_at !== undefined && ttl_seconds !== undefined)
    throw wrong("ttl_seconds", "ttl_seconds stands beside expires_at; send one of the two");
  if (ttl_seconds !== undefined) return new Date(now.getTime() + ttl_seconds * 1_000);
  if (expires_at === undefined) return null;
  const until = new Date(expires_at);
  if (until > now) return until;
  throw wrong("expires_at", `expires_at is ${expires_at}, which is in the past; send a future time or leave it out`);
}

/** Throws `too_large` for a payload of more bytes than the operator allows. */
export function refuseLarge(value: Json, { documentMaxBytes: most }: Settings): void {
  const text = JSON.stringify(value);
  if (text.length * 3 <= most) return;
  const size = encoder.encode(text).length;
  if (size <= most) return;
  throw new Fault(
    "too_large",
    `The payload has ${size} bytes as JSON, the most is ${most}; send a smaller one or keep it as a file`,
    {
      details: { field: "payload", limit_bytes: most },
    },
  );
}

function wrong(field: string, words: string): Fault {
  return new Fault("invalid_input", `Cannot put the document: ${words}`, { details: { field } });
}
