/** An answer that tells how far the work is: what is new goes out as the reader takes it, and a heartbeat while nothing does. */
import type { Clock } from "../ports/clock.ts";
import type { Sink } from "../ports/host.ts";
import { framed, HEARTBEAT } from "./event_stream.ts";

export interface ProgressStream {
  progress(value: unknown): void;
  end(event: "result" | "error", value: unknown): void;
  /** Gives the sink what there is, and from then on what comes. */
  follow(sink: Sink): void;
}

export interface ProgressStreamOptions {
  clock: Clock;
  heartbeatMs: number;
  /** Called when the reader goes away before the end. */
  leave(): void;
}

const encoder = new TextEncoder();

/** Keeps the newest progress and the end until a sink takes them. */
export function createProgressStream({ clock, heartbeatMs, leave }: ProgressStreamOptions): ProgressStream {
  let newest: string | null = null;
  let last: string | null = null;
  let sink: Sink | null = null;
  let writing = false;
  let wroteAt = clock.elapsed();

  function put(to: Sink, text: string): void {
    wroteAt = clock.elapsed();
    to.write(encoder.encode(text));
  }

  /** Progress waits for the reader; the end does not, since after it nothing more can pile up. */
  async function write(to: Sink): Promise<void> {
    if (writing && last === null) return;
    writing = true;
    while (last === null && newest !== null && !to.closed.aborted) {
      const text = newest;
      newest = null;
      put(to, text);
      await to.drained();
    }
    writing = false;
    if (last === null || to.closed.aborted) return;
    put(to, (newest ?? "") + last);
    to.close();
  }

  async function beat(to: Sink): Promise<void> {
    while (!to.closed.aborted) {
      const quiet = clock.elapsed() - wroteAt;
      if (quiet >= heartbeatMs) put(to, HEARTBEAT);
      await clock.sleep(Math.max(1, quiet >= heartbeatMs ? heartbeatMs : heartbeatMs - quiet), to.closed);
      // A reader that takes nothing needs no sign of life.
      await to.drained();
    }
  }

  function changed(): void {
    if (sink === null) return;
    const to = sink;
    // Half an event must not look like a whole one.
    write(to).catch(() => to.abort());
  }

  return {
    progress(value) {
      newest = framed("progress", JSON.stringify(value));
      changed();
    },
    end(event, value) {
      last = framed(event, JSON.stringify(value));
      changed();
    },
    follow(given) {
      sink = given;
      const over = () => (last === null ? leave() : undefined);
      if (given.closed.aborted) over();
      else given.closed.addEventListener("abort", over, { once: true });
      changed();
      beat(given).catch(() => given.abort());
    },
  };
}
