/** The lines of a body, read as they come: what is not read yet waits at the sender's. Of a line that is too long nothing is kept. */

export interface Line {
  /** From 1. */
  number: number;
  /** Without the line's end; null when it is longer than `most`, which is told before the line's end has come. */
  bytes: Uint8Array | null;
}

const NEWLINE = 10;

/** All lines, the last one too if nothing ends it; throws what the stream throws. Ending early gives the stream up. */
export async function* linesOf(stream: ReadableStream<Uint8Array>, most: number): AsyncGenerator<Line> {
  const reader = stream.getReader();
  let parts: Uint8Array[] = [];
  let length = 0;
  let number = 1;

  /** Adds to the line; whether this makes it too long. */
  function take(part: Uint8Array): boolean {
    const fitted = length <= most;
    length += part.length;
    if (length > most) parts = [];
    else if (part.length > 0) parts.push(part);
    return fitted && length > most;
  }

  function* cut(chunk: Uint8Array): Generator<Line> {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      if (take(chunk.subarray(from, at))) yield { number, bytes: null };
      else if (length <= most) yield { number, bytes: joined(parts, length) };
      parts = [];
      length = 0;
      number += 1;
      from = at + 1;
    }
    // A copy: the rest of a chunk must not keep the chunk, nor change with it.
    if (take(chunk.slice(from))) yield { number, bytes: null };
  }

  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* cut(value);
    }
    if (length > 0 && length <= most) yield { number, bytes: joined(parts, length) };
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
