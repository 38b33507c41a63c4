/**
 * Leases in memory: one holder for each name until its time is over.
 */
import type { Clock } from "../clock.ts";
import type { Database } from "../database.ts";

/** The `lease` member of a memory database. */
export function memoryLeases(clock: Clock): Database["lease"] {
  const held = new Map<string, { until: number }>();

  return async (name, ttlMs) => {
    const present = held.get(name);
    if (present && present.until > clock.now().getTime()) return null;
    const mine = { until: clock.now().getTime() + ttlMs };
    held.set(name, mine);
    return {
      async renew() {
        const now = clock.now().getTime();
        if (held.get(name) !== mine || mine.until <= now) return false;
        mine.until = now + ttlMs;
        return true;
      },
      async release() {
        if (held.get(name) === mine) held.delete(name);
      },
    };
  };
}
