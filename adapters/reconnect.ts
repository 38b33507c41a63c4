/** A connection that is made again whenever it is over: after a pause that doubles with each failure, and is drawn so that many do not come back at once. */
import type { Clock } from "../core/ports/clock.ts";

const PAUSE_FIRST_MS = 100;
const PAUSE_MOST_MS = 5_000;

/** What one connection tells of itself. */
export interface Attempt {
  /** It stood: the next pause is the first again. */
  stood(): void;
  /** It is known what came of it; a connection that is over is known anyway. */
  settled(): void;
}

export interface Reconnecting {
  /** Resolves when it is known what came of the first attempt. */
  first: Promise<void>;
  /** Resolves when the signal has aborted and the last connection is over. */
  over: Promise<void>;
}

/** Runs `session` again and again until the signal aborts. It is one connection's life and resolves with the reason when it is over, which `lost` is told. */
export function reconnecting(
  session: (attempt: Attempt) => Promise<string>,
  { clock, signal, lost }: { clock: Clock; signal: AbortSignal; lost(reason: string): void },
): Reconnecting {
  async function run(settled: () => void): Promise<void> {
    let failures = 0;
    const stood = () => {
      failures = 0;
    };
    while (!signal.aborted) {
      const reason = await session({ stood, settled });
      settled();
      if (signal.aborted) return;
      lost(reason);
      const pause = Math.min(PAUSE_MOST_MS, PAUSE_FIRST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
      failures += 1;
      await clock.sleep(pause, signal);
    }
  }

  let over: Promise<void> = Promise.resolve();
  const first = new Promise<void>((settled) => {
    over = run(settled);
  });
  return { first, over };
}
