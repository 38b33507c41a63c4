/** Read grants: rights to read one private channel, each with its own token, expiry and revocation. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { uuid } from "../../kernel/fields.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import { notFound } from "../../kernel/permit.ts";
import type { Command } from "../../ports/database.ts";
import { Fault } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";
import { changeChannel, channelId, expiresAt, grantsOf, label, REALM } from "./channel.ts";

interface MintedGrant {
  id: string;
  token: string;
  commands: Command[];
}

/** A new grant of a channel with its token, to be stored as part of the caller's unit. */
export async function mintGrant(
  context: Context,
  channel: string,
  about: { label?: string; expiresAt?: Date },
): Promise<MintedGrant> {
  const id = context.ids.uuid();
  const minted = await context.credentials.mint("read", channel, { expiresAt: about.expiresAt ?? null });
  const body: JsonObject = {
    credential: minted.id,
    ...(about.label === undefined ? {} : { label: about.label }),
    ...(about.expiresAt === undefined ? {} : { expires_at: about.expiresAt.toISOString() }),
  };
  return {
    id,
    token: minted.token,
    commands: [
      { op: "document.put", realm: REALM, collection: grantsOf(channel), id, body, ifVersion: 0 },
      minted.command,
    ],
  };
}

export const createReadGrant = call({
  summary: "Create a read grant for a private channel.",
  details:
    "The token is shown once. It ends at expires_at or when it is revoked, whichever comes first; open streams that use it end with it.",
  http: "POST /v1/channels/:channel_id/read-grants",
  tool: "create_read_grant",
  needs: { credential: "publish", of: "channel_id" },
  limit: "other",
  input: v.strictObject({ channel_id: channelId, label: v.optional(label), expires_at: v.optional(expiresAt) }),
  status: 201,
  output: v.object({
    id: v.string(),
    label: v.nullable(v.string()),
    expires_at: v.nullable(v.string()),
    raw_token: v.pipe(v.string(), v.description("The read token, shown once: keep it")),
  }),
  faults: ["not_found", "conflict"],
  examples: [
    {
      input: { channel_id: "$PRIVATE_CHANNEL_ID", label: "dashboard", expires_at: "2099-12-31T00:00:00Z" },
      output: { id: "$GRANT_ID", label: "dashboard", expires_at: "2099-12-31T00:00:00.000Z", raw_token: "$READ_TOKEN" },
    },
  ],
  async handle(context, input) {
    const until = input.expires_at === undefined ? undefined : new Date(input.expires_at);
    let grant: MintedGrant | undefined;
    await changeChannel(context, input.channel_id, async (channel) => {
      if (channel.visibility === "public") throw alreadyPublic(channel.id);
      if (until !== undefined && until <= context.clock.now()) throw inThePast(input.expires_at!);
      grant ??= await mintGrant(context, channel.id, {
        ...(input.label === undefined ? {} : { label: input.label }),
        ...(until === undefined ? {} : { expiresAt: until }),
      });
      return { commands: grant.commands };
    });
    return {
      id: grant!.id,
      label: input.label ?? null,
      expires_at: until?.toISOString() ?? null,
      raw_token: grant!.token,
    };
  },
});

function alreadyPublic(id: string): Fault {
  return new Fault(
    "conflict",
    `The channel ${id} is public: anybody may read it without a grant; create a private channel to limit readers`,
  );
}

function inThePast(instant: string): Fault {
  return new Fault(
    "invalid_input",
    `Cannot create a read grant: expires_at is ${instant}, which is in the past; send a future time or leave it out`,
    { details: { field: "expires_at" } },
  );
}

export const revokeReadGrant = call({
  summary: "Revoke a read grant.",
  details: "Its token stops working and open streams that use it end within a second. Repeating it is harmless.",
  http: "POST /v1/channels/:channel_id/read-grants/:grant_id/revoke",
  tool: "revoke_read_grant",
  effect: "destroy",
  idempotent: true,
  needs: { credential: "publish", of: "channel_id" },
  limit: "other",
  input: v.strictObject({ channel_id: channelId, grant_id: uuid("the grant's id") }),
  output: v.object({ id: v.string(), revoked_at: v.string() }),
  faults: ["not_found"],
  examples: [
    {
      input: { channel_id: "$PRIVATE_CHANNEL_ID", grant_id: "$GRANT_ID" },
      output: { id: "$GRANT_ID", revoked_at: "$TIME" },
    },
  ],
  async handle(context, { channel_id, grant_id }) {
    const { database, credentials, bus, clock } = context;
    const collection = grantsOf(channel_id);
    let revoked_at = clock.now().toISOString();
    let credential = "";
    await changeChannel(context, channel_id, async () => {
      const grant = await database.documents.get(REALM, collection, grant_id);
      if (grant === null) throw notFound("grant", grant_id);
      credential = grant.body.credential as string;
      if (typeof grant.body.revoked_at === "string") {
        revoked_at = grant.body.revoked_at;
        return { commands: [] };
      }
      const body = { ...grant.body, revoked_at };
      return {
        commands: [
          { op: "document.put", realm: REALM, collection, id: grant_id, body, ifVersion: grant.version },
          credentials.revocation(credential),
        ],
      };
    });
    bus.knock([knockOf.credential(credential)]);
    return { id: grant_id, revoked_at };
  },
});
