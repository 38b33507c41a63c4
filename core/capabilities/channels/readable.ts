/** Who may read a channel. */
import type { Context } from "../../kernel/context.ts";
import { missingCredential } from "../../kernel/identify.ts";
import { knockOf } from "../../kernel/knock.ts";
import { notFound } from "../../kernel/permit.ts";
import { loadChannel, REALM } from "./channel.ts";

/** Throws unless the caller may read the channel, and for the wrong visibility word as for a missing channel. */
export async function readableChannel(context: Context, id: string, expected?: string): Promise<void> {
  // Many readers who come at once are one look at the record.
  const channel = await context.recent(knockOf.journal(REALM, id), () => loadChannel(context, id));
  if (expected !== undefined && channel.visibility !== expected) throw notFound("channel", id);
  const holds = context.principals.some(({ subject }) => subject === id);
  if (channel.visibility === "private" && !holds) throw missingCredential("read");
}
