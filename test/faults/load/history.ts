/** What clients remember: every publish with its acknowledgement, and every message that every reader was given. The checker holds it against the table. */

/** A channel that a run uses. */
export interface Channel {
  id: string;
  visibility: "public" | "private";
  publishToken: string;
  readToken: string | null;
  /** How often it is chosen, beside the others. A quiet one is where a lost wake-up shows. */
  weight: number;
}

/** One use of an Idempotency-Key. Times are milliseconds of the clients' one clock. */
export interface Publish {
  /** Travels in the metadata of each message too, followed by `/` and the place in the batch. */
  key: string;
  channel: string;
  /** How many messages. */
  parts: number;
  invokedAt: number;
  /** Null: never acknowledged, so it may be stored or not. */
  ackedAt: number | null;
  /** Of the messages, in order, as acknowledged. */
  ids: string[];
  attempts: number;
}

/** What the answers to publishes said besides, as counts by what they are. */
export interface Oddities {
  /** Sent again after the 201, and answered with another id or not as a replay. */
  badReplays: number;
  /** Answers that a well-formed publish must never get, such as 400 or 500, in words. */
  refusals: string[];
}

export interface Reading {
  name: string;
  channel: string;
  /** `roving` readers reconnect all the time, `steady` ones only when they lose the connection, `polling` ones have a long-poll after the other. */
  kind: "roving" | "steady" | "polling";
  /** For one that began with what is new: the id it was told to begin after, and when; null: it began with the earliest message. */
  live: { after: string; since: number } | null;
  ids: string[];
  connections: number;
  /** Messages that were not what was published, with their ids. */
  wrong: string[];
  /** `gap` and `reset` events. */
  notices: string[];
  /** Answers other than 200 and 503, in words. */
  refusals: string[];
}

export interface History {
  publishes: Publish[];
  readings: Reading[];
  oddities: Oddities;
}

/** A stored message as the table has it, in the order of ids. */
export interface Row {
  channel: string;
  id: string;
  /** From its metadata. */
  key: string;
}

/** The payload of a message: its key, again and again up to the size. */
export function payloadOf(key: string, size: number): string {
  return key.repeat(Math.ceil(size / key.length)).slice(0, size);
}
