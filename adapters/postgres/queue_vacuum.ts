/**
 * Clears away what claims leave behind. Each claim walks over the index entries of those before it that no vacuum has removed, 17 ns for each,
 * and the server's own vacuum comes by once a minute at best: too late for a queue that gives out tens of thousands of jobs each second.
 */
import type { Pool, Statement } from "./pool.ts";

const VACUUM: Statement = {
  name: "queue_vacuum",
  text: "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) queue_jobs",
};

/** How many jobs are claimed from one time to the next, at the least. */
const AFTER_LEAST = 20_000;
/** A large table takes longer, and is worth it after so many more for each millisecond. */
const AFTER_EACH_MS = 200;

export interface Vacuum {
  /** Counts jobs that this process has claimed. */
  claimed(count: number): void;
  /** Resolves when none is under way. */
  drained(): Promise<void>;
}

/** A vacuum over the pool; `afterLeast` is for tests. */
export function openVacuum(pool: Pool, afterLeast: number = AFTER_LEAST): Vacuum {
  let count = 0;
  let after = afterLeast;
  let running: Promise<void> | null = null;

  async function run(): Promise<void> {
    const started = performance.now();
    // Where it fails, or is cancelled by the time limit of statements, the server's own has to do.
    await pool.query(VACUUM, []).catch(() => undefined);
    after = Math.max(afterLeast, (performance.now() - started) * AFTER_EACH_MS);
    count = 0;
    running = null;
  }

  return {
    claimed(jobs) {
      count += jobs;
      if (count >= after) running ??= run();
    },
    async drained() {
      await running;
    },
  };
}
