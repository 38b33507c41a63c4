/**
 * Objects as files in one directory, for one machine; several processes may share it.
 * A put goes to a temporary file, then fsync, rename, fsync of the directory: once it resolves, the object survives a crash.
 *
 * The path of a key: each segment but the last is a directory, the last a file whose name ends in `~`, so that `a` and `a/b`
 * can both be objects. File systems allow names of 255 bytes, so a segment of 200 characters or more goes on in a directory
 * whose name ends in `+`; a rest of no characters is `=`.
 */
import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Fault } from "../core/ports/fault.ts";
import type { ObjectInfo, Objects } from "../core/ports/objects.ts";
import { openGate } from "./gate.ts";
import { checkObjectKey } from "./object_key.ts";

const TEMPORARY = "~tmp";
const TEMPORARY_MS = 3_600_000;
const PIECE_CHARACTERS = 200;
const CHUNK_BYTES = 65_536;
const MOST_SETTLED = 1_000;
/** How often a move meets a directory that was just removed before it gives up. */
const MOVES = 200;

/** Opens the directory as an object store; it is made when missing. */
export async function openDisk({ directory }: { directory: string }): Promise<Objects> {
  const root = resolve(directory);
  const temporary = join(root, TEMPORARY);
  const settle = settler(root);
  // Bytes are written in one go, and each write holds a file descriptor: thousands at once would exhaust them.
  const gate = openGate({ calls: 64, bytes: Number.POSITIVE_INFINITY, waitingBytes: Number.POSITIVE_INFINITY });
  let cleanedAt = 0;

  async function cleanNowAndThen(): Promise<void> {
    if (Date.now() - cleanedAt < TEMPORARY_MS) return;
    cleanedAt = Date.now();
    for (const name of await readdir(temporary)) {
      const path = join(temporary, name);
      const file = await stat(path).catch(nothingWhenMissing);
      if (file && Date.now() - file.mtimeMs > TEMPORARY_MS) await unlink(path).catch(nothingWhenMissing);
    }
  }

  async function store(key: string, body: Uint8Array | ReadableStream<Uint8Array>): Promise<ObjectInfo> {
    const path = join(temporary, randomUUID());
    try {
      const { size, mtime } = await writeFile(path, body);
      await onDisk(settle(path, pathOf(root, key)));
      return { key, size, modifiedAt: mtime };
    } catch (error) {
      await unlink(path).catch(() => {});
      throw error;
    }
  }

  await onDisk(mkdir(temporary, { recursive: true }));
  await syncDirectory(dirname(root)).catch(() => {});
  await onDisk(syncDirectory(root));
  await onDisk(cleanNowAndThen());

  return {
    async put(key, body) {
      checkObjectKey(key);
      await onDisk(cleanNowAndThen());
      if (!(body instanceof Uint8Array)) return await store(key, body);
      const leave = await gate.enter(body.byteLength);
      return await store(key, body).finally(leave);
    },
    async get(key, range) {
      checkObjectKey(key);
      const file = await onDisk(open(pathOf(root, key), "r").catch(nothingWhenMissing));
      if (!file) return null;
      const { size } = await onDisk(file.stat());
      const start = range ? range.start : 0;
      return await fileStream(file, start, Math.min(size, range ? range.end + 1 : size));
    },
    async head(key) {
      checkObjectKey(key);
      const file = await onDisk(stat(pathOf(root, key)).catch(nothingWhenMissing));
      return file ? { key, size: file.size, modifiedAt: file.mtime } : null;
    },
    async remove(key) {
      checkObjectKey(key);
      await onDisk(removeFile(root, pathOf(root, key)));
    },
    async list(prefix, after, limit) {
      const found: ObjectInfo[] = [];
      if (limit <= 0) return found;
      for await (const { key, path } of walk({ path: root, begins: "" }, prefix, after)) {
        const file = await onDisk(stat(path).catch(nothingWhenMissing));
        if (file) found.push({ key, size: file.size, modifiedAt: file.mtime });
        if (found.length >= limit) break;
      }
      return found;
    },
    async ready() {
      const path = join(temporary, randomUUID());
      await writeFile(path, new Uint8Array([1]));
      await onDisk(unlink(path));
    },
  };
}

function pathOf(root: string, key: string): string {
  const segments = key.split("/");
  const names = segments.flatMap((segment, index) => {
    const pieces: string[] = [];
    let rest = segment;
    for (; rest.length >= PIECE_CHARACTERS; rest = rest.slice(PIECE_CHARACTERS)) {
      pieces.push(`${rest.slice(0, PIECE_CHARACTERS)}+`);
    }
    return [...pieces, index === segments.length - 1 ? `${rest}~` : rest || "="];
  });
  return join(root, ...names);
}

interface Place {
  path: string;
  /** What the keys at or below the path begin with. */
  begins: string;
}

/** The objects below a directory in byte order of their keys, reading one directory at a time. */
async function* walk(within: Place, prefix: string, after: string): AsyncGenerator<{ key: string; path: string }> {
  const names = await onDisk(readdir(within.path).catch(nothingWhenMissing));
  const places = (names ?? []).flatMap((name): (Place & { isObject: boolean })[] => {
    const [, piece, mark] = /^([A-Za-z0-9._-]*)([~+=]?)$/.exec(name) ?? [];
    if (piece === undefined) return [];
    const begins = within.begins + piece + (mark === "" || mark === "=" ? "/" : "");
    return [{ path: join(within.path, name), begins, isObject: mark === "~" }];
  });
  places.sort((left, right) => (left.begins < right.begins ? -1 : 1));
  for (const { path, begins, isObject } of places) {
    if (isObject) {
      if (begins.startsWith(prefix) && begins > after) yield { key: begins, path };
    } else if (
      (begins.startsWith(prefix) || prefix.startsWith(begins)) &&
      (begins > after || after.startsWith(begins))
    ) {
      yield* walk({ path, begins }, prefix, after);
    }
  }
}

async function writeFile(path: string, body: Uint8Array | ReadableStream<Uint8Array>) {
  const file = await onDisk(open(path, "wx"));
  try {
    if (body instanceof Uint8Array) await onDisk(writeAll(file, body));
    else await writeStream(file, body);
    await onDisk(file.sync());
    return await onDisk(file.stat());
  } finally {
    await file.close().catch(() => {});
  }
}

async function writeStream(file: FileHandle, body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      await onDisk(writeAll(file, read.value));
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.byteLength - at);
    at += bytesWritten;
  }
}

/** The bytes from `start` up to `end`; what fits one chunk is read at once, so that no descriptor stays open for it. */
async function fileStream(file: FileHandle, start: number, end: number): Promise<ReadableStream<Uint8Array>> {
  let at = start;
  const close = () => file.close().catch(() => {});
  const read = async () => {
    const chunk = new Uint8Array(Math.max(0, Math.min(CHUNK_BYTES, end - at)));
    const { bytesRead } = chunk.byteLength > 0 ? await file.read(chunk, 0, chunk.byteLength, at) : { bytesRead: 0 };
    at += bytesRead;
    if (bytesRead === 0 && at < end) throw new Error(`the file ends ${end - at} bytes early`);
    return chunk.subarray(0, bytesRead);
  };
  const next = async () => {
    try {
      const chunk = await read();
      if (at >= end) await close();
      return chunk;
    } catch (error) {
      await close();
      throw error;
    }
  };
  let early = end - start <= CHUNK_BYTES ? await onDisk(next()) : undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = early ?? (at < end ? await onDisk(next()) : undefined);
        early = undefined;
        if (chunk && chunk.byteLength > 0) controller.enqueue(chunk);
        if (at >= end) controller.close();
      },
      async cancel() {
        await close();
      },
    },
    { highWaterMark: 0 },
  );
}

async function removeFile(root: string, path: string): Promise<void> {
  const removed = await unlink(path).then(() => true, nothingWhenMissing);
  if (!removed) return;
  let directory = dirname(path);
  await syncDirectory(directory).catch(nothingWhenMissing);
  try {
    for (; directory !== root; directory = dirname(directory)) await rmdir(directory);
  } catch {
    // Not empty, or another process was faster: an empty directory is no object either way.
  }
}

/**
 * Moves a file to its place for good. A new directory is only durable when each one above it has been synced, so those are
 * remembered by identity: a directory that was removed and made again by another process is a new one.
 */
function settler(root: string): (from: string, to: string) => Promise<void> {
  const settled = new Map<string, string>();

  // Whoever removes the last object of a directory removes the directory too, between our two steps as well.
  async function move(from: string, to: string): Promise<void> {
    for (let tries = MOVES; ; tries -= 1) {
      try {
        return await rename(from, to);
      } catch (error) {
        if (codeOf(error) !== "ENOENT" || tries === 0) throw error;
        await mkdir(dirname(to), { recursive: true }).catch(nothingWhenMissing);
      }
    }
  }

  return async (from, to) => {
    await move(from, to);
    const directory = dirname(to);
    const identity = await syncDirectory(directory).catch(nothingWhenMissing);
    // Missing: the object has been removed again by another process, and its directory with it.
    if (!identity || settled.get(directory) === identity) return;
    for (let above = directory; above !== root; ) {
      above = dirname(above);
      await syncDirectory(above);
    }
    if (settled.size >= MOST_SETTLED) settled.clear();
    settled.set(directory, identity);
  };
}

/** Makes the names in a directory durable; returns what tells it from another at the same path. */
export async function syncDirectory(path: string): Promise<string> {
  const directory = await open(path, "r");
  try {
    const { dev, ino, birthtimeMs } = await directory.stat();
    await directory.sync();
    return `${dev}:${ino}:${birthtimeMs}`;
  } finally {
    await directory.close();
  }
}

async function onDisk<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new Fault("unavailable", "The object store cannot be read or written; send the request again later.", {
      cause,
    });
  }
}

function nothingWhenMissing(error: unknown): undefined {
  const code = codeOf(error);
  if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
