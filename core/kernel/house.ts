/** The house of one process: the ports, the settings, and what is made from them once. */
import type { House, Phase, Ports } from "./context.ts";
import { createCredentials } from "./credential.ts";
import { createKnocks } from "./knock.ts";
import { createLimiter } from "./limit.ts";
import { createOnce } from "./once.ts";
import { createRecent } from "./recent.ts";
import type { Settings } from "./settings.ts";
import { createWaiters } from "./waiters.ts";

/** Lives until `signal` aborts. */
export function createHouse(
  ports: Ports,
  settings: Settings,
  { phase, signal }: { phase(): Phase; signal: AbortSignal },
): House {
  const knocks = createKnocks(ports.bus, signal);
  const { database, ids, clock } = ports;
  const credentials = createCredentials({ database, ids, clock, knocks, salt: settings.tokenSecretSalt });
  return {
    ...ports,
    phase,
    settings,
    credentials,
    knocks,
    limiter: createLimiter(settings.rateLimits, clock),
    once: createOnce(),
    recent: createRecent(clock, knocks),
    waiters: createWaiters({ ...ports, settings, knocks, credentials, signal }),
  };
}
