/**
 * Long streams of bytes that need not be held to be checked: every byte follows from its place.
 */

const CHUNK_BYTES = 65_549;

/** `length` bytes of the pattern, from place `start` on. */
export function patterned(start: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    const place = start + index;
    bytes[index] = (place * 31 + (place >>> 8) * 7 + (place >>> 16)) & 0xff;
  }
  return bytes;
}

/** The first `size` bytes of the pattern, made as they are pulled, in chunks of an odd size. */
export function streamed(size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= size) return controller.close();
      const length = Math.min(CHUNK_BYTES, size - at);
      controller.enqueue(patterned(at, length));
      at += length;
    },
  });
}

/** A stream that fails after `size` bytes. */
export function failing(size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= size) return controller.error(new Error("the sender went away"));
      const length = Math.min(CHUNK_BYTES, size - at);
      controller.enqueue(patterned(at, length));
      at += length;
    },
  });
}

/** All bytes of a stream; `null` stays `null`. */
export async function bytesOf(stream: ReadableStream<Uint8Array> | null): Promise<Uint8Array | null> {
  return stream && new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}
