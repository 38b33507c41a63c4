/** A bounded memory of look-ups: forgets by age, by knock and by size. It remembers promises, so that simultaneous look-ups share one. */
import type { Clock } from "../ports/clock.ts";

export interface Cache<T> {
  /** The remembered value of `key`, else what `load` gives; a rejected load is not remembered. */
  get(key: string, load: (key: string) => Promise<T>): Promise<T>;
  drop(key: string): void;
  clear(): void;
}

export function createCache<T>(clock: Clock, options: { maxAgeMs: number; most: number }): Cache<T> {
  const kept = new Map<string, { value: Promise<T>; until: number }>();
  return {
    get(key, load) {
      const now = clock.elapsed();
      const found = kept.get(key);
      if (found !== undefined && found.until > now) return found.value;
      const value = load(key);
      kept.delete(key);
      kept.set(key, { value, until: now + options.maxAgeMs });
      if (kept.size > options.most) kept.delete(kept.keys().next().value!);
      value.catch(() => {
        if (kept.get(key)?.value === value) kept.delete(key);
      });
      return value;
    },
    drop: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  };
}
