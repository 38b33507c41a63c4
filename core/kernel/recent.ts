/** What was looked up within the last second, so that many who come at once cost one look. A knock on the key forgets it. */
import type { Clock } from "../ports/clock.ts";
import { createCache } from "./cache.ts";
import type { Knocks } from "./knock.ts";

/** The value of a key, which is the subject of a knock: remembered for at most a second, else what `load` gives. */
export type Recent = <T>(key: string, load: () => Promise<T>) => Promise<T>;

export function createRecent(clock: Clock, knocks: Knocks): Recent {
  const known = createCache<unknown>(clock, { maxAgeMs: 1_000, most: 10_000 });
  knocks.onEvery((subjects) => {
    if (subjects === "all") known.clear();
    else for (const subject of subjects) known.drop(subject);
  });
  return <T>(key: string, load: () => Promise<T>) => known.get(key, load) as Promise<T>;
}
