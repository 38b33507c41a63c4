/**
 * Requests at a fixed rate, whether the ones before have been answered or not, each tried once: what clients without retries see. A rate that waits for answers would
 * leave out just the moments in which answers are slow.
 */
import type { Channel } from "./history.ts";
import { type Ask, ask } from "./http.ts";

export interface Shot {
  /** When it was sent, by `performance.now()`. */
  at: number;
  ms: number;
  /** 0: no answer; `body` says why. */
  status: number;
  body: string;
}

export interface Probe {
  shots: Shot[];
  /** Sends no more; resolves when the last answer has come. */
  stop(): Promise<void>;
}

/** `next` says what is sent each `everyMs`; null leaves one out. */
export function startProbe(everyMs: number, next: () => ({ url: string } & Ask) | null): Probe {
  const shots: Shot[] = [];
  const under = new Set<Promise<void>>();

  async function shoot(url: string, how: Ask): Promise<void> {
    const at = performance.now();
    const { status, body } = await ask(url, how).catch((error: Error) => ({ status: 0, body: error.message }));
    shots.push({ at, ms: performance.now() - at, status, body });
  }

  let due = performance.now();
  const timer = setInterval(
    () => {
      // A timer that comes late owes the requests of the time it has missed.
      for (; due <= performance.now(); due += everyMs) {
        const wanted = next();
        if (wanted === null) continue;
        const { url, ...how } = wanted;
        const done = shoot(url, how).then(() => void under.delete(done));
        under.add(done);
      }
    },
    Math.min(everyMs, 20),
  );
  return {
    shots,
    async stop() {
      clearInterval(timer);
      await Promise.all(under);
    },
  };
}

/** Those sent from one moment to another. */
export function between(shots: readonly Shot[], from: number, to: number): Shot[] {
  return shots.filter(({ at }) => at >= from && at < to);
}

/** Ids that were acknowledged, of publishes of one message. */
export function acknowledgedIds(shots: readonly Shot[]): string[] {
  return shots.filter(({ status }) => status === 201).map(({ body }) => (JSON.parse(body) as { id: string }).id);
}

/** A publish of one message, as a request. */
export function publishing(
  server: string,
  channel: Channel,
  { payload, key }: { payload: unknown; key?: string },
): { url: string } & Ask {
  return {
    url: `${server}/v1/channels/${channel.id}/publish`,
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-Publish-Token": channel.publishToken,
      ...(key === undefined ? {} : { "Idempotency-Key": key }),
    },
    body: JSON.stringify({ payload }),
    timeoutMs: 15_000,
  };
}
