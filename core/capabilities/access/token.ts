/**
 * A token's record: what it may do, who made it, when it ends. The secret is not here: its hash stands with all other credentials
 * (`kernel/credential.ts`), and that alone lets anybody in. So a record may outlive its token, to be listed.
 */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import type { Principal } from "../../kernel/credential.ts";
import { instant, line, quote, uuid } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/permit.ts";
import { accesses, type Mode, modes, readScope } from "../../kernel/scope.ts";
import type { Document, PutDocument } from "../../ports/documents.ts";
import { Fault } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";

/** Realm and collection of the records; no data mode can name them. */
export const REALM = "access";
export const TOKENS = "token";

/** How long a token that has ended is still listed: 30 days. */
export const LISTED_MS = 30 * 24 * 3_600_000;

const SCOPES_MOST = 100;

/** Modes whose records nobody names, so that a scope with a name would allow nothing. */
const NAMELESS: readonly Mode[] = ["files", "tokens"];

export interface TokenRecord {
  id: string;
  /** Of the record, which every use of the right to make tokens changes: so nothing is made by a token that is being revoked. */
  version: number;
  label: string;
  scopes: string[];
  /** The stored hash of the secret. */
  credential: string;
  /** The tokens that this one was made by, the first maker first; empty when the service token made it. */
  lineage: string[];
  expiresAt: Date | null;
  revokedAt: Date | null;
  createdAt: Date;
}

/** One scope, or words that list what a scope is. */
const scope = v.pipe(
  v.string(),
  v.check(
    (text) => wrongScope(text) === null,
    (issue) => `is ${quote(issue.input)}; ${wrongScope(issue.input)}`,
  ),
  v.description("mode:access, or mode:access:name, where a * at the end of the name stands for any rest"),
);

export const tokenId = uuid("the token's id");
export const label = line(200, "A note to recognise the token by, one line");
export const scopes = v.pipe(
  v.array(scope),
  v.minLength(1, "is empty; send at least one scope, for example documents:read"),
  v.maxLength(SCOPES_MOST, (issue) => `has ${issue.input.length} items, the most is ${SCOPES_MOST}`),
  v.description(
    `What the token may do: ${modes.join(", ")}, each with :read or :write, optionally with :name or :prefix*. Writing does not include reading`,
  ),
);
export const expiresAt = instant("When the token ends, RFC 3339, in the future; left out: when it is revoked");

/** What a list shows of a token. */
export const tokenFields = {
  id: v.pipe(v.string(), v.description("The token's id, to revoke it by")),
  label: v.string(),
  scopes: v.array(v.string()),
  created_at: v.string(),
  expires_at: v.pipe(v.nullable(v.string()), v.description("When it ends by itself; null: it does not")),
};

/** What is wrong with the text of a scope, or null. */
function wrongScope(text: string): string | null {
  const read = readScope(text);
  if (read === null) {
    const shape = `mode one of ${modes.join(", ")}, access one of ${accesses.join(", ")}`;
    return `send mode:access or mode:access:name, with ${shape}, for example documents:read or queues:write:mail-*`;
  }
  const { mode, access, name } = read;
  return name !== null && NAMELESS.includes(mode) ? `${mode} have no names; send ${mode}:${access}` : null;
}

export function tokenJson(record: TokenRecord) {
  return {
    id: record.id,
    label: record.label,
    scopes: record.scopes,
    created_at: record.createdAt.toISOString(),
    expires_at: record.expiresAt?.toISOString() ?? null,
  };
}

/** The record of a token; throws `not_found` when there is none. */
export async function loadToken({ database }: Pick<Context, "database">, id: string): Promise<TokenRecord> {
  const document = await database.documents.get(REALM, TOKENS, id);
  if (document === null) throw notFound("token", id);
  return fromDocument(document);
}

/** The record of the token that is calling; null for the service token. It throws `unauthorized` when it has just been revoked. */
export async function callingToken(context: Context): Promise<TokenRecord | null> {
  const { kind, subject } = context.principal as Principal;
  if (kind === "service") return null;
  const document = await context.database.documents.get(REALM, TOKENS, subject);
  const record = document === null ? null : fromDocument(document);
  if (record === null || record.revokedAt !== null)
    throw new Fault("unauthorized", "The token has been revoked; ask whoever holds the service token for another");
  return record;
}

/** Stores the record, if it is still the version that was loaded (0: if it is new). */
export function putToken(record: Omit<TokenRecord, "createdAt">): PutDocument {
  const { id, version, expiresAt: ends, revokedAt, ...about } = record;
  const body: JsonObject = {
    ...about,
    ...(ends === null ? {} : { expiresAt: ends.toISOString() }),
    ...(revokedAt === null ? {} : { revokedAt: revokedAt.toISOString() }),
  };
  const ended = revokedAt ?? ends;
  return {
    op: "document.put",
    realm: REALM,
    collection: TOKENS,
    id,
    body,
    ifVersion: version,
    expiresAt: ended === null ? null : new Date(ended.getTime() + LISTED_MS),
  };
}

export function fromDocument({ id, version, body, createdAt }: Document): TokenRecord {
  const { expiresAt: ends, revokedAt, ...about } = body as unknown as StoredToken;
  return {
    ...about,
    id,
    version,
    createdAt,
    expiresAt: ends === undefined ? null : new Date(ends),
    revokedAt: revokedAt === undefined ? null : new Date(revokedAt),
  };
}

interface StoredToken extends Pick<TokenRecord, "label" | "scopes" | "credential" | "lineage"> {
  expiresAt?: string;
  revokedAt?: string;
}
