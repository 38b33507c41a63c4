/** Channels: durable logs of messages with a publish token, read by anyone who has the URL or a read grant. */
import type { Capability } from "../../kernel/capability.ts";
import { duties } from "./duties.ts";
import { createReadGrant, revokeReadGrant } from "./grants.ts";
import { create, get, remove } from "./lifecycle.ts";
import { publish, publishMessage, publishMessages } from "./publish.ts";
import { follow, messages, readMessages } from "./read.ts";
import { createTicket } from "./tickets.ts";

export const channels: Capability = {
  name: "channels",
  title: "Channels",
  about:
    "A channel is a durable log of messages. Whoever holds its publish token may publish; whoever has the URL (public) or a read token (private) may follow it and catch up after an interruption.",
  operations: {
    create,
    get,
    remove,
    publish,
    publishMessage,
    publishMessages,
    createReadGrant,
    revokeReadGrant,
    createTicket,
    follow,
    messages,
    readMessages,
  },
  duties,
};
