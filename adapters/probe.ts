/**
 * A question about readiness that anybody may ask at any rate: one is under way at a time, and its answer, good or bad, holds for a second.
 * Not for anything whose answer must be fresh.
 */
import type { Clock } from "../core/ports/clock.ts";

const HOLDS_MS = 1_000;

/** Asks by `ask`, one question for all who want to know. */
export function sharedProbe<T>(ask: () => Promise<T>, clock: Pick<Clock, "elapsed">): () => Promise<T> {
  let answer: Promise<T> | null = null;
  /** When the answer ends to hold; not while it is awaited. */
  let until = Number.POSITIVE_INFINITY;
  return () => {
    if (answer !== null && clock.elapsed() < until) return answer;
    until = Number.POSITIVE_INFINITY;
    const asked = ask();
    const answered = () => {
      until = clock.elapsed() + HOLDS_MS;
    };
    asked.then(answered, answered);
    answer = asked;
    return asked;
  };
}
