/** Doing something to many, evenly spread over a while, so that those it concerns do not all act at once. */
import type { Clock } from "../ports/clock.ts";

/** Acts on each that is present now, over so many milliseconds; nobody is waited for who has left in the meantime. */
export async function spread<T>(
  present: ReadonlySet<T>,
  { overMs, clock }: { overMs: number; clock: Clock },
  act: (one: T) => void,
): Promise<void> {
  const all = [...present];
  const began = clock.elapsed();
  for (const [index, one] of all.entries()) {
    if (!present.has(one)) continue;
    const due = began + (overMs * index) / all.length;
    if (due > clock.elapsed()) await clock.sleep(due - clock.elapsed());
    act(one);
  }
}
