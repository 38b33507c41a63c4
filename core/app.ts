/** The whole server as a value: the only place that knows all floors. */
import { capabilities as all } from "./capabilities/mod.ts";
import { batchOf } from "./faces/batch.ts";
import { docsRoutes } from "./faces/docs.ts";
import { mcpRoutes } from "./faces/mcp/mod.ts";
import { openapiRoutes } from "./faces/openapi.ts";
import { refuseWhenStopping } from "./faces/refusal.ts";
import { restRoutes } from "./faces/rest.ts";
import { createRouter, type Fetch } from "./faces/router.ts";
import { sseRoutes, sseWire } from "./faces/sse.ts";
import type { Call } from "./kernel/call.ts";
import { type Capability, operationsOf } from "./kernel/capability.ts";
import type { Phase, Ports } from "./kernel/context.ts";
import { runDuties } from "./kernel/duty.ts";
import { createFollowers } from "./kernel/follow.ts";
import { createHouse } from "./kernel/house.ts";
import { type Corridor, createCorridor, createInnerCorridor } from "./kernel/invoke.ts";
import type { Settings } from "./kernel/settings.ts";

export interface App {
  /** Answers one request; never rejects. */
  fetch: Fetch;
  /** Starts the duties. */
  start(): void;
  /** Says from now on that it is not ready, and asks callers to use another connection; everything is still served. Duties go to other processes. */
  retire(): void;
  /**
   * Takes no new work: streams end, spread over so many milliseconds (0 when left out), new ones are asked to come back, and other requests are
   * `unavailable`. Requests under way are served to their end, and the ports stay open: whoever opened them closes them.
   */
  stop(overMs?: number): Promise<void>;
  /** How many streams are open. */
  streams(): number;
  /** How many requests are under way, streams aside. */
  requests(): number;
}

/** Builds the server on its ports. `capabilities` are all of ours unless a test brings its own. */
export function createApp(ports: Ports, settings: Settings, capabilities: readonly Capability[] = all): App {
  const life = new AbortController();
  const work = new AbortController();
  let phase: Phase = "serving";
  /** Calls that have begun to tell how far they are: they outlast their requests, whose answers have begun. */
  let progressCalls = 0;
  const house = createHouse(ports, settings, { phase: () => phase, signal: life.signal });
  const followers = createFollowers(house, { wire: sseWire, signal: life.signal });
  const walk = createCorridor(house);
  const corridor: Corridor = (operation, call) => {
    if (call.progress === undefined) return walk(operation, call);
    let counted = 0;
    const counting: Call = Object.assign(Object.create(call) as Call, {
      progress(value: unknown, headers: Record<string, string>) {
        call.progress?.(value, headers);
        progressCalls += 1 - counted;
        counted = 1;
      },
    });
    return walk(operation, counting).finally(() => {
      progressCalls -= counted;
    });
  };
  const batch = batchOf(operationsOf(capabilities), createInnerCorridor(house));
  const mounted = batch === null ? capabilities : [...capabilities, batch];
  const operations = operationsOf(mounted);
  const calls = [
    ...restRoutes(operations, corridor, house),
    ...mcpRoutes(operations, corridor, house),
    ...openapiRoutes(operations, settings),
    ...docsRoutes(mounted, settings),
  ];
  const answer = createRouter(
    [...refuseWhenStopping(calls, house.phase), ...sseRoutes(operations, corridor, { followers, settings })],
    house,
  );
  let requests = 0;
  let duties: Promise<void> = Promise.resolve();

  function retire(): void {
    if (phase === "serving") phase = "retiring";
    work.abort();
  }

  return {
    async fetch(request, host) {
      requests += 1;
      try {
        return await answer(request, host);
      } finally {
        requests -= 1;
      }
    },
    start() {
      duties = runDuties(
        capabilities.flatMap((capability) => capability.duties),
        house,
        work.signal,
      );
    },
    retire,
    async stop(overMs = 0) {
      retire();
      phase = "stopping";
      await Promise.all([followers.end(overMs), house.waiters.end(overMs)]);
      life.abort();
      await duties;
    },
    streams: followers.count,
    requests: () => requests + progressCalls,
  };
}
