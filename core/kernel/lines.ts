/** The lines of a body, read as they come: what is not read yet waits at the sender's. Of a line that is too long nothing is kept. */

export interface Line {
  /** From 1. */
  number: number;
  /** Without the line's end; null when it is longer than `most`, which is told before the line's end has come. */
  bytes: Uint8Array | null;
}

const NEWLINE = 10;
const NOTHING = new Uint8Array();

/** All lines, the last one too if nothing ends it; throws what the stream throws. Ending early gives the stream up. */
export async function* linesOf(stream: ReadableStream<Uint8Array>, most: number): AsyncGenerator<Line> {
  const reader = stream.getReader();
  /** What of the line came in chunks before this one; one buffer, since a chunk may be as small as a byte. */
  let begun: Uint8Array = NOTHING;
  let length = 0;
  let number = 1;

  /** Keeps a part of the line until the rest comes; whether this makes it too long. */
  function keep(part: Uint8Array): boolean {
    const fitted = length <= most;
    const whole = length + part.length;
    if (whole > most) begun = NOTHING;
    else if (part.length > 0) {
      begun = withRoom(begun, { length, needed: whole, most });
      begun.set(part, length);
    }
    length = whole;
    return fitted && whole > most;
  }

  /** The line that ends with this part; null when it has been told already that it is too long. */
  function ended(part: Uint8Array): Line | null {
    if (length === 0 && part.length <= most) return { number, bytes: part };
    if (keep(part)) return { number, bytes: null };
    return length > most ? null : { number, bytes: begun.subarray(0, length) };
  }

  function* cut(chunk: Uint8Array): Generator<Line> {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      const line = ended(chunk.subarray(from, at));
      if (line !== null) yield line;
      // The bytes are the reader's from now on.
      begun = NOTHING;
      length = 0;
      number += 1;
      from = at + 1;
    }
    if (keep(chunk.subarray(from))) yield { number, bytes: null };
  }

  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* cut(value);
    }
    if (length > 0 && length <= most) yield { number, bytes: begun.subarray(0, length) };
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** The buffer, or one at least twice as large with what it holds. */
function withRoom(
  buffer: Uint8Array,
  { length, needed, most }: { length: number; needed: number; most: number },
): Uint8Array {
  if (needed <= buffer.length) return buffer;
  const larger = new Uint8Array(Math.min(most, Math.max(needed, 2 * buffer.length)));
  larger.set(buffer.subarray(0, length));
  return larger;
}
