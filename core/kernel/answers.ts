/**
 * The long answers that are open: each is kept alive by heartbeats, ended when it does not drain, when its time is over, when a credential
 * it stands on no longer holds, and, spread over a while, when the server stops.
 */
import type { Clock } from "../ports/clock.ts";
import type { Sink } from "../ports/host.ts";
import type { Wire } from "./feed.ts";
import { drain, writeOrCut } from "./reader.ts";
import { spread } from "./spread.ts";

/** A reader with more than this queued at a heartbeat is watched for it. */
const STALLED_BYTES = 65_536;
/** An answer lasts this share of the set time, and up to as much more as less: those who came together do not leave together. */
const SHORTEST = 0.7;
/** How long those who were sent away wait before they come back, in milliseconds. */
const RETRY_MS = { least: 1_000, most: 5_000 };

const encoder = new TextEncoder();

export interface Answer {
  sink: Sink;
  /** The credentials that it stands on: it ends with any of them. */
  credentials: readonly string[];
}

interface Open extends Answer {
  endsAt: number;
  beatAt: number;
  /** It has been told to drain and the time runs. */
  draining: boolean;
}

export interface Answers {
  /** Takes an answer until its sink closes, and writes its opening. */
  open(answer: Answer): void;
  /** Beats those that are due and ends those whose time is over. */
  tend(): void;
  held(): string[];
  /** Ends the answers that stand on one of these credentials. */
  endThose(gone: ReadonlySet<string>): void;
  count(): number;
  /** Ends all, evenly spread over so many milliseconds. */
  endAll(overMs: number): Promise<void>;
}

export interface AnswersOptions {
  wire: Wire;
  clock: Clock;
  heartbeatMs: number;
  /** How long an answer lasts, in milliseconds, ± 30 %. */
  lastsMs: number;
}

/** Tells a reader who is not served, or no longer, when to come back, and ends its answer. */
export function sendAway(sink: Sink, wire: Wire): void {
  sink.write(encoder.encode(wire.farewell(retryMs())));
  sink.close();
}

export function createAnswers({ wire, clock, heartbeatMs, lastsMs }: AnswersOptions): Answers {
  const all = new Set<Open>();
  const heartbeat = encoder.encode(wire.heartbeat);

  function beat(answer: Open): void {
    if (writeOrCut(answer.sink, heartbeat) <= STALLED_BYTES || answer.draining) return;
    answer.draining = true;
    void drain(answer.sink, clock).then(() => {
      answer.draining = false;
    });
  }

  return {
    open(answer) {
      const now = clock.elapsed();
      const endsAt = now + lastsMs * (SHORTEST + Math.random() * 2 * (1 - SHORTEST));
      const open: Open = { ...answer, endsAt, beatAt: now + heartbeatMs, draining: false };
      all.add(open);
      answer.sink.closed.addEventListener("abort", () => all.delete(open), { once: true });
      if (answer.sink.closed.aborted) all.delete(open);
      else answer.sink.write(encoder.encode(wire.opening(retryMs())));
    },
    tend() {
      const now = clock.elapsed();
      for (const answer of [...all]) {
        if (answer.endsAt <= now) sendAway(answer.sink, wire);
        else if (answer.beatAt <= now) {
          answer.beatAt = now + heartbeatMs;
          beat(answer);
        }
      }
    },
    held: () => [...new Set(Array.from(all).flatMap(({ credentials }) => credentials))],
    endThose(gone) {
      for (const { sink, credentials } of [...all]) if (credentials.some((id) => gone.has(id))) sink.close();
    },
    count: () => all.size,
    async endAll(overMs) {
      await spread(all, { overMs, clock }, ({ sink }) => sendAway(sink, wire));
      for (const { sink } of [...all]) sendAway(sink, wire);
    },
  };
}

function retryMs(): number {
  return Math.round(RETRY_MS.least + Math.random() * (RETRY_MS.most - RETRY_MS.least));
}
