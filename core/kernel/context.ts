/** What a handler may reach: the ports, the operator's settings, and who is calling. */
import type { Bus } from "../ports/bus.ts";
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import type { Hashes } from "../ports/hashes.ts";
import type { Ids } from "../ports/ids.ts";
import type { JsonObject } from "../ports/json.ts";
import type { Log } from "../ports/log.ts";
import type { Objects } from "../ports/objects.ts";
import type { Credentials, Principal } from "./credential.ts";
import type { Knocks } from "./knock.ts";
import type { Limiter } from "./limit.ts";
import type { Once } from "./once.ts";
import type { Recent } from "./recent.ts";
import type { Settings } from "./settings.ts";
import type { Waiters } from "./waiters.ts";

/** The doors to the outside, as the adapters give them. */
export interface Ports {
  database: Database;
  objects: Objects;
  hashes: Hashes;
  bus: Bus;
  clock: Clock;
  ids: Ids;
  log: Log;
}

/**
 * Where a process stands in its life. `retiring`: it serves everything, but says that it is not ready, so that whoever sends it requests looks for
 * another. `stopping`: it takes no new work.
 */
export type Phase = "serving" | "retiring" | "stopping";

/** The ports and what is made from them once per process. */
export interface House extends Ports {
  phase(): Phase;
  settings: Settings;
  credentials: Credentials;
  knocks: Knocks;
  limiter: Limiter;
  /** Shares simultaneous loads of one thing. */
  once: Once;
  /** Remembers look-ups for a second, until a knock. */
  recent: Recent;
  /** Callers that wait for one answer. */
  waiters: Waiters;
}

export interface Context extends House {
  /** Who is calling; null: nobody in particular. */
  principal: Principal | null;
  /** All that the caller is, when several credentials came; the first is `principal`. */
  principals: readonly Principal[];
  requestId: string;
  /** Scheme and host the caller used, without a trailing slash. */
  origin: string;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
  /** Tells a caller who asked for it how far the work is, as the operation's `progress` declares it; costs nothing when nobody did. */
  progress(value: JsonObject): void;
  /** Sets the answer's status or headers; faces without them ignore it. */
  reply(extra: { status?: number; headers?: Record<string, string> }): void;
}
