/** Making tokens: whoever makes one gives away a part of the own rights, and never more. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import type { Minted } from "../../kernel/credential.ts";
import { call } from "../../kernel/operation.ts";
import { includes, readScope, scopesOf, writeScope } from "../../kernel/scope.ts";
import type { Command } from "../../ports/database.ts";
import { Fault } from "../../ports/fault.ts";
import { callingToken, expiresAt, label, putToken, scopes, type TokenRecord, tokenFields, tokenJson } from "./token.ts";

/** How often a change that met another one is tried in all. */
const TRIES = 5;

/** The most tokens in a row of which each made the next. */
const LINEAGE_MOST = 8;

const ACTION = "Cannot create a token";

export const create = call({
  summary: "Create a token for the data modes.",
  details:
    "The secret is shown once; only its hash is stored. A token that makes another can give it only scopes that it has itself and no later end, and when it is revoked, all that were made by it end with it.",
  http: "POST /tokens",
  tool: "token_create",
  needs: { scope: "tokens", access: "write" },
  limit: "other",
  input: v.strictObject({ label, scopes, expires_at: v.optional(expiresAt) }),
  status: 201,
  output: v.object({
    ...tokenFields,
    token: v.pipe(v.string(), v.description("The secret, sent as Authorization: Bearer; shown once: keep it")),
  }),
  faults: ["forbidden", "conflict"],
  examples: [
    {
      input: {
        label: "the mail worker",
        scopes: ["queues:read:mail-*", "queues:write:mail-*"],
        expires_at: "2099-12-31T00:00:00Z",
      },
      output: {
        id: "$TOKEN_ID",
        label: "the mail worker",
        scopes: ["queues:read:mail-*", "queues:write:mail-*"],
        created_at: "$TIME",
        expires_at: "2099-12-31T00:00:00.000Z",
        token: "$ACCESS_TOKEN",
      },
    },
  ],
  async handle(context, input) {
    const id = context.ids.uuid();
    const wanted = [...new Set(input.scopes)];
    refuseEscalation(context, wanted);
    const until = input.expires_at === undefined ? null : new Date(input.expires_at);
    if (until !== null && until <= context.clock.now())
      throw wrongEnd(`expires_at is ${input.expires_at}, which is in the past; send a future time or leave it out`);
    let minted: Minted | null = null;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const maker = await callingToken(context);
      const ends = endOf(until, maker);
      minted ??= await context.credentials.mint("token", id, { expiresAt: ends, facts: { scopes: wanted } });
      const record = recordOf({ id, label: input.label, scopes: wanted, ends, credential: minted.id, maker });
      const createdAt = await store(context, record, { minted, maker });
      if (createdAt !== null) return { ...tokenJson({ ...record, createdAt }), token: minted.token };
    }
    throw new Fault("conflict", "The token that is calling makes other tokens at this moment; try again");
  },
});

interface Plan extends Pick<TokenRecord, "id" | "label" | "scopes" | "credential"> {
  ends: Date | null;
  maker: TokenRecord | null;
}

function recordOf({ ends, maker, ...about }: Plan): Omit<TokenRecord, "createdAt"> {
  const lineage = maker === null ? [] : [...maker.lineage, maker.id];
  if (lineage.length > LINEAGE_MOST)
    throw new Fault(
      "forbidden",
      `${ACTION}: the token that is calling is the last of ${LINEAGE_MOST} of which each made the next, which is the most`,
    );
  return { ...about, version: 0, lineage, expiresAt: ends, revokedAt: null };
}

/** Stores record and credential, together with its maker's record as it was seen; returns when, or null if the maker changed meanwhile. */
async function store(
  { database }: Context,
  record: Omit<TokenRecord, "createdAt">,
  { minted, maker }: { minted: Minted; maker: TokenRecord | null },
): Promise<Date | null> {
  const unit: Command[] = [putToken(record), minted.command, ...(maker === null ? [] : [putToken(maker)])];
  const stored = await database.commit(unit);
  if (!stored.committed) return null;
  const [put] = stored.outcomes;
  if (put?.status !== "put") throw new Error(`the fresh token ${record.id} was refused`);
  return put.createdAt;
}

function refuseEscalation({ principal }: Context, wanted: readonly string[]): void {
  const held = principal === null ? [] : scopesOf(principal);
  if (held === null) return;
  for (const text of wanted) {
    const scope = readScope(text)!;
    if (held.some((own) => includes(own, scope))) continue;
    const has = held.map(writeScope).join(", ");
    throw new Fault("forbidden", `${ACTION} with the scope ${text}: the token that is calling has only ${has}`, {
      details: { scope: text },
    });
  }
}

/** When the new token ends: as asked for, and not after its maker. */
function endOf(until: Date | null, maker: TokenRecord | null): Date | null {
  const most = maker?.expiresAt ?? null;
  if (until === null || most === null || until <= most) return until ?? most;
  throw wrongEnd(
    `expires_at is ${until.toISOString()}, and the token that is calling ends at ${most.toISOString()}; send no later time`,
  );
}

function wrongEnd(words: string): Fault {
  return new Fault("invalid_input", `${ACTION}: ${words}`, { details: { field: "expires_at" } });
}
