/** The list of tokens: what each may do and when it ends; never a secret. */
import * as v from "valibot";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields, pageOf, readCursor } from "../../kernel/page.ts";
import { fromDocument, REALM, TOKENS, tokenFields, tokenJson } from "./token.ts";

export const list = call({
  summary: "List the tokens for the data modes.",
  details: "In the order of their ids, without the secrets. One that has expired or was revoked is listed for 30 days.",
  http: "GET /tokens",
  tool: "token_list",
  needs: { scope: "tokens", access: "read" },
  limit: "other",
  input: v.strictObject(pageFields),
  output: v.object({
    tokens: v.array(
      v.object({
        ...tokenFields,
        revoked_at: v.pipe(v.nullable(v.string()), v.description("When it was revoked; null: it was not")),
        made_by: v.pipe(v.nullable(v.string()), v.description("Id of the token that made it; null: the service token")),
      }),
    ),
    next_cursor: nextCursor,
  }),
  examples: [
    {
      input: {},
      after: [["access.create", 0]],
      output: {
        tokens: [
          {
            id: "$TOKEN_ID",
            label: "the mail worker",
            scopes: ["queues:read:mail-*", "queues:write:mail-*"],
            created_at: "$TIME",
            expires_at: "2099-12-31T00:00:00.000Z",
            revoked_at: null,
            made_by: null,
          },
        ],
        next_cursor: null,
      },
    },
  ],
  async handle({ database }, { limit, cursor }) {
    const after = readCursor(cursor, v.string()) ?? "";
    const documents = await database.documents.list(REALM, TOKENS, after, limit + 1);
    const { rows, next } = pageOf(documents, limit, ({ id }) => id);
    const tokens = rows.map(fromDocument).map((record) => ({
      ...tokenJson(record),
      revoked_at: record.revokedAt?.toISOString() ?? null,
      made_by: record.lineage.at(-1) ?? null,
    }));
    return { tokens, next_cursor: next };
  },
});
