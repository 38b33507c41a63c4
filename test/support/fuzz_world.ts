/**
 * What a fuzz aims at: channels that live and channels that are gone, with their tokens, and the answer that each kind of right must get.
 * It grows by what the fuzz creates and loses what the fuzz deletes.
 */
import { type CredentialKind, credentialKinds, writeToken } from "../../core/kernel/credential.ts";
import { credentialNeedOf, type Operation } from "../../core/kernel/operation.ts";
import type { FaultCode } from "../../core/ports/fault.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { canonical, demand } from "./answer_rules.ts";
import { type CreatedChannel, createClient, type Fetcher } from "./client.ts";

/** A channel with everything that gives a right to it. */
export interface Held extends CreatedChannel {
  visibility: "public" | "private";
  grants: { id: string; token: string }[];
}

/** How a request stands to the channel that it names. */
export const standings = [
  "right",
  "no token",
  "malformed token",
  "unknown token",
  "token of another channel",
  "token of another kind",
  "revoked token",
  "deleted channel",
  "missing channel",
  "wrong visibility",
] as const;

export type Standing = (typeof standings)[number];

export interface Aim {
  channel: Held;
  /** The channel's id, or one that never was. */
  channelId: string;
  /** The visibility word for the path. */
  visibility: string;
  secret: { kind: CredentialKind | "internal"; token: string } | null;
  /** The code that it must be refused with; null: it must be taken. */
  refusal: FaultCode | null;
}

/** What a message says. */
export interface Sayings {
  payload: unknown;
  metadata?: unknown;
}

export interface World {
  client: ReturnType<typeof createClient>;
  /** A request's aim, or null when this standing has no meaning for the operation. `pick` chooses among equals. */
  aim(operation: Operation, standing: Standing, pick: number): Promise<Aim | null>;
  /** Takes note of what an answer made or ended. */
  learn(operation: Operation, aim: Aim, answer: JsonObject): void;
  /** Remembers what the messages of one request were made of, by the ids of its answer. */
  published(answer: JsonObject, sent: readonly Sayings[]): void;
  /** Throws when a message that was published here is not what it was; others pass. */
  unchanged(message: Sayings & { id: string }): void;
  /** Whether this word is a secret of the world. */
  isSecret(word: string): boolean;
}

const NOWHERE = "0190163d-8694-439b-aea5-966c26f8ad91";
const malformed = [
  "x",
  "pub_",
  "rdg_",
  "null",
  "undefined",
  "'--",
  "pub_".padEnd(53, "0"),
  "x".repeat(2_000),
  "Bearer",
];

export async function openWorld(fetcher: Fetcher, base: string, internalToken: string): Promise<World> {
  const client = createClient(base, fetcher);
  const live: Held[] = [];
  const gone: Held[] = [];
  const known = new Set([internalToken]);
  const messages = new Map<unknown, string>();
  const saying = ({ payload, metadata = null }: Sayings) => canonical({ payload, metadata });

  function hold(made: CreatedChannel & { visibility: "public" | "private" }): Held {
    const held = { ...made, grants: [] };
    live.push(held);
    for (const token of [made.publish_token, made.read_token]) if (token !== undefined) known.add(token);
    return held;
  }

  async function make(visibility: "public" | "private"): Promise<Held> {
    const made = hold({ ...(await client.createChannel({ visibility })), visibility });
    if (visibility === "private") await grant(made);
    return made;
  }

  async function grant(channel: Held): Promise<{ id: string; token: string }> {
    const headers = { "X-Publish-Token": channel.publish_token };
    const { body } = await client.send("POST", `/v1/channels/${channel.id}/read-grants`, { body: {}, headers });
    const made = { id: body.id as string, token: body.raw_token as string };
    known.add(made.token);
    channel.grants.push(made);
    return made;
  }

  async function pickLive(pick: number, wanted: (channel: Held) => boolean): Promise<Held> {
    const fit = live.filter(wanted);
    if (fit.length >= 2) return fit[pick % fit.length]!;
    const made = await make(pick % 2 === 0 ? "private" : "public");
    return wanted(made) ? made : pickLive(pick + 1, wanted);
  }

  const anyOther = (channel: Held) => pickLive(0, (other) => other.visibility === "private" && other !== channel);

  async function revoked(channel: Held): Promise<string> {
    const { id, token } = await grant(channel);
    channel.grants.pop();
    const headers = { "X-Publish-Token": channel.publish_token };
    await client.send("POST", `/v1/channels/${channel.id}/read-grants/${id}/revoke`, { headers });
    return token;
  }

  function rightOf(operation: Operation, channel: Held, pick: number): Aim["secret"] {
    const { needs } = operation;
    if (needs === "nobody" || needs === "each") return null;
    if (needs === "internal") return { kind: "internal", token: internalToken };
    if ("scope" in needs) throw new Error(`${operation.name} is no operation of channels`);
    if (needs.credential === "publish") return { kind: "publish", token: channel.publish_token };
    if (channel.visibility === "public") return null;
    const own = [channel.read_token!, ...channel.grants.map(({ token }) => token)];
    return { kind: "read", token: own[pick % own.length]! };
  }

  return {
    client,
    published(answer, sent) {
      const told = (answer.messages ?? [answer]) as { id: string }[];
      demand(told.length === sent.length, `${sent.length} messages were sent, ${told.length} are told`);
      for (const [index, { id }] of told.entries()) messages.set(id, saying(sent[index]!));
    },
    unchanged(message) {
      const [was, is] = [messages.get(message.id), saying(message)];
      demand(was === undefined || was === is, `published as ${was}, read as ${is}`.slice(0, 2_000));
    },
    isSecret: (word) => known.has(word),
    async aim(operation, standing, pick) {
      const { needs } = operation;
      const fields = operation.input.entries;
      if (!Object.hasOwn(fields, "channel_id")) {
        const channel = await pickLive(pick, () => true);
        return standing === "right" ? { channel, channelId: "", visibility: "", secret: null, refusal: null } : null;
      }
      const need = credentialNeedOf(needs);
      const optional = need?.optional === true;
      const kind: CredentialKind | "internal" = need?.credential ?? "internal";
      // Only private channels have grants, and only they refuse readers.
      const hidden =
        /Grant|Ticket/.test(operation.name) ||
        (optional && ["no token", "token of another channel"].includes(standing));
      const ends = operation.http !== false && String(operation.http).startsWith("DELETE");
      const channel =
        ends && standing === "right"
          ? await make("public")
          : await pickLive(pick, (one) => !hidden || one.visibility === "private");
      const base = { channel, channelId: channel.id, visibility: channel.visibility as string };
      const secret = rightOf(operation, channel, pick);
      const refused = (code: FaultCode, more: Partial<Aim>): Aim => ({ ...base, secret, refusal: code, ...more });
      const prefix = kind === "internal" ? "pub" : credentialKinds[kind].prefix;
      switch (standing) {
        case "right":
          if (Object.hasOwn(fields, "grant_id") && channel.grants.length === 0) await grant(channel);
          return { ...base, secret, refusal: null };
        case "no token":
          return refused("unauthorized", { secret: null });
        case "malformed token":
          return refused("unauthorized", { secret: { kind, token: malformed[pick % malformed.length]! } });
        case "unknown token":
          return refused("unauthorized", {
            secret: { kind, token: writeToken(prefix, new Uint8Array(32).fill(pick & 0xff)) },
          });
        case "token of another channel": {
          if (kind === "internal") return null;
          const other = await anyOther(channel);
          return refused("not_found", {
            secret: { kind, token: kind === "publish" ? other.publish_token : other.read_token! },
          });
        }
        case "token of another kind": {
          const other = await anyOther(channel);
          return refused("unauthorized", {
            secret: { kind, token: kind === "publish" ? other.read_token! : channel.publish_token },
          });
        }
        case "revoked token":
          if (kind !== "read") return null;
          return refused("unauthorized", { secret: { kind, token: await revoked(await anyOther(channel)) } });
        case "deleted channel": {
          const old = gone[pick % Math.max(1, gone.length)];
          if (old === undefined) return null;
          return refused("not_found", {
            channel: old,
            channelId: old.id,
            visibility: old.visibility,
            secret: rightOf(operation, old, 0),
          });
        }
        case "missing channel":
          return refused("not_found", { channelId: NOWHERE });
        case "wrong visibility":
          if (!Object.hasOwn(fields, "visibility")) return null;
          return refused("not_found", { visibility: channel.visibility === "public" ? "private" : "public" });
      }
    },
    learn(operation, { channel }, answer) {
      if (operation.name === "channels.create") hold(answer as unknown as Held);
      if (operation.name === "channels.createReadGrant") {
        const made = { id: answer.id as string, token: answer.raw_token as string };
        known.add(made.token);
        channel.grants.push(made);
      }
      if (operation.name === "channels.createTicket") known.add(answer.ticket as string);
      if (operation.name === "channels.revokeReadGrant")
        channel.grants = channel.grants.filter(({ id }) => id !== answer.id);
      if (operation.name === "channels.remove") {
        live.splice(live.indexOf(channel), 1);
        gone.push(channel);
      }
    },
  };
}

/** Writes the aim into an input that fits: real ids where the fields are known ones. */
export function aimed(input: JsonObject, aim: Aim, pick: number): JsonObject {
  const found = { ...input };
  if ("channel_id" in found) found.channel_id = aim.channelId;
  if ("channels" in found) {
    found.channels = aim.channelId;
    // A place in one channel is none in several.
    for (const name of ["after", "last_event_id"]) if (!String(found[name]).includes(":")) delete found[name];
  }
  if ("visibility" in found && aim.visibility !== "") found.visibility = aim.visibility;
  if ("grant_id" in found)
    found.grant_id = aim.channel.grants[pick % Math.max(1, aim.channel.grants.length)]?.id ?? NOWHERE;
  return found;
}

/** Only one thing is broken: ids and words of the path are aimed anew, unless they are what is broken. */
export function repaired(broken: JsonObject, good: JsonObject, field: string | null): JsonObject {
  const known = ["channel_id", "channels", "visibility", "grant_id"].filter(
    (name) => name !== field && name in broken && name in good,
  );
  return Object.fromEntries([...Object.entries(broken), ...known.map((name) => [name, good[name]!] as const)]);
}

/** Short keys come twice, and a key that was used for something else is refused by right. */
export function isRepeated({ broken, input }: { broken: unknown; input: JsonObject }, text: string): boolean {
  return broken === null && Object.hasOwn(input, "idempotency_key") && text.includes("idempotency_mismatch");
}
