/**
 * Bytes on their way out: as many as were promised, and of a whole file those that were stored. The last of them are only given once that is certain, so
 * that a damaged file never passes for a whole one.
 */
import type { Hash } from "../../ports/hashes.ts";

export interface Promised {
  /** How many bytes the answer has. */
  size: number;
  /** The sum of all of them, and what sums them up; null where only a part of the file is sent. */
  check: { sha256: string; hash: Hash } | null;
  /** Is told what is wrong with them. */
  damaged(why: string): void;
}

/** The bytes of `source` as they may be sent. */
export function outgoing(
  source: ReadableStream<Uint8Array>,
  { size, check, damaged }: Promised,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let sent = 0;
  let left = false;

  async function next(): Promise<Uint8Array | null> {
    const { done, value } = await reader.read();
    // Who has left is told no more, and what is cancelled ends early.
    if (left) return null;
    sent += value?.byteLength ?? 0;
    if (done ? sent < size : sent > size) throw broken(`it has ${done ? "only" : "at least"} ${sent} of ${size} bytes`);
    if (done) return null;
    check?.hash.update(value);
    if (sent === size && check !== null && (await check.hash.hex()) !== check.sha256)
      throw broken("its sum is another");
    return value;
  }

  function broken(why: string): Error {
    damaged(why);
    return new Error(`the file is damaged: ${why}`);
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await next();
          if (bytes !== null) controller.enqueue(bytes);
          if (sent < size || left) return;
          // The answer does not wait for the store to say that there is no more.
          controller.close();
          if (bytes !== null)
            void reader.read().then(
              ({ done }) => (done ? undefined : reader.cancel()),
              () => undefined,
            );
        } catch (error) {
          await reader.cancel(error).catch(() => undefined);
          throw error;
        }
      },
      cancel(reason) {
        left = true;
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
