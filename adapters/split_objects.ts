/** Two object stores as one: keys that begin with a prefix are in a place of their own. */
import type { ObjectInfo, Objects } from "../core/ports/objects.ts";

export interface Place {
  /** What the keys of this place begin with; it ends with a slash. */
  prefix: string;
  objects: Objects;
}

/** The store `rest` with the keys of `place` elsewhere. */
export function splitObjects(rest: Objects, place: Place): Objects {
  const of = (key: string) => (key.startsWith(place.prefix) ? place.objects : rest);

  /** Those of the first store that are in reach: not what it holds below the prefix from before the two were split. */
  async function others(prefix: string, after: string, limit: number): Promise<ObjectInfo[]> {
    const found: ObjectInfo[] = [];
    for (let from = after; ; ) {
      const page = await rest.list(prefix, from, limit);
      found.push(...page.filter(({ key }) => of(key) === rest));
      const last = page.at(-1);
      if (last === undefined || page.length < limit || found.length >= limit) return found;
      from = last.key;
    }
  }

  return {
    put: (key, body) => of(key).put(key, body),
    get: (key, range) => of(key).get(key, range),
    head: (key) => of(key).head(key),
    remove: (key) => of(key).remove(key),
    async list(prefix, after, limit) {
      if (prefix.startsWith(place.prefix)) return await place.objects.list(prefix, after, limit);
      if (!place.prefix.startsWith(prefix)) return await rest.list(prefix, after, limit);
      const lists = [others(prefix, after, limit), place.objects.list(place.prefix, after, limit)];
      return (await Promise.all(lists)).flat().sort(byKey).slice(0, limit);
    },
    async ready() {
      await Promise.all([rest.ready(), place.objects.ready()]);
    },
  };
}

function byKey(left: ObjectInfo, right: ObjectInfo): number {
  return left.key < right.key ? -1 : 1;
}
