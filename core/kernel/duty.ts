/** Work that the server does by itself, on one process at a time. */
import type { House } from "./context.ts";

export interface Duty {
  /** For example "channels.expire_messages"; also the name of its lease. */
  name: string;
  /** Milliseconds between two runs. */
  everyMs: number;
  /** Does one round; returns what it did as counts for the log. It stops soon after `signal` aborts. */
  run(house: House, signal: AbortSignal): Promise<Record<string, number>>;
}

/** Runs each duty at its interval until `signal` aborts, when this process gets its lease. */
export async function runDuties(duties: readonly Duty[], house: House, signal: AbortSignal): Promise<void> {
  await Promise.all(duties.map((duty) => runDuty(duty, house, signal)));
}

async function runDuty(duty: Duty, house: House, signal: AbortSignal): Promise<void> {
  const { database, clock, log } = house;
  while (!signal.aborted) {
    await clock.sleep(duty.everyMs, signal);
    if (signal.aborted) return;
    const began = clock.elapsed();
    try {
      const lease = await database.lease(`duty/${duty.name}`, Math.max(duty.everyMs, 60_000));
      if (lease === null) continue;
      try {
        const counts = await duty.run(house, signal);
        const busy = Object.values(counts).some((count) => count > 0);
        log.write(busy ? "info" : "debug", "duty", {
          duty: duty.name,
          ms: Math.round(clock.elapsed() - began),
          ...counts,
        });
      } finally {
        await lease.release();
      }
    } catch (error) {
      log.write("warn", "duty_failed", { duty: duty.name, error: String(error) });
    }
  }
}
