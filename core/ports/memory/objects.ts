/**
 * Objects in memory, held whole: for tests and small trials.
 */
import type { Clock } from "../clock.ts";
import type { ObjectInfo, Objects } from "../objects.ts";

const CHUNK_BYTES = 65_536;

interface StoredObject {
  bytes: Uint8Array;
  modifiedAt: Date;
}

/** An empty object store whose times are the clock's. */
export function memoryObjects(clock: Clock): Objects {
  const objects = new Map<string, StoredObject>();

  function info(key: string, stored: StoredObject): ObjectInfo {
    return { key, size: stored.bytes.length, modifiedAt: new Date(stored.modifiedAt) };
  }

  return {
    async put(key, body) {
      const bytes = body instanceof Uint8Array ? body.slice() : await gathered(body);
      const stored = { bytes, modifiedAt: clock.now() };
      objects.set(key, stored);
      return info(key, stored);
    },
    async get(key, range) {
      const stored = objects.get(key);
      if (!stored) return null;
      return chunks(range ? stored.bytes.subarray(range.start, range.end + 1) : stored.bytes);
    },
    async head(key) {
      const stored = objects.get(key);
      return stored ? info(key, stored) : null;
    },
    async remove(key) {
      objects.delete(key);
    },
    async list(prefix, after, limit) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
      return keys.slice(0, limit).map((key) => info(key, objects.get(key)!));
    },
    async ready() {},
  };
}

async function gathered(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(read.value.slice());
    size += read.value.length;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function chunks(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + CHUNK_BYTES));
      at += CHUNK_BYTES;
    },
  });
}
