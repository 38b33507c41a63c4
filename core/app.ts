/** The whole server as a value: the only place that knows all floors. */
import { capabilities as all } from "./capabilities/mod.ts";
import { docsRoutes } from "./faces/docs.ts";
import { mcpRoutes } from "./faces/mcp/mod.ts";
import { openapiRoutes } from "./faces/openapi.ts";
import { restRoutes } from "./faces/rest.ts";
import { createRouter, type Fetch } from "./faces/router.ts";
import { sseRoutes, sseWire } from "./faces/sse.ts";
import { type Capability, operationsOf } from "./kernel/capability.ts";
import type { House, Ports } from "./kernel/context.ts";
import { createCredentials } from "./kernel/credential.ts";
import { runDuties } from "./kernel/duty.ts";
import { createFollowers } from "./kernel/follow.ts";
import { createCorridor } from "./kernel/invoke.ts";
import { createKnocks } from "./kernel/knock.ts";
import { createLimiter } from "./kernel/limit.ts";
import { createOnce } from "./kernel/once.ts";
import type { Settings } from "./kernel/settings.ts";

export interface App {
  /** Answers one request; never rejects. */
  fetch: Fetch;
  /** Starts the duties. */
  start(): void;
  /** Ends open streams and duties. The ports stay open: whoever opened them closes them. */
  stop(): Promise<void>;
  /** How many streams are open. */
  streams(): number;
}

/** Builds the server on its ports. `capabilities` are all of ours unless a test brings its own. */
export function createApp(ports: Ports, settings: Settings, capabilities: readonly Capability[] = all): App {
  const life = new AbortController();
  const knocks = createKnocks(ports.bus, life.signal);
  const { database, ids, clock } = ports;
  const credentials = createCredentials({ database, ids, clock, knocks, salt: settings.tokenSecretSalt });
  const limiter = createLimiter(settings.rateLimits, clock);
  const house: House = { ...ports, settings, credentials, knocks, limiter, once: createOnce() };
  const followers = createFollowers(house, { wire: sseWire, signal: life.signal });
  const corridor = createCorridor(house);
  const operations = operationsOf(capabilities);
  const fetch = createRouter(
    [
      ...restRoutes(operations, corridor, settings),
      ...sseRoutes(operations, corridor, { followers, settings }),
      ...mcpRoutes(operations, corridor, house),
      ...openapiRoutes(operations, settings),
      ...docsRoutes(capabilities, settings),
    ],
    house,
  );
  let duties: Promise<void> = Promise.resolve();
  return {
    fetch,
    start() {
      duties = runDuties(
        capabilities.flatMap((capability) => capability.duties),
        house,
        life.signal,
      );
    },
    async stop() {
      followers.end();
      life.abort();
      await duties;
    },
    streams: followers.count,
  };
}
