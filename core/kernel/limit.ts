/** Rate limits per process by the generic cell rate algorithm, in bounded memory. Says what the `RateLimit` headers say (draft-ietf-httpapi-ratelimit-headers-10). */
import type { Clock } from "../ports/clock.ts";
import { Fault } from "../ports/fault.ts";
import type { Rate, RateClass, RateLimits } from "./settings.ts";

export interface Limiter {
  /** Takes one request of the class for the key; returns response headers, or throws `rate_limited` with `Retry-After`. */
  take(rateClass: RateClass, key: string): Record<string, string>;
  /** Throws like `take` when the key has nothing left, and takes nothing. */
  check(rateClass: RateClass, key: string): void;
}

/** The most buckets kept at once: further keys share one bucket per class until others have recovered. */
export const BUCKETS_MAX = 100_000;

const SWEEP = 64;

export function createLimiter(limits: RateLimits | null, clock: Clock, bucketsMax = BUCKETS_MAX): Limiter {
  if (limits === null) return { take: () => ({}), check: () => undefined };
  const table = limits;
  /** Key → the instant at which the bucket is empty again (theoretical arrival time). */
  const buckets = new Map<string, number>();

  function bucketOf(rateClass: RateClass, key: string, now: number): string {
    const name = `${rateClass} ${key}`;
    if (buckets.has(name) || buckets.size < bucketsMax) return name;
    let looked = 0;
    for (const [other, arrival] of buckets) {
      if (arrival <= now) buckets.delete(other);
      looked += 1;
      if (looked === SWEEP) break;
    }
    return buckets.size < bucketsMax ? name : `${rateClass} overflow`;
  }

  /** Where the key's bucket stands; throws when another request would overflow it. */
  function stand(rateClass: RateClass, key: string) {
    const { count, perMs } = table[rateClass];
    const cost = perMs / count;
    const now = clock.elapsed();
    const bucket = bucketOf(rateClass, key, now);
    const next = Math.max(buckets.get(bucket) ?? now, now) + cost;
    const policy = { "RateLimit-Policy": `"${rateClass}";q=${count};w=${Math.ceil(perMs / 1000)}` };
    const wait = next - now - perMs;
    if (wait > 1e-6) throw limited(rateClass, Math.max(1, Math.ceil(wait / 1000)), { rate: table[rateClass], policy });
    const left = Math.floor((perMs - (next - now)) / cost + 1e-6);
    const headers = { ...policy, RateLimit: `"${rateClass}";r=${left};t=${Math.ceil((next - now) / 1000)}` };
    return { bucket, next, headers };
  }

  return {
    take(rateClass, key) {
      const { bucket, next, headers } = stand(rateClass, key);
      buckets.delete(bucket);
      buckets.set(bucket, next);
      return headers;
    },
    check: (rateClass, key) => void stand(rateClass, key),
  };
}

function limited(rateClass: RateClass, seconds: number, of: { rate: Rate; policy: Record<string, string> }): Fault {
  const { count, perMs } = of.rate;
  const words = `Too many requests: at most ${count} per ${describeSpan(perMs)}; try again in ${seconds} s`;
  return new Fault("rate_limited", words, {
    details: { limit: count, per_seconds: perMs / 1000, retry_after_seconds: seconds },
    headers: { ...of.policy, RateLimit: `"${rateClass}";r=0;t=${seconds}`, "Retry-After": String(seconds) },
  });
}

function describeSpan(ms: number): string {
  if (ms === 1_000) return "second";
  return ms === 60_000 ? "minute" : `${ms / 1000} s`;
}
