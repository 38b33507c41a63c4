/**
 * The documents store in memory: the reference model of `core/ports/documents.ts`. How it finds pages: `document_pages.ts`.
 */

import { byteOrder } from "../byte_order.ts";
import type { Clock } from "../clock.ts";
import {
  type CheckDocument,
  type DocumentCommand,
  type DocumentOutcome,
  type Documents,
  type IndexDocument,
  type PutDocument,
  REMEMBERED_MS,
  type RemoveDocument,
} from "../documents.ts";
import { type Collection, emptyCollection, historyOf, opened, pageOf, type StoredDocument } from "./document_pages.ts";

type Undo = (() => void)[];

export interface MemoryDocuments {
  readonly documents: Documents;
  /** Carries out one command and adds to `undo` what takes it back. */
  apply(command: DocumentCommand, undo: Undo): DocumentOutcome;
}

/** An empty store whose times are the clock's. */
export function memoryDocuments(clock: Clock): MemoryDocuments {
  const collections = new Map<string, Collection>();
  const now = () => clock.now().getTime();

  function collectionOf({ realm, collection }: { realm: string; collection: string }): Collection {
    const name = JSON.stringify([realm, collection]);
    const present = collections.get(name) ?? emptyCollection();
    collections.set(name, present);
    return present;
  }

  const isLive = (stored: StoredDocument) => stored.expiresAt === null || stored.expiresAt > now();

  /** What has expired is no document, whether or not its row has been dropped. */
  function presentIn({ rows }: Collection, id: string): StoredDocument | undefined {
    const row = rows.get(id);
    return row && isLive(row) ? row : undefined;
  }

  /** Puts the row and the remembered version back as they are now. */
  function keep({ rows, tombstones }: Collection, id: string, undo: Undo): void {
    const row = rows.get(id);
    const tombstone = tombstones.get(id);
    undo.push(() => {
      row ? rows.set(id, row) : rows.delete(id);
      tombstone ? tombstones.set(id, tombstone) : tombstones.delete(id);
    });
  }

  function put(command: PutDocument, undo: Undo): DocumentOutcome {
    const { id, ifVersion, versions } = command;
    const held = collectionOf(command);
    const present = presentIn(held, id);
    if (ifVersion !== undefined && (present?.version ?? 0) !== ifVersion) return stale(present);
    keep(held, id, undo);
    const last = present?.version ?? (versions === undefined ? 0 : lastVersion(held, id));
    const older = versions === undefined || !present ? [] : [...present.older, asOlder(present)];
    const stored: StoredDocument = {
      version: last + 1,
      body: JSON.stringify(command.body),
      createdAt: present?.createdAt ?? now(),
      updatedAt: now(),
      expiresAt: command.expiresAt?.getTime() ?? null,
      versioned: versions !== undefined,
      older: older.slice(Math.max(0, older.length - (versions ?? 0))),
      keys: new Map(command.keys?.map(({ field, value }) => [field, value])),
    };
    held.rows.set(id, stored);
    held.tombstones.delete(id);
    const { version, createdAt, updatedAt } = stored;
    const isNew = present === undefined;
    return { status: "put", version, isNew, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) };
  }

  function lastVersion({ rows, tombstones }: Collection, id: string): number {
    return rows.get(id)?.version ?? tombstones.get(id)?.version ?? 0;
  }

  function drop(held: Collection, id: string): void {
    const row = held.rows.get(id);
    held.rows.delete(id);
    if (row?.versioned) held.tombstones.set(id, { version: row.version, at: now() });
  }

  function remove(command: RemoveDocument, undo: Undo): DocumentOutcome {
    const held = collectionOf(command);
    const present = presentIn(held, command.id);
    const version = present?.version ?? 0;
    if (command.ifVersion !== undefined && version !== command.ifVersion) return stale(present);
    if (command.mustExist && !present) return stale(present);
    keep(held, command.id, undo);
    drop(held, command.id);
    return present ? { status: "removed", version } : { status: "absent" };
  }

  function check(command: CheckDocument): DocumentOutcome {
    const present = presentIn(collectionOf(command), command.id);
    return (present?.version ?? 0) === command.ifVersion
      ? { status: "checked" }
      : { ...stale(present), status: "changed" };
  }

  function index(command: IndexDocument, undo: Undo): DocumentOutcome {
    const held = collectionOf(command);
    const present = presentIn(held, command.id);
    if (present?.version !== command.ifVersion) return { status: "absent" };
    keep(held, command.id, undo);
    held.rows.set(command.id, { ...present, keys: new Map(command.keys.map(({ field, value }) => [field, value])) });
    return { status: "indexed" };
  }

  function apply(command: DocumentCommand, undo: Undo): DocumentOutcome {
    if (command.op === "document.put") return put(command, undo);
    if (command.op === "document.remove") return remove(command, undo);
    return command.op === "document.check" ? check(command) : index(command, undo);
  }

  const documents: Documents = {
    async get(realm, collection, id) {
      const stored = presentIn(collectionOf({ realm, collection }), id);
      return stored ? opened(id, stored) : null;
    },
    async getVersion(realm, collection, id, version) {
      const stored = presentIn(collectionOf({ realm, collection }), id);
      if (stored?.version === version) return opened(id, stored);
      const older = stored?.older.find((candidate) => candidate.version === version);
      return stored && older
        ? opened(id, { ...stored, ...older, updatedAt: older.createdAt, createdAt: stored.createdAt })
        : null;
    },
    async getMany(realm, collection, ids) {
      const held = collectionOf({ realm, collection });
      return [...new Set(ids)].flatMap((id) => {
        const stored = presentIn(held, id);
        return stored ? [opened(id, stored)] : [];
      });
    },
    async list(realm, collection, after, limit) {
      const held = collectionOf({ realm, collection });
      const ids = [...held.rows.keys()].filter((id) => byteOrder(id, after) > 0).sort(byteOrder);
      return ids.flatMap((id) => (isLive(held.rows.get(id)!) ? [opened(id, held.rows.get(id)!)] : [])).slice(0, limit);
    },
    page: async (query) => pageOf(collectionOf(query), query, isLive),
    async history(query) {
      const stored = presentIn(collectionOf(query), query.id);
      return stored ? historyOf(stored, query) : { versions: [], next: null };
    },
    async expire(limit) {
      let gone = 0;
      for (const held of collections.values()) {
        for (const [id, { at }] of held.tombstones) if (at <= now() - REMEMBERED_MS) held.tombstones.delete(id);
        for (const [id, stored] of held.rows) {
          if (isLive(stored)) continue;
          const older = stored.older.splice(0, limit - gone);
          gone += older.length;
          if (gone >= limit) return gone;
          drop(held, id);
          gone += 1;
        }
      }
      return gone;
    },
  };

  return { documents, apply };
}

function stale(present: StoredDocument | undefined) {
  return { status: "stale", version: present?.version ?? 0 } as const;
}

function asOlder({ version, body, updatedAt }: StoredDocument) {
  return { version, body, createdAt: updatedAt };
}
