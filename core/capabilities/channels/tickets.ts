/** Tickets: what a browser's EventSource, which can send no header, presents in the query instead of a read token. */
import * as v from "valibot";
import { TICKET_UNUSED_MS, ticketKind } from "../../kernel/credential.ts";
import { missingCredential } from "../../kernel/identify.ts";
import { call } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import { channelId, channelJson, loadChannel } from "./channel.ts";

export const createTicket = call({
  summary: "Create a stream ticket for a private channel.",
  details:
    "For a browser's EventSource, which can send no header. It is part of the stream's URL, so it is good for little: it must be used within 60 s, then opens the stream again and again until the grant of the read token ends, and for 24 h at most.",
  http: "POST /v1/channels/:channel_id/tickets",
  tool: false,
  needs: { credential: "read", of: "channel_id", optional: true },
  limit: "other",
  input: v.strictObject({ channel_id: channelId }),
  status: 201,
  output: v.object({
    ticket: v.pipe(v.string(), v.description("The ticket, shown once")),
    expires_at: v.pipe(v.string(), v.description("When it ends if it has not been used by then")),
    url: v.pipe(v.string(), v.description("The channel's stream with the ticket, as EventSource takes it")),
  }),
  faults: ["not_found", "conflict"],
  examples: [
    {
      input: { channel_id: "$PRIVATE_CHANNEL_ID" },
      output: { ticket: "$TICKET", expires_at: "$TIME", url: "$STREAM_URL" },
    },
  ],
  async handle(context, { channel_id }) {
    const { principal, credentials, database } = context;
    const channel = await loadChannel(context, channel_id);
    if (channel.visibility === "public") throw alreadyPublic(channel_id);
    if (principal === null) throw missingCredential("read");
    const { token, command } = await credentials.mintTicket(principal);
    const unit = await database.commit([command]);
    const [made] = unit.committed ? unit.outcomes : [];
    if (made?.status !== "put") throw new Error("a fresh ticket was refused");
    const { url } = channelJson(channel, context);
    return {
      ticket: token,
      expires_at: new Date(made.createdAt.getTime() + TICKET_UNUSED_MS).toISOString(),
      url: `${url}?${ticketKind.query}=${token}`,
    };
  },
});

function alreadyPublic(id: string): Fault {
  return new Fault(
    "conflict",
    `The channel ${id} is public: its stream opens without a ticket; leave the ticket out of the URL`,
  );
}
