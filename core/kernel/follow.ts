/**
 * Who follows what in this process: hands readers to feeders, wakes feeders by knocks and, since knocks may be lost, by one look at all
 * followed subjects each `pollMs`; ends readers whose credential no longer holds.
 */

import type { Sink } from "../ports/host.ts";
import type { House } from "./context.ts";
import type { Feed, Wire } from "./feed.ts";
import { createFeeder, type Feeder } from "./feeder.ts";
import { concernsCredentials, knockOf } from "./knock.ts";
import { createTurns } from "./turns.ts";

/** How many readers of the process read or encode history at once. */
const REPLAYS = 16;

export interface Followers {
  /** Serves `feed` to the sink until either side ends. `name` tells apart feeds that read one subject differently. */
  follow(name: string, feed: Feed, to: { sink: Sink; credential: string | null }): void;
  /** How many answers are open. */
  count(): number;
  /** Ends all answers. */
  end(): void;
}

export function createFollowers(house: House, options: { wire: Wire; signal: AbortSignal }): Followers {
  const { database, clock, knocks, log, settings } = house;
  const feeders = new Map<string, Feeder>();
  const turns = createTurns(REPLAYS);

  knocks.onEvery((subjects) => {
    // Every publish knocks; only a knock on a credential is worth a walk over the readers.
    if (!concernsCredentials(subjects)) return;
    const held =
      subjects === "all"
        ? heldCredentials()
        : heldCredentials().filter((id) => subjects.includes(knockOf.credential(id)));
    if (held.length > 0) endRevoked(held).catch(report);
  });

  function report(error: unknown): void {
    log.write("warn", "follow_check_failed", { error: String(error) });
  }

  function heldCredentials(): string[] {
    const held = new Set<string>();
    for (const feeder of feeders.values())
      for (const reader of feeder.readers) if (reader.credential !== null) held.add(reader.credential);
    return [...held];
  }

  async function endRevoked(held: string[]): Promise<void> {
    const valid = await house.credentials.stillValid(held);
    const gone = new Set(held.filter((id) => !valid.has(id)));
    if (gone.size === 0) return;
    for (const feeder of feeders.values()) {
      for (const reader of feeder.readers)
        if (reader.credential !== null && gone.has(reader.credential)) reader.sink.close();
    }
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

  /** Repeats a round each `pollMs` while somebody follows something; calling it while it runs changes nothing. */
  function whileFollowed(round: () => Promise<void> | void): () => Promise<void> {
    let running = false;
    return async () => {
      if (running) return;
      running = true;
      while (feeders.size > 0 && !options.signal.aborted) {
        await clock.sleep(settings.pollMs, options.signal);
        await Promise.resolve().then(round).catch(report);
      }
      running = false;
    };
  }

  const look = whileFollowed(async () => {
    await lookAtSubjects().catch(report);
    const held = heldCredentials();
    if (held.length > 0) await endRevoked(held);
  });

  // A loop of its own: a slow database must not make a quiet stream look dead.
  let beaten = clock.elapsed();
  const beat = whileFollowed(() => {
    if (clock.elapsed() - beaten < settings.heartbeatMs) return;
    beaten = clock.elapsed();
    for (const feeder of feeders.values()) feeder.beat();
  });

  function feederOf(name: string, feed: Feed): Feeder {
    const key = `${name} ${feed.realm} ${feed.subject}`;
    const found = feeders.get(key);
    if (found !== undefined) return found;
    const off = knocks.on(knockOf.journal(feed.realm, feed.subject), () => made.wake());
    const made = createFeeder({
      feed,
      wire: options.wire,
      journal: database.journal,
      clock,
      log,
      turns,
      empty() {
        off();
        if (feeders.get(key) === made) feeders.delete(key);
      },
    });
    feeders.set(key, made);
    return made;
  }

  return {
    follow(name, feed, { sink, credential }) {
      if (options.signal.aborted) return sink.close();
      feederOf(name, feed).attach({ sink, credential, cursor: feed.after }, feed.start);
      void look();
      void beat();
    },
    count: () => [...feeders.values()].reduce((sum, feeder) => sum + feeder.readers.size, 0),
    end() {
      for (const feeder of [...feeders.values()]) feeder.end();
    },
  };
}
