/**
 * The files store in memory: the reference model of `core/ports/files.ts`.
 */
import type { Clock } from "../clock.ts";
import { type Files, SPENT_MS, type StoredFile } from "../files.ts";

/** An empty store whose times are the clock's; `dropped` is told the object key of every file that goes, `waits` whether one awaits deletion. */
export function memoryFiles(ports: {
  clock: Clock;
  dropped: (key: string) => void;
  waits: (key: string) => boolean;
}): Files {
  const files = new Map<string, StoredFile>();
  const now = () => ports.clock.now().getTime();
  const expired = (file: StoredFile) => file.expiresAt.getTime() <= now();

  function live(id: string): StoredFile | undefined {
    const file = files.get(id);
    return file === undefined || expired(file) ? undefined : file;
  }

  function usedBy(owner: string): number {
    let bytes = 0;
    for (const file of files.values()) if (file.owner === owner) bytes += file.size;
    return bytes;
  }

  function drop(file: StoredFile): void {
    files.delete(file.id);
    ports.dropped(file.objectKey);
  }

  return {
    async add({ ttlMs, ...file }, quota) {
      const used = usedBy(file.owner);
      if (used + file.size > quota) return { status: "full", used };
      const createdAt = new Date(now());
      const expiresAt = new Date(now() + ttlMs);
      files.set(file.id, { ...file, createdAt, expiresAt, downloads: 0 });
      return { status: "added", createdAt, expiresAt };
    },
    async get(id) {
      const file = live(id);
      return file === undefined ? null : copied(file);
    },
    async take(id) {
      const file = live(id);
      if (file === undefined || file.downloads === file.maxDownloads) return false;
      file.downloads += 1;
      if (file.downloads === file.maxDownloads)
        file.expiresAt = new Date(Math.min(file.expiresAt.getTime(), now() + SPENT_MS));
      return true;
    },
    async remove(id) {
      const file = live(id);
      if (file === undefined) return false;
      drop(file);
      return true;
    },
    async list(owner, before, limit) {
      const found = [...files.values()].filter(
        (file) => !expired(file) && (owner === null || file.owner === owner) && (before === null || file.id < before),
      );
      return found
        .sort((left, right) => (left.id < right.id ? 1 : -1))
        .slice(0, limit)
        .map(copied);
    },
    used: async (owner) => usedBy(owner),
    async expire(limit) {
      const due = [...files.values()].filter(expired).slice(0, limit);
      for (const file of due) drop(file);
      return due.length;
    },
    async referenced(keys) {
      const held = new Set([...files.values()].map(({ objectKey }) => objectKey));
      return [...new Set(keys)].filter((key) => held.has(key) || ports.waits(key));
    },
  };
}

function copied(file: StoredFile): StoredFile {
  return { ...file, createdAt: new Date(file.createdAt), expiresAt: new Date(file.expiresAt) };
}
