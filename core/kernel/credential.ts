/**
 * Secrets that callers hold: minted, hashed, looked up and compared here, and only here. A token is `<prefix>_<43 base62><6 base62>`:
 * 256 random bits and a CRC-32, so that garbage is refused without a look at the store. Stored is only
 * HMAC-SHA-256(TOKEN_SECRET_SALT, token).
 */
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import type { PutDocument, RemoveDocument } from "../ports/documents.ts";
import { Fault } from "../ports/fault.ts";
import type { Ids } from "../ports/ids.ts";
import type { JsonObject } from "../ports/json.ts";
import { createCache } from "./cache.ts";
import { concernsCredentials, type Knocks } from "./knock.ts";

/** How each kind of credential looks and travels. `bearer`: `Authorization: Bearer` carries it too. */
export const credentialKinds = {
  publish: {
    prefix: "pub",
    header: "X-Publish-Token",
    argument: "publish_token",
    bearer: false,
    words: "publish token",
  },
  read: { prefix: "rdg", header: "X-Read-Token", argument: "read_token", bearer: true, words: "read token" },
} as const;

export type CredentialKind = keyof typeof credentialKinds;

/** Who is calling, as a valid credential tells. */
export interface Principal {
  kind: CredentialKind;
  /** The stored hash, lower-case hex: names the credential without revealing it. */
  id: string;
  /** What it gives a right to, for example a channel id. */
  subject: string;
  /** What the capability wants to know at every use without another look-up; fixed when minted. */
  facts: JsonObject;
}

export interface Minted {
  /** The secret: shown once, never stored. */
  token: string;
  id: string;
  /** Stores the credential, as part of the caller's unit. */
  command: PutDocument;
}

export interface Credentials {
  mint(kind: CredentialKind, subject: string, how?: { expiresAt?: Date | null; facts?: JsonObject }): Promise<Minted>;
  /** Who holds this token; throws `unauthorized` for a malformed, unknown, expired, revoked or other-kind one. */
  identify(kind: CredentialKind, token: string): Promise<Principal>;
  /** Removes the credential, as part of the caller's unit; the caller knocks `knockOf.credential(id)` afterwards. */
  revocation(id: string): RemoveDocument;
  /** Those of the credentials that still hold. */
  stillValid(ids: readonly string[]): Promise<Set<string>>;
}

const SECRET = new RegExp(
  `(${Object.values(credentialKinds)
    .map(({ prefix }) => prefix)
    .join("|")})_[0-9A-Za-z]{20,}`,
  "g",
);

/** The text without what looks like a token: callers put them into wrong fields, and errors quote what they were sent. */
export function hideSecrets(text: string): string {
  return text.replace(SECRET, "$1_[hidden]");
}

const REALM = "credentials";
const COLLECTION = "token";
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CACHE = { maxAgeMs: 1_000, most: 10_000 };

export interface CredentialOptions {
  database: Database;
  ids: Ids;
  clock: Clock;
  knocks: Knocks;
  salt: Uint8Array<ArrayBuffer>;
}

export function createCredentials(options: CredentialOptions): Credentials {
  const { database, ids, clock, knocks, salt } = options;
  const known = createCache<Principal | null>(clock, CACHE);
  const key = crypto.subtle.importKey("raw", salt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  knocks.onEvery((subjects) => {
    if (concernsCredentials(subjects)) known.clear();
  });

  async function idOf(token: string): Promise<string> {
    const sum = await crypto.subtle.sign("HMAC", await key, new TextEncoder().encode(token));
    return toHex(new Uint8Array(sum));
  }

  async function look(token: string): Promise<Principal | null> {
    const id = await idOf(token);
    const document = await database.documents.get(REALM, COLLECTION, id);
    if (document === null || !equalInConstantTime(document.id, id)) return null;
    const { kind, subject, facts } = document.body as unknown as Pick<Principal, "kind" | "subject" | "facts">;
    return { kind, id, subject, facts };
  }

  return {
    async mint(kind, subject, { expiresAt = null, facts = {} } = {}) {
      const token = writeToken(credentialKinds[kind].prefix, ids.bytes(32));
      const id = await idOf(token);
      const body = { kind, subject, facts };
      return {
        token,
        id,
        command: { op: "document.put", realm: REALM, collection: COLLECTION, id, body, ifVersion: 0, expiresAt },
      };
    },
    async identify(kind, token) {
      const { prefix, words } = credentialKinds[kind];
      if (!isWellFormed(token, prefix))
        throw new Fault(
          "unauthorized",
          `The ${words} is malformed; send the ${prefix}_… secret as it was shown at creation`,
        );
      const principal = await known.get(token, () => look(token));
      // Only what holds is worth a place in the memory.
      if (principal === null) known.drop(token);
      if (principal === null || principal.kind !== kind) {
        throw new Fault(
          "unauthorized",
          `The ${words} is unknown, expired or revoked; ask the owner of the channel for another`,
        );
      }
      return principal;
    },
    revocation: (id) => ({ op: "document.remove", realm: REALM, collection: COLLECTION, id }),
    async stillValid(held) {
      const documents = await database.documents.getMany(REALM, COLLECTION, held);
      return new Set(documents.map((document) => document.id));
    },
  };
}

/** True when both texts are equal; the time taken tells nothing but their lengths. */
export function equalInConstantTime(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  for (let index = 0; index < left.length; index += 1)
    difference |= left.charCodeAt(index) ^ right.charCodeAt(index % Math.max(1, right.length));
  return difference === 0;
}

/** The token of `bytes`: prefix, the bytes in base62, and the checksum over both. */
export function writeToken(prefix: string, bytes: Uint8Array): string {
  const secret = base62(BigInt(`0x${toHex(bytes)}`), 43);
  return `${prefix}_${secret}${checksum(`${prefix}_${secret}`)}`;
}

function isWellFormed(token: string, prefix: string): boolean {
  const match = /^([a-z]+)_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/.exec(token);
  return match !== null && match[1] === prefix && checksum(token.slice(0, -6)) === match[3];
}

function checksum(text: string): string {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return base62(BigInt((crc ^ 0xffffffff) >>> 0), 6);
}

function base62(value: bigint, length: number): string {
  let rest = value;
  let text = "";
  while (text.length < length) {
    text = ALPHABET[Number(rest % 62n)] + text;
    rest /= 62n;
  }
  return text;
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
