/** A long answer as a `ReadableStream`: `Host.stream` for every runtime that has no faster way of its own, and for tests. */
import type { Sink } from "./host.ts";

/** Bytes that may wait before `drained` holds back. */
const DRAINED_BYTES = 65_536;

export function streamResponse(serve: (sink: Sink) => void, init: { status: number; headers: Headers }): Response {
  const over = new AbortController();
  let waiting: (() => void)[] = [];
  let controller!: ReadableStreamDefaultController<Uint8Array>;

  function release(): void {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve();
  }

  function finish(): void {
    over.abort();
    release();
  }

  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
      },
      pull: release,
      cancel: finish,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: DRAINED_BYTES }),
  );

  serve({
    write(bytes) {
      if (over.signal.aborted) return 0;
      controller.enqueue(bytes);
      return Math.max(0, DRAINED_BYTES - (controller.desiredSize ?? 0));
    },
    drained() {
      if (over.signal.aborted || (controller.desiredSize ?? 1) > 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    close() {
      if (over.signal.aborted) return;
      controller.close();
      finish();
    },
    abort() {
      if (over.signal.aborted) return;
      controller.error(new Error("the answer was ended"));
      finish();
    },
    closed: over.signal,
  });
  return new Response(body, init);
}
