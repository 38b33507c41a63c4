/**
 * Secrets that callers hold: minted, hashed, looked up and compared here, and only here. A token is `<prefix>_<43 base62><6 base62>`:
 * 256 random bits and a CRC-32, so that garbage is refused without a look at the store. Stored is only
 * HMAC-SHA-256(TOKEN_SECRET_SALT, token).
 */
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import type { Document, PutDocument, RemoveDocument } from "../ports/documents.ts";
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

/**
 * What stands in for a read token where a caller can send no header, as a browser's EventSource: made of the token, it travels in the query. Logs and
 * histories keep URLs, so it is good for a short while only.
 */
export const ticketKind = { prefix: "tkt", query: "ticket", words: "ticket" } as const;

/** Tokens for the data modes, which the holder of the service token makes: what one may do stands in its scopes. They travel as bearers only. */
export const tokenKind = { prefix: "mlr", words: "token" } as const;

/** What opens one file, for whoever has its URL. It is not kept with the credentials, but its hash with the file. */
export const fileKind = { prefix: "fil", query: "secret", header: "X-File-Secret", words: "file's secret" } as const;

/** A ticket must first be used this soon after it was made, and ends this long after. */
export const TICKET_UNUSED_MS = 60_000;
export const TICKET_MS = 24 * 3_600_000;

/** Who is calling, as a valid credential tells. */
export interface Principal {
  /** `service`: the holder of the operator's DATASTORE_TOKEN, which is not stored. */
  kind: CredentialKind | "token" | "service";
  /** The stored hash, lower-case hex: names the credential without revealing it. With a ticket it is that of the credential behind it. */
  id: string;
  /** Every credential that must hold for as long as the caller is served: this one, and the ticket that it came with. */
  holds: readonly string[];
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
  mint(
    kind: CredentialKind | "token",
    subject: string,
    how?: { expiresAt?: Date | null; facts?: JsonObject },
  ): Promise<Minted>;
  /** A ticket that stands in for the principal's credential. */
  mintTicket(principal: Principal): Promise<Minted>;
  /** Who holds this token or ticket; throws `unauthorized` for a malformed, unknown, expired, revoked or other-kind one. */
  identify(kind: AnyKind, token: string): Promise<Principal>;
  /** Removes the credential, as part of the caller's unit; the caller knocks `knockOf.credential(id)` afterwards. */
  revocation(id: string): RemoveDocument;
  /** Those of the credentials that still hold. */
  stillValid(ids: readonly string[]): Promise<Set<string>>;
  /** A secret for a file, and the hash to keep with it. */
  mintFileSecret(): Promise<{ secret: string; hash: string }>;
  /** Whether the text is the secret of this hash. */
  isFileSecret(secret: string, hash: string): Promise<boolean>;
}

const SECRET = new RegExp(
  `(${[...Object.values(credentialKinds), ticketKind, tokenKind, fileKind].map(({ prefix }) => prefix).join("|")})_[0-9A-Za-z]{20,}`,
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
/** An unused ticket is stored for longer than it is good: the store's clock decides, and this process's may differ from it. */
const CLOCK_SLACK_MS = 600_000;

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

  function get(id: string): Promise<Document | null> {
    return database.documents.get(REALM, COLLECTION, id);
  }

  async function look(token: string): Promise<Principal | null> {
    const kind = kindOf(token);
    if (!isWellFormed(token, looksOf(kind).prefix)) throw malformed(kind);
    const id = await idOf(token);
    const document = await get(id);
    if (document === null || !equalInConstantTime(document.id, id) || document.body.kind !== kind) return null;
    return kind === "ticket" ? redeem(document) : principalOf(document);
  }

  /** Who stands behind a ticket, as long as both hold. */
  async function redeem(ticket: Document): Promise<Principal | null> {
    const behind = await get((ticket.body.facts as JsonObject).credential as string);
    if (behind === null || !(await isUsedInTime(ticket))) return null;
    return { ...principalOf(behind), holds: [behind.id, ticket.id] };
  }

  /** A ticket's second version is its first use. Both its times are the store's, whose word counts among processes. */
  async function isUsedInTime(ticket: Document): Promise<boolean> {
    const inTime = (times: Pick<Document, "createdAt" | "updatedAt">) =>
      times.updatedAt.getTime() - times.createdAt.getTime() <= TICKET_UNUSED_MS;
    if (ticket.version > 1) return inTime(ticket);
    const expiresAt = new Date(ticket.createdAt.getTime() + TICKET_MS);
    const { id, body } = ticket;
    const put = await database.commit([
      { op: "document.put", realm: REALM, collection: COLLECTION, id, body, ifVersion: 1, expiresAt },
    ]);
    const [used] = put.committed ? put.outcomes : [];
    if (used?.status === "put") return inTime(used);
    // Another process was first.
    const again = await get(id);
    return again !== null && again.version > 1 && inTime(again);
  }

  async function make(
    prefix: string,
    { body, expiresAt }: { body: JsonObject; expiresAt: Date | null },
  ): Promise<Minted> {
    const token = writeToken(prefix, ids.bytes(32));
    const id = await idOf(token);
    return {
      token,
      id,
      command: { op: "document.put", realm: REALM, collection: COLLECTION, id, body, ifVersion: 0, expiresAt },
    };
  }

  return {
    mint: (kind, subject, { expiresAt = null, facts = {} } = {}) =>
      make(looksOf(kind).prefix, { body: { kind, subject, facts }, expiresAt }),
    mintTicket: ({ id, subject }) =>
      make(ticketKind.prefix, {
        body: { kind: "ticket", subject, facts: { credential: id } },
        expiresAt: new Date(clock.now().getTime() + TICKET_UNUSED_MS + CLOCK_SLACK_MS),
      }),
    async identify(kind, token) {
      const { prefix, words } = looksOf(kind);
      // The prefix tells kinds apart, so what is remembered under a token is of this kind.
      if (!token.startsWith(prefix) || token[prefix.length] !== "_") throw malformed(kind);
      const principal = await known.get(token, look);
      if (principal !== null) return principal;
      // Only what holds is worth a place in the memory.
      known.drop(token);
      throw new Fault("unauthorized", `The ${words} is ${unknownWords(kind)}`);
    },
    revocation: (id) => ({ op: "document.remove", realm: REALM, collection: COLLECTION, id }),
    async stillValid(held) {
      const documents = await database.documents.getMany(REALM, COLLECTION, held);
      return new Set(documents.map((document) => document.id));
    },
    async mintFileSecret() {
      const secret = writeToken(fileKind.prefix, ids.bytes(32));
      return { secret, hash: await idOf(secret) };
    },
    async isFileSecret(secret, hash) {
      return isWellFormed(secret, fileKind.prefix) && equalInConstantTime(await idOf(secret), hash);
    },
  };
}

type AnyKind = CredentialKind | "ticket" | "token";

function looksOf(kind: AnyKind): { prefix: string; words: string } {
  if (kind === "token") return tokenKind;
  return kind === "ticket" ? ticketKind : credentialKinds[kind];
}

function unknownWords(kind: AnyKind): string {
  if (kind === "ticket") return "unknown or has ended: use it within 60 s, and make another with the read token";
  const owner = kind === "token" ? "whoever holds the service token" : "the owner of the channel";
  return `unknown, expired or revoked; ask ${owner} for another`;
}

/** The kind that a token's prefix claims; `ticket` when it claims none. */
function kindOf(token: string): AnyKind {
  if (token.startsWith(`${tokenKind.prefix}_`)) return "token";
  const kinds = Object.keys(credentialKinds) as CredentialKind[];
  return kinds.find((kind) => token.startsWith(`${credentialKinds[kind].prefix}_`)) ?? "ticket";
}

function malformed(kind: AnyKind): Fault {
  const { prefix, words } = looksOf(kind);
  return new Fault(
    "unauthorized",
    `The ${words} is malformed; send the ${prefix}_… secret as it was shown at creation`,
  );
}

function principalOf({ id, body }: Document): Principal {
  const { kind, subject, facts } = body as unknown as Pick<Principal, "kind" | "subject" | "facts">;
  return { kind, id, subject, facts, holds: [id] };
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
