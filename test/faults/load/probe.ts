/**
 * Requests at a fixed rate, whether the ones before have been answered or not, each tried once: what clients without retries see. A rate that waits for answers would
 * leave out just the moments in which answers are slow.
 */
import type { Channel } from "./history.ts";
import { type Answer, type Ask, ask } from "./http.ts";

export interface Request extends Ask {
  url: string;
}

const REFUSED_MS = 1_000;
const REFUSED_PAUSE_MS = 20;

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
export function startProbe(everyMs: number, next: () => Request | null): Probe {
  const shots: Shot[] = [];
  const under = new Set<Promise<void>>();

  async function shoot(first: Request): Promise<void> {
    const at = performance.now();
    for (let wanted: Request | null = first; wanted !== null; wanted = next()) {
      const { url, ...how } = wanted;
      const { status, body, refused } = await ask(url, how).then(answered, unanswered);
      // Where nobody listens nothing was sent, so every balancer tries another server.
      if (refused && performance.now() - at < REFUSED_MS) {
        await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
        continue;
      }
      shots.push({ at, ms: performance.now() - at, status, body });
      return;
    }
  }

  let due = performance.now();
  const timer = setInterval(
    () => {
      // A timer that comes late owes the requests of the time it has missed.
      for (; due <= performance.now(); due += everyMs) {
        const wanted = next();
        if (wanted === null) continue;
        const done = shoot(wanted).then(() => void under.delete(done));
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
): Request {
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

function answered({ status, body }: Answer): { status: number; body: string; refused: boolean } {
  return { status, body, refused: false };
}

function unanswered(error: NodeJS.ErrnoException): { status: number; body: string; refused: boolean } {
  return { status: 0, body: error.message, refused: error.code === "ECONNREFUSED" };
}
