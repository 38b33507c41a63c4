/** Revoking tokens: at once in this process, within a second in all others, and with every token that was made by the revoked one. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import type { Principal } from "../../kernel/credential.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import { fromDocument, loadToken, putToken, REALM, TOKENS, type TokenRecord, tokenId } from "./token.ts";

const TRIES = 5;
const BATCH = 1_000;

export const revoke = call({
  summary: "Revoke a token.",
  details:
    "It stops working within a second, with every token that was made by it and every stream that they opened. Repeating it is harmless. A token may revoke itself and what it has made; the service token may revoke all.",
  http: "DELETE /tokens/:id",
  tool: "token_revoke",
  idempotent: true,
  needs: { scope: "tokens", access: "write" },
  limit: "other",
  input: v.strictObject({ id: tokenId }),
  output: v.object({ id: v.string(), revoked_at: v.string() }),
  faults: ["forbidden", "not_found", "conflict"],
  examples: [{ input: { id: "$TOKEN_ID" }, output: { id: "$TOKEN_ID", revoked_at: "$TIME" } }],
  async handle(context, { id }) {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const record = await loadToken(context, id);
      refuseForeign(context.principal as Principal, record);
      if (record.revokedAt !== null) return { id, revoked_at: record.revokedAt.toISOString() };
      const revokedAt = context.clock.now();
      if (await end(context, [record, ...(await madeBy(context, id))], revokedAt))
        return { id, revoked_at: revokedAt.toISOString() };
    }
    throw new Fault("conflict", `The token ${id} makes other tokens at this moment; try again`);
  },
});

function refuseForeign({ kind, subject }: Principal, { id, lineage }: TokenRecord): void {
  if (kind === "service" || id === subject || lineage.includes(subject)) return;
  throw new Fault("forbidden", `The token ${id} was made by another; its maker or the service token may revoke it`);
}

/** The tokens that still hold and were made by this one, or by one that was made by it. */
async function madeBy({ database }: Context, id: string): Promise<TokenRecord[]> {
  const found: TokenRecord[] = [];
  for (let after = ""; ; ) {
    const page = await database.documents.list(REALM, TOKENS, after, BATCH);
    const records = page.map(fromDocument);
    found.push(...records.filter(({ lineage, revokedAt }) => lineage.includes(id) && revokedAt === null));
    if (page.length < BATCH) return found;
    after = page.at(-1)!.id;
  }
}

/** All of them in one unit, so that none outlives its maker; false when one of them changed meanwhile, for example by making another. */
async function end({ database, credentials, bus }: Context, tokens: readonly TokenRecord[], revokedAt: Date) {
  const { committed } = await database.commit(
    tokens.flatMap((token) => [putToken({ ...token, revokedAt }), credentials.revocation(token.credential)]),
  );
  if (committed) bus.knock(tokens.map(({ credential }) => knockOf.credential(credential)));
  return committed;
}
