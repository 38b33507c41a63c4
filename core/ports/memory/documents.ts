/**
 * The documents store in memory: the reference model of `core/ports/documents.ts`.
 */
import type { Clock } from "../clock.ts";
import type { Document, DocumentOutcome, Documents, PutDocument, RemoveDocument } from "../documents.ts";
import { byteOrder } from "./byte_order.ts";

interface StoredDocument {
  version: number;
  /** JSON text: what a reader does with its copy cannot reach the store. */
  body: string;
  createdAt: number;
  updatedAt: number;
  expiresAt: number | null;
}

export interface MemoryDocuments {
  readonly documents: Documents;
  /** Carries out one command and adds to `undo` what takes it back. */
  apply(command: PutDocument | RemoveDocument, undo: (() => void)[]): DocumentOutcome;
}

/** An empty store whose times are the clock's. */
export function memoryDocuments(clock: Clock): MemoryDocuments {
  const collections = new Map<string, Map<string, StoredDocument>>();

  function collectionOf(realm: string, collection: string): Map<string, StoredDocument> {
    const name = JSON.stringify([realm, collection]);
    const present = collections.get(name) ?? new Map<string, StoredDocument>();
    collections.set(name, present);
    return present;
  }

  function expired(stored: StoredDocument): boolean {
    return stored.expiresAt !== null && stored.expiresAt <= clock.now().getTime();
  }

  function read(held: Map<string, StoredDocument>, id: string): Document[] {
    const stored = held.get(id);
    return stored && !expired(stored) ? [opened(id, stored)] : [];
  }

  function apply(command: PutDocument | RemoveDocument, undo: (() => void)[]): DocumentOutcome {
    const held = collectionOf(command.realm, command.collection);
    const row = held.get(command.id);
    // What has expired is no document, whether or not its row has been dropped.
    const present = row && !expired(row) ? row : undefined;

    if (command.op === "document.put" && command.ifVersion !== undefined) {
      const version = present?.version ?? 0;
      if (version !== command.ifVersion) return { status: "stale", version };
    }
    undo.push(() => (row ? held.set(command.id, row) : held.delete(command.id)));

    if (command.op === "document.remove") {
      held.delete(command.id);
      return { status: present ? "removed" : "absent" };
    }
    const now = clock.now().getTime();
    const stored: StoredDocument = {
      version: (present?.version ?? 0) + 1,
      body: JSON.stringify(command.body),
      createdAt: present?.createdAt ?? now,
      updatedAt: now,
      expiresAt: command.expiresAt?.getTime() ?? null,
    };
    held.set(command.id, stored);
    const { version, createdAt, updatedAt } = stored;
    return { status: "put", version, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
  }

  const documents: Documents = {
    async get(realm, collection, id) {
      return read(collectionOf(realm, collection), id)[0] ?? null;
    },
    async getMany(realm, collection, ids) {
      const held = collectionOf(realm, collection);
      return [...new Set(ids)].flatMap((id) => read(held, id));
    },
    async list(realm, collection, after, limit) {
      const held = collectionOf(realm, collection);
      const ids = [...held.keys()].filter((id) => byteOrder(id, after) > 0).sort(byteOrder);
      return ids.flatMap((id) => read(held, id)).slice(0, limit);
    },
    async expire(limit) {
      let gone = 0;
      for (const held of collections.values()) {
        for (const [id, stored] of held) {
          if (gone >= limit) return gone;
          if (expired(stored) && held.delete(id)) gone += 1;
        }
      }
      return gone;
    },
  };

  return { documents, apply };
}

function opened(id: string, stored: StoredDocument): Document {
  return {
    id,
    version: stored.version,
    body: JSON.parse(stored.body),
    createdAt: new Date(stored.createdAt),
    updatedAt: new Date(stored.updatedAt),
    expiresAt: stored.expiresAt === null ? null : new Date(stored.expiresAt),
  };
}
