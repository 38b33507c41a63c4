/** What the operator may decide, as core sees it: already validated, in plain units. `adapters/config.ts` reads it from the environment. */

import type { AppName } from "../ports/host.ts";

export interface Settings {
  /** Reported by `/healthz`. */
  version: string;
  /** Scheme and host for channel URLs, without a trailing slash; null: the request's own origin. */
  channelBase: string | null;
  /** Public base URLs of the rest and mcp apps for the pages that link to them; null: the request's own origin. */
  restBase: string | null;
  mcpBase: string | null;
  /** The port of each app that this process serves, when they have several; null: all on the one the caller used. */
  ports: { readonly [app in AppName]?: number } | null;
  /** Keys the HMAC of every stored token. */
  tokenSecretSalt: Uint8Array<ArrayBuffer>;
  /** Bearer of the internal read route; null: not configured. */
  internalToken: string | null;
  /** Bearer that may do everything in the data modes, and makes their tokens; null: not configured, and the modes are closed. */
  datastoreToken: string | null;
  /** Largest payload of one message, in bytes. */
  payloadMaxBytes: number;
  /** Payloads above this many bytes live in the object store. */
  payloadInlineMaxBytes: number;
  /** Largest temporary file, and the most that all files of one caller may have, in bytes. */
  fileMaxBytes: number;
  fileQuotaBytes: number;
  /** Largest payload of one document as JSON, in bytes. */
  documentMaxBytes: number;
  /** Time to live of messages when neither message nor channel says one, in seconds. */
  defaultTtlSeconds: number;
  rateLimits: RateLimits | null;
  /** Origins that browsers may call from; `*` allows any. */
  allowedOrigins: readonly string[];
  /** Addresses or CIDR blocks whose `X-Forwarded-*` headers are believed. */
  trustedProxies: readonly string[];
  /** Milliseconds between two heartbeat comments on a stream, and between two looks at the store without a knock. */
  heartbeatMs: number;
  pollMs: number;
  /** How long a stream lasts before its reader is asked to come back, in milliseconds, ± 30 %. */
  streamMs: number;
  /** The most streams that are open at once; whoever comes then is asked to come back later. */
  maxStreams: number;
}

/** The classes of requests that are counted: an operation's `limit` chooses one of the first four; the corridor and the MCP face use the others. */
export type RateClass = "create" | "publish" | "data" | "other" | "refused" | "mcp";

/** `count` requests per `perMs` milliseconds. */
export interface Rate {
  count: number;
  perMs: number;
}

export type RateLimits = Record<RateClass, Rate>;

export const defaultRateLimits: RateLimits = {
  create: { count: 20, perMs: 60_000 },
  publish: { count: 100, perMs: 1_000 },
  data: { count: 5_000, perMs: 1_000 },
  other: { count: 300, perMs: 60_000 },
  /** Wrong credentials of one address: beyond this it may not present any, so that guessing costs no look-up. */
  refused: { count: 60, perMs: 60_000 },
  /** Messages to the MCP endpoint of one address, before they are read; tool calls count as their operation too. */
  mcp: { count: 100, perMs: 1_000 },
};
