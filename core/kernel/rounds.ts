/** Rounds of work that come again and again, as long as there is somebody to do them for. */
import type { Clock } from "../ports/clock.ts";

export interface Rounds {
  clock: Clock;
  everyMs: number;
  /** Whether there is still somebody. */
  needed(): boolean;
  /** Ends the rounds for good. */
  signal: AbortSignal;
  /** Told of a round that failed; the next one comes all the same. */
  failed(error: unknown): void;
}

/** The function that begins the rounds, the first of them `everyMs` later; calling it while they go on changes nothing. */
export function roundsOf(round: () => Promise<void> | void, options: Rounds): () => Promise<void> {
  const { clock, everyMs, needed, signal, failed } = options;
  let running = false;
  return async () => {
    if (running) return;
    running = true;
    while (needed() && !signal.aborted) {
      await clock.sleep(everyMs, signal);
      await Promise.resolve().then(round).catch(failed);
    }
    running = false;
  };
}
