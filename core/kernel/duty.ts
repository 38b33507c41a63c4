/** Work that the server does by itself, on one process at a time. */
import type { Clock } from "../ports/clock.ts";
import type { Lease } from "../ports/database.ts";
import type { House } from "./context.ts";

/** The shortest lease, in milliseconds: long enough that a process at work renews it well in time. */
const LEASE_MIN_MS = 60_000;

export interface Duty {
  /** For example "channels.expire_messages"; also the name of its lease. */
  name: string;
  /** Milliseconds between two runs. */
  everyMs: number;
  /** The first round comes at the start, and not `everyMs` later. */
  atOnce?: true;
  /** Does one round; returns what it did as counts for the log. It stops soon after `signal` aborts. */
  run(house: House, signal: AbortSignal): Promise<Record<string, number>>;
}

/** Runs each duty at its interval until `signal` aborts, when this process gets its lease. */
export async function runDuties(duties: readonly Duty[], house: House, signal: AbortSignal): Promise<void> {
  // A signal of its own for each: many that listen to one look like a leak to Node.
  const ends = duties.map(() => new AbortController());
  signal.addEventListener("abort", () => {
    for (const end of ends) end.abort();
  });
  if (signal.aborted) return;
  await Promise.all(duties.map((duty, index) => runDuty(duty, house, ends[index]!.signal)));
}

async function runDuty(duty: Duty, house: House, signal: AbortSignal): Promise<void> {
  const { database, clock, log } = house;
  const leaseMs = Math.max(duty.everyMs, LEASE_MIN_MS);
  for (let rounds = 0; !signal.aborted; rounds += 1) {
    if (rounds > 0 || !duty.atOnce) await clock.sleep(duty.everyMs, signal);
    if (signal.aborted) return;
    const began = clock.elapsed();
    const round = new AbortController();
    const stop = () => round.abort();
    signal.addEventListener("abort", stop);
    try {
      const lease = await database.lease(`duty/${duty.name}`, leaseMs);
      if (lease === null) continue;
      try {
        void keep(lease, { clock, everyMs: leaseMs / 3, round });
        const counts = await duty.run(house, round.signal);
        const busy = Object.values(counts).some((count) => count > 0);
        log.write(busy ? "info" : "debug", "duty", {
          duty: duty.name,
          ms: Math.round(clock.elapsed() - began),
          ...counts,
        });
      } finally {
        round.abort();
        await lease.release();
      }
    } catch (error) {
      log.write("warn", "duty_failed", { duty: duty.name, error: String(error) });
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

/** Renews the lease while the round lasts, and stops the round when it is lost: another process may have begun. */
async function keep(
  lease: Lease,
  { clock, everyMs, round }: { clock: Clock; everyMs: number; round: AbortController },
): Promise<void> {
  for (;;) {
    await clock.sleep(everyMs, round.signal);
    if (round.signal.aborted) return;
    if (!(await lease.renew().catch(() => false))) round.abort();
  }
}
