/**
 * The queue of objects whose rows are gone, in memory.
 */
import type { Clock } from "../clock.ts";
import type { ObjectDeletions } from "../database.ts";

export interface MemoryObjectDeletions extends ObjectDeletions {
  /** Queues a key as of now; one that is queued already keeps its place. */
  add(key: string): void;
  has(key: string): boolean;
}

/** An empty queue. */
export function memoryObjectDeletions(clock: Clock): MemoryObjectDeletions {
  const queued = new Map<string, number>();
  return {
    add(key) {
      if (!queued.has(key)) queued.set(key, clock.now().getTime());
    },
    has: (key) => queued.has(key),
    async due(graceMs, limit) {
      const latest = clock.now().getTime() - graceMs;
      return [...queued]
        .filter(([, at]) => at <= latest)
        .map(([key]) => key)
        .slice(0, limit);
    },
    async done(keys) {
      for (const key of keys) queued.delete(key);
    },
  };
}
