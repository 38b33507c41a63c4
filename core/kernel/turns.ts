/** A bound on how much of one kind of work goes on at once; whoever comes later waits in line. */

export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

export function createTurns(most: number): Turns {
  let busy = 0;
  const line: (() => void)[] = [];
  return async (work) => {
    if (busy >= most) await new Promise<void>((resolve) => line.push(resolve));
    else busy += 1;
    try {
      return await work();
    } finally {
      // The place goes to the next in line, or is free.
      const next = line.shift();
      if (next === undefined) busy -= 1;
      else next();
    }
  };
}
