/**
 * Bytes on their way in: counted, summed and bounded while they pass, and never held. What is wrong with them ends the stream with a Fault, so that
 * whoever stores it stores nothing.
 */
import type { Context } from "../../kernel/context.ts";
import { Fault } from "../../ports/fault.ts";

/** A sender from whom nothing comes for this long is given up. */
const SILENT_MS = 30_000;

export interface Incoming {
  body: ReadableStream<Uint8Array>;
  /** Known once the stream has ended, with the moment on the process's clock when it did. */
  seen(): { size: number; sha256: string; at: number };
}

export interface Bounds {
  /** The most bytes, and what is said to more. */
  most: number;
  tooLarge(): Fault;
  /** The sum that the sender gave, if it gave one. */
  sha256: string | undefined;
}

/** The bytes of `source` as they may be stored. */
export function incoming(
  source: ReadableStream<Uint8Array>,
  { clock, hashes }: Pick<Context, "clock" | "hashes">,
  { most, tooLarge, sha256: expected }: Bounds,
): Incoming {
  const reader = source.getReader();
  const hash = hashes.sha256();
  const over = new AbortController();
  const done: { size: number; sha256: string; at: number } = { size: 0, sha256: "", at: 0 };
  let givenUp: Fault | null = null;

  async function watch(): Promise<void> {
    for (let before = -1; before < done.size; ) {
      before = done.size;
      await clock.sleep(SILENT_MS, over.signal);
      if (over.signal.aborted) return;
    }
    givenUp = silent();
    // Ends the read under way.
    void reader.cancel(givenUp).catch(() => undefined);
  }

  async function next(): Promise<Uint8Array | null> {
    const read = await reader.read().catch(brokenOff);
    if (givenUp !== null) throw givenUp;
    if (read.done) {
      done.sha256 = await hash.hex();
      done.at = clock.elapsed();
      if (expected !== undefined && expected !== done.sha256) throw otherSum(expected, done.sha256);
      return null;
    }
    done.size += read.value.byteLength;
    if (done.size > most) throw tooLarge();
    hash.update(read.value);
    return read.value;
  }

  function end(reason?: unknown): void {
    over.abort();
    // Not awaited: a sender that has been told no may take its time.
    if (reason !== undefined) void reader.cancel(reason).catch(() => undefined);
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await next();
          if (bytes !== null) return controller.enqueue(bytes);
          end();
          controller.close();
        } catch (error) {
          end(error);
          throw error;
        }
      },
      cancel: (reason) => end(reason ?? new Error("nobody takes the bytes")),
    },
    { highWaterMark: 0 },
  );
  void watch();
  return { body, seen: () => done };
}

function brokenOff(error: unknown): never {
  // For another reason than that its sender has gone.
  if (error instanceof Fault && error.code !== "invalid_input") throw error;
  throw new Fault("invalid_input", "The body broke off before its end, so nothing was stored; send all of it");
}

function silent(): Fault {
  return new Fault("timeout", `Nothing came for ${SILENT_MS / 1000} s, so nothing was stored; send the file again`, {
    headers: { Connection: "close" },
  });
}

function otherSum(expected: string, sha256: string): Fault {
  return new Fault(
    "invalid_input",
    `Cannot store the file: X-Content-SHA256 is ${expected}, and the bytes that came have ${sha256}; send the file again`,
    { details: { field: "content_sha256", sha256 } },
  );
}
