/**
 * Objects that nobody refers to: what a crash between an object's put and its row's commit leaves behind. Whoever keeps objects under a prefix of its own
 * has a duty that sweeps it.
 */
import type { Objects } from "../ports/objects.ts";
import type { House } from "./context.ts";

const BATCH = 500;

/** An object without a row after this long will never have one. */
export const ORPHAN_MS = 3_600_000;

/** A process that was stopped for longer than this between an object and its row must not store the row: the object may have been swept. */
export const PUT_MOST_MS = 600_000;

export interface Sweep {
  /** What the keys of these objects begin with; it ends with a slash. */
  prefix: string;
  /** Those of the keys that something refers to. */
  referenced(keys: readonly string[]): Promise<string[]>;
  signal: AbortSignal;
}

/** Removes the old objects below the prefix to which nothing refers; returns how many. */
export async function sweepOrphans(
  { objects }: Pick<House, "objects">,
  { prefix, referenced, signal }: Sweep,
): Promise<number> {
  const oldest = (await storeNow(objects, prefix)) - ORPHAN_MS;
  let orphans = 0;
  let after = "";
  while (!signal.aborted) {
    const listed = await objects.list(prefix, after, BATCH);
    const old = listed.filter((object) => object.modifiedAt.getTime() < oldest).map((object) => object.key);
    const kept = new Set(old.length === 0 ? [] : await referenced(old));
    for (const key of old.filter((candidate) => !kept.has(candidate))) {
      await objects.remove(key);
      orphans += 1;
    }
    const last = listed[listed.length - 1];
    if (last === undefined || listed.length < BATCH) break;
    after = last.key;
  }
  return orphans;
}

/** The object store's own clock: ages by this process's clock could make a fresh object look old. */
async function storeNow(objects: Objects, prefix: string): Promise<number> {
  const key = `${prefix}clock`;
  await objects.put(key, new Uint8Array());
  const probe = await objects.head(key);
  await objects.remove(key);
  return probe?.modifiedAt.getTime() ?? 0;
}
