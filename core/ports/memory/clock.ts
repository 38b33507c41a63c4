/**
 * A clock that stands still until it is told to move: the twin of the process's clock, for tests.
 */
import type { Clock } from "../clock.ts";

export interface MemoryClock extends Clock {
  /**
   * Lets `ms` milliseconds pass. Sleepers wake at their own instants, the earliest first, and what they then do runs before
   * the next instant comes: a loop that sleeps one second runs five times in `advance(5000)`.
   */
  advance(ms: number): Promise<void>;
  /** Sets `now()` forward or back by `ms`, as an operator does with a wrong clock: no time passes and nobody wakes. */
  jump(ms: number): void;
}

interface Sleeper {
  due: number;
  wake(): void;
}

const START = Date.UTC(2026, 0, 1);

/** A clock that shows `start` (the first of January 2026 when left out). */
export function memoryClock(start: Date = new Date(START)): MemoryClock {
  const sleepers = new Set<Sleeper>();
  let offset = start.getTime();
  let elapsed = 0;
  let goal = 0;

  function earliest(by: number): number | undefined {
    let due: number | undefined;
    for (const sleeper of sleepers)
      if (sleeper.due <= by && (due === undefined || sleeper.due < due)) due = sleeper.due;
    return due;
  }

  return {
    now: () => new Date(offset + elapsed),
    elapsed: () => elapsed,
    sleep(ms, signal) {
      if (ms <= 0 || signal?.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper: Sleeper = { due: elapsed + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake);
      });
    },
    async advance(ms) {
      if (ms < 0) throw new RangeError(`time cannot advance by ${ms} ms`);
      goal += ms;
      const target = goal;
      for (let due = earliest(target); due !== undefined; due = earliest(target)) {
        elapsed = Math.max(elapsed, due);
        for (const sleeper of [...sleepers]) if (sleeper.due <= elapsed) sleeper.wake();
        await settled();
      }
      elapsed = Math.max(elapsed, target);
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    },
    jump(ms) {
      offset += ms;
    },
  };
}

/** Resolves when the promises that hang on one another have had their turns; a timer per step would make long advances slow. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 256; turn += 1) await null;
}
