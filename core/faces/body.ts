/** Reading request bodies: counted while they arrive, refused as soon as they are too large. */
import { lazyReader } from "../kernel/lazy_reader.ts";
import { Fault } from "../ports/fault.ts";

/**
 * The body as it comes in, for a reader that counts for itself; throws `too_large` when Content-Length says that it will be. The stream fails with a
 * Fault when the body breaks off; without Content-Length not every runtime tells that from its end.
 */
export function openBody(request: Request, most: number): ReadableStream<Uint8Array> {
  refuseEncoded(request);
  const declared = request.headers.get("content-length");
  const length = declared === null ? null : Number(declared);
  if (length !== null && length > most) throw tooLarge(most, length);
  return request.body === null ? new Blob([]).stream() : wholeOnly(request.body, length);
}

function wholeOnly(body: ReadableStream<Uint8Array>, length: number | null): ReadableStream<Uint8Array> {
  const reader = lazyReader(body);
  let left = length;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch(brokenOff);
        if (!done) {
          if (left !== null) left -= value.length;
          controller.enqueue(value);
        } else if (left !== null && left > 0) brokenOff();
        else controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** The whole body; throws `too_large` at the first byte too many, or at once when Content-Length says so. */
export async function readBody(request: Request, most: number): Promise<Uint8Array<ArrayBuffer>> {
  refuseEncoded(request);
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > most) throw tooLarge(most, Number(length));
    // Of a declared length no more can come, and the runtimes read it faster whole.
    const whole = new Uint8Array(await request.arrayBuffer().catch(brokenOff));
    if (whole.length > most) throw tooLarge(most);
    return whole;
  }
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(brokenOff);
    if (done) break;
    size += value.length;
    if (size > most) {
      void reader.cancel().catch(() => undefined);
      throw tooLarge(most);
    }
    chunks.push(value);
  }
  return joined(chunks, size);
}

function refuseEncoded(request: Request): void {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new Fault(
      "invalid_input",
      `Content-Encoding ${encoding.slice(0, 40)} is not taken; send the body uncompressed`,
    );
  }
}

/** The caller has gone, so nobody reads this; it keeps the log free of errors that are not ours. */
function brokenOff(): never {
  throw new Fault("invalid_input", "The body broke off before its end; send all of it");
}

function joined(chunks: Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** The connection is closed with the answer, since the rest of the body is not read. */
export function tooLarge(most: number, size?: number): Fault {
  const has = size === undefined ? "is larger" : `has ${size} bytes`;
  const words =
    size === undefined
      ? `The body ${has} than ${most} bytes, which is the most`
      : `The body ${has}, the most is ${most}`;
  return new Fault("too_large", `${words}; send a smaller one`, {
    details: { limit_bytes: most },
    headers: { Connection: "close" },
  });
}
