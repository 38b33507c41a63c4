/** The lines of a body, read as they come: what is not read yet waits at the sender's. Of a line that is too long nothing is kept but its length. */

export interface Line {
  /** From 1. */
  number: number;
  /** Without the line's end; null when it is longer than `most`. */
  bytes: Uint8Array | null;
}

const NEWLINE = 10;

/** All lines, the last one too if nothing ends it; throws what the stream throws. Ending early gives the stream up. */
export async function* linesOf(stream: ReadableStream<Uint8Array>, most: number): AsyncGenerator<Line> {
  const reader = stream.getReader();
  let parts: Uint8Array[] = [];
  let length = 0;
  let number = 0;

  function take(part: Uint8Array): void {
    length += part.length;
    if (length <= most) parts.push(part);
    else parts = [];
  }

  function end(): Line {
    number += 1;
    const line: Line = { number, bytes: length > most ? null : joined(parts, length) };
    parts = [];
    length = 0;
    return line;
  }

  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let from = 0;
      for (let at = value.indexOf(NEWLINE); at !== -1; at = value.indexOf(NEWLINE, from)) {
        take(value.subarray(from, at));
        yield end();
        from = at + 1;
      }
      // A copy: the rest of a chunk must not keep the chunk, nor change with it.
      if (from < value.length) take(value.slice(from));
    }
    if (length > 0) yield end();
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
