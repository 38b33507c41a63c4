/** A sink whose reader is as quick or as stuck as a test says, and which keeps what was written. */
import type { Sink } from "../../core/ports/host.ts";

export interface FakeSink extends Sink {
  /** Everything written, as text. */
  text(): string;
  /** The lines of the text. */
  lines(): string[];
  /** How many times something was written. */
  writes(): number;
  /** Stops taking bytes: they queue. */
  stall(): void;
  /** Takes what is queued and goes on. */
  resume(): void;
  /** How it ended; null while it is open. */
  end(): "closed" | "aborted" | null;
}

const DRAINED_BYTES = 65_536;

/** A sink with a reader that takes everything at once, until it is told to stall. */
export function fakeSink(): FakeSink {
  const over = new AbortController();
  const decoder = new TextDecoder();
  const chunks: Uint8Array[] = [];
  let waiting: (() => void)[] = [];
  let queued = 0;
  let stalled = false;
  let end: "closed" | "aborted" | null = null;

  function release(): void {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  }

  function finish(how: "closed" | "aborted"): void {
    end ??= how;
    over.abort();
    release();
  }

  return {
    write(bytes) {
      if (end !== null) return 0;
      chunks.push(bytes);
      const waits = queued + bytes.length;
      queued = stalled ? waits : 0;
      return waits;
    },
    drained: () =>
      end !== null || queued < DRAINED_BYTES ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)),
    close: () => finish("closed"),
    abort: () => finish("aborted"),
    closed: over.signal,
    text() {
      const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      return decoder.decode(whole);
    },
    lines() {
      return this.text().split("\n").slice(0, -1);
    },
    writes: () => chunks.length,
    stall() {
      stalled = true;
    },
    resume() {
      stalled = false;
      queued = 0;
      release();
    },
    end: () => end,
  };
}
