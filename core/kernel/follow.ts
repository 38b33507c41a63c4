/**
 * Who follows what in this process: hands readers to feeders, wakes feeders by knocks and, since knocks may be lost, by one look at all
 * followed subjects each `pollMs`; ends readers whose credentials no longer hold.
 */

import type { Sink } from "../ports/host.ts";
import { createAnswers, sendAway } from "./answers.ts";
import type { House } from "./context.ts";
import type { Feed, Wire } from "./feed.ts";
import { createFeeder, type Feeder } from "./feeder.ts";
import { knockOf } from "./knock.ts";
import { outletsOf } from "./outlet.ts";
import { watchRevoked } from "./revoked.ts";
import type { RingMemory } from "./ring.ts";
import { roundsOf } from "./rounds.ts";
import { createTurns } from "./turns.ts";

/** How many readers of the process read or encode history at once. */
const REPLAYS = 16;
/** The clock's shortest step for heartbeats and ends of answers. */
const TEND_MS = 1_000;

export interface Followers {
  /** Serves `feed` to the sink until either side ends. `name` tells apart feeds that read one subject differently. */
  follow(name: string, feed: Feed, to: { sink: Sink; credentials: readonly string[] }): void;
  /** Whether more answers can be taken; if not, whoever asks is told by `turnAway` to come back later. */
  isOpen(): boolean;
  turnAway(sink: Sink): void;
  /** How many answers are open. */
  count(): number;
  /** Takes no more answers and ends those that are open, spread over so many milliseconds. */
  end(overMs: number): Promise<void>;
}

export function createFollowers(house: House, options: { wire: Wire; signal: AbortSignal }): Followers {
  const { database, clock, knocks, log, once, settings } = house;
  const { wire, signal } = options;
  const feeders = new Map<string, Feeder>();
  const turns = createTurns(REPLAYS);
  const memory: RingMemory = { used: 0 };
  const answers = createAnswers({ wire, clock, heartbeatMs: settings.heartbeatMs, lastsMs: settings.streamMs });
  let ending = false;

  const lookForRevoked = watchRevoked(house, { held: answers.held, gone: answers.endThose });

  // Heard before each feeder hears of it and looks.
  knocks.onEvery((subjects) => {
    if (subjects === "all") for (const feeder of feeders.values()) feeder.doubt();
  });

  function report(error: unknown): void {
    log.write("warn", "follow_check_failed", { error: String(error) });
  }

  async function lookAtSubjects(): Promise<void> {
    const all = [...feeders.values()];
    for (const realm of new Set(all.map((feeder) => feeder.realm))) {
      const mine = all.filter((feeder) => feeder.realm === realm);
      const bounds = await database.journal.bounds(
        realm,
        mine.map((feeder) => feeder.subject),
      );
      for (const [index, feeder] of mine.entries()) if (feeder.isBehind(bounds[index]!)) feeder.wake();
    }
  }

  const whileFollowed = { clock, needed: () => answers.count() > 0, signal, failed: report };

  async function lookAtAll(): Promise<void> {
    await lookAtSubjects().catch(report);
    await lookForRevoked();
  }

  const look = roundsOf(lookAtAll, { ...whileFollowed, everyMs: settings.pollMs });
  // Rounds of their own: a slow database must not make a quiet stream look dead.
  const tend = roundsOf(answers.tend, { ...whileFollowed, everyMs: TEND_MS });

  function feederOf(name: string, feed: Feed, subject: string): Feeder {
    const key = `${name} ${feed.realm} ${subject}`;
    const found = feeders.get(key);
    if (found !== undefined) return found;
    const off = knocks.on(knockOf.journal(feed.realm, subject), (handed) => made.wake(handed));
    const made = createFeeder({
      subject,
      feed,
      wire,
      journal: database.journal,
      clock,
      log,
      turns,
      memory,
      bounds: () =>
        once(`follow/bounds/${feed.realm}/${subject}`, async () => {
          const [bounds] = await database.journal.bounds(feed.realm, [subject]);
          return bounds!;
        }),
      empty() {
        off();
        if (feeders.get(key) === made) feeders.delete(key);
      },
    });
    feeders.set(key, made);
    return made;
  }

  return {
    follow(name, feed, { sink, credentials }) {
      if (ending || signal.aborted) return sendAway(sink, wire);
      answers.open({ sink, credentials });
      const outlets = outletsOf(feed, wire);
      for (const [index, part] of feed.parts.entries()) {
        feederOf(name, feed, part.subject).attach(sink, outlets[index]!, part);
      }
      void look();
      void tend();
    },
    isOpen: () => !ending && answers.count() < settings.maxStreams,
    turnAway: (sink) => sendAway(sink, wire),
    count: answers.count,
    async end(overMs) {
      ending = true;
      await answers.endAll(overMs);
    },
  };
}
