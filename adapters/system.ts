/** The ports that any runtime's own globals give: clock, ids, log. */
import { hideSecrets } from "../core/mod.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Ids } from "../core/ports/ids.ts";
import { type Log, type LogLevel, logLevels } from "../core/ports/log.ts";

export const systemClock: Clock = {
  now: () => new Date(),
  elapsed: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      // Node's and Deno's timers are objects or have a global to let the process end; a waiting duty must not keep it alive.
      if (typeof timer === "object") timer.unref();
      signal?.addEventListener("abort", done, { once: true });
    });
  },
};

export const systemIds: Ids = {
  uuid: () => crypto.randomUUID(),
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** One JSON object a line, `level` and above, to `write`. */
export function jsonLog(level: LogLevel, write: (line: string) => void): Log {
  const least = logLevels.indexOf(level);
  return {
    write(at, event, fields = {}) {
      if (logLevels.indexOf(at) < least) return;
      const line = JSON.stringify({ time: new Date().toISOString(), level: at, event, ...fields });
      // A message may have picked one up anywhere.
      write(`${hideSecrets(line)}\n`);
    },
  };
}
