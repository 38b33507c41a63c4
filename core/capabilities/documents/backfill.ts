/** Taking documents that were there before an index into it. */
import type { House } from "../../kernel/context.ts";
import type { Duty } from "../../kernel/duty.ts";
import { USER } from "../../kernel/realm.ts";
import type { IndexDocument, Position } from "../../ports/documents.ts";
import { entriesOf } from "./index_fields.ts";
import {
  declaredNamespaces,
  knockOfSettings,
  loadSettings,
  putSettings,
  type Settings,
  unchanged,
} from "./namespace.ts";

const BATCH = 200;
const BATCH_BYTES = 1_048_576;
const NAMESPACES_PAGE = 100;

type Doors = Pick<House, "database" | "bus">;

/** Goes through the namespace's documents until all its indexes are ready, or `most` documents were looked at; returns how many were. */
export async function buildIndexes(
  house: Doors,
  namespace: string,
  { most, signal }: { most: number; signal: AbortSignal },
): Promise<number> {
  let looked = 0;
  let settings = await loadSettings(house, namespace);
  let after: Position | null = null;
  while (settings.indexes.some(({ ready }) => !ready) && !signal.aborted && looked < most) {
    const batch = await indexBatch(house, namespace, { settings, after });
    if (batch === null) {
      // Declared anew meanwhile: from the beginning, for the fields there are now.
      settings = await loadSettings(house, namespace);
      after = null;
      continue;
    }
    looked += batch.looked;
    after = batch.next;
    if (after !== null) continue;
    await finish(house, namespace, settings);
    settings = await loadSettings(house, namespace);
  }
  return looked;
}

/** Null: the settings have changed. */
async function indexBatch(
  { database }: Doors,
  namespace: string,
  { settings, after }: { settings: Settings; after: Position | null },
): Promise<{ looked: number; next: Position | null } | null> {
  const { documents, next } = await database.documents.page({
    realm: USER,
    collection: namespace,
    after,
    limit: BATCH,
    bodyBytes: BATCH_BYTES,
  });
  const fields = settings.indexes.map(({ field }) => field);
  const commands = documents.map(({ id, version, body }): IndexDocument => {
    const keys = entriesOf(body!.payload!, fields);
    return { op: "document.index", realm: USER, collection: namespace, id, ifVersion: version, keys };
  });
  // What is put meanwhile brings its own entries, by the settings that this unit finds unchanged.
  const { committed } = await database.commit([unchanged(namespace, settings), ...commands]);
  return committed ? { looked: documents.length, next } : null;
}

async function finish({ database, bus }: Doors, namespace: string, settings: Settings): Promise<void> {
  const indexes = settings.indexes.map(({ field }) => ({ field, ready: true }));
  const { committed } = await database.commit([
    putSettings(namespace, { schema: settings.schema, indexes }, settings.version),
  ]);
  if (committed) bus.knock([knockOfSettings(namespace)]);
}

/** Builds what a declaration left to be built. */
export const buildDuty: Duty = {
  name: "documents.build_indexes",
  everyMs: 5_000,
  async run(house, signal) {
    let indexed = 0;
    for (let after = ""; ; ) {
      const page = await declaredNamespaces(house, after, NAMESPACES_PAGE);
      for (const { name, settings } of page) {
        if (settings.indexes.every(({ ready }) => ready)) continue;
        indexed += await buildIndexes(house, name, { most: Number.POSITIVE_INFINITY, signal });
      }
      const last = page.at(-1);
      if (last === undefined || page.length < NAMESPACES_PAGE || signal.aborted) return { indexed };
      after = last.name;
    }
  },
};

const EXPIRE_BATCH = 500;

/** Drops documents whose time is over, with all that belongs to them. */
export const expireDuty: Duty = {
  name: "documents.expire",
  everyMs: 30_000,
  async run({ database }, signal) {
    let documents = 0;
    while (!signal.aborted) {
      const went = await database.documents.expire(EXPIRE_BATCH);
      documents += went;
      if (went < EXPIRE_BATCH) break;
    }
    return { documents };
  },
};
