/**
 * Who waits in this process for something new, to be answered once: woken by knocks and, since knocks may be lost, by one look at all journal subjects that
 * are waited for each `pollMs`; who waits for anything else is woken then to look for itself. Sent away when a credential no longer holds, and when the
 * server stops.
 */
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import { Fault } from "../ports/fault.ts";
import type { Bounds } from "../ports/journal.ts";
import type { Log } from "../ports/log.ts";
import type { Credentials } from "./credential.ts";
import { type Knocks, knockOf } from "./knock.ts";
import { watchRevoked } from "./revoked.ts";
import { roundsOf } from "./rounds.ts";
import type { Settings } from "./settings.ts";
import { spread } from "./spread.ts";
import { stopping } from "./stopping.ts";

/** A subject of the journal, or whatever else the knocks on `knock` are about. */
export type WaitedFor = { realm: string; subject: string } | { knock: string };

export interface Waiters {
  /** Takes a place, before the caller looks: what happens between a look and the wait after it wakes at once. Throws `unavailable` when there is none. */
  enter(at: WaitedFor & { holds: readonly string[] }): Waiter;
  /** How many have a place. */
  count(): number;
  /** Takes nobody in any more and sends all away, evenly spread over so many milliseconds. */
  end(overMs: number): Promise<void>;
}

export interface Waiter {
  /**
   * Resolves when there may be something after `after`, with a number that all who were woken together have in common, so that they can look together; with null
   * when `ms` milliseconds are over, the caller has left or the server stops. Throws `unauthorized` once a credential no longer holds. `after` is for journal
   * subjects: who waits for anything else is woken at each look.
   */
  next(how: { after?: string; ms: number; signal: AbortSignal }): Promise<number | null>;
  leave(): void;
}

/** What becomes of a wait: look again in this turn, go away, or fail. */
type Outcome = { turn: number } | "over" | Fault;

interface Place {
  /** Null: not in the journal. */
  at: { realm: string; subject: string } | null;
  holds: readonly string[];
  /** Where its caller stands while it waits; null while it looks. */
  after: string | null;
  tell(outcome: Outcome): void;
}

export interface WaitersOptions {
  database: Database;
  clock: Clock;
  log: Log;
  knocks: Knocks;
  credentials: Credentials;
  /** `maxStreams`: the most who have a place at once. */
  settings: Pick<Settings, "pollMs" | "maxStreams">;
  signal: AbortSignal;
}

export function createWaiters(options: WaitersOptions): Waiters {
  const { database, clock, knocks, log, settings, signal } = options;
  const places = new Set<Place>();
  let turn = 0;
  let ending = false;

  // Heard before those who wait for one subject hear of it, so that they share the number.
  knocks.onEvery(() => {
    turn += 1;
  });

  const lookForRevoked = watchRevoked(options, {
    held: () => [...new Set(Array.from(places).flatMap(({ holds }) => holds))],
    gone(ids) {
      for (const place of [...places]) if (place.holds.some((id) => ids.has(id))) place.tell(ended());
    },
  });

  async function lookAtSubjects(): Promise<void> {
    const waiting = [...places].filter(({ after }) => after !== null);
    turn += 1;
    for (const place of waiting) if (place.at === null) place.tell({ turn });
    for (const realm of new Set(waiting.flatMap(({ at }) => at?.realm ?? []))) {
      const mine = waiting.flatMap((place) => (place.at?.realm === realm ? { place, subject: place.at.subject } : []));
      const subjects = [...new Set(mine.map(({ subject }) => subject))];
      const found = await database.journal.bounds(realm, subjects);
      const bounds = new Map(subjects.map((subject, index) => [subject, found[index]!]));
      turn += 1;
      for (const { place, subject } of mine) if (isBehind(place, bounds.get(subject)!)) place.tell({ turn });
    }
  }

  const report = (error: unknown) => log.write("warn", "wait_look_failed", { error: String(error) });

  async function lookAtAll(): Promise<void> {
    await lookAtSubjects().catch(report);
    await lookForRevoked();
  }

  const needed = () => places.size > 0;
  const look = roundsOf(lookAtAll, { clock, everyMs: settings.pollMs, needed, signal, failed: report });

  return {
    enter(at) {
      if (ending || signal.aborted) throw stopping();
      if (places.size >= settings.maxStreams)
        throw new Fault("unavailable", "Too many callers wait on this server; send the request again in a moment");
      const { place, next } = createPlace(at, clock);
      const knock = "knock" in at ? at.knock : knockOf.journal(at.realm, at.subject);
      const off = knocks.on(knock, () => place.tell({ turn }));
      places.add(place);
      void look();
      return {
        next,
        leave() {
          off();
          places.delete(place);
        },
      };
    },
    count: () => places.size,
    async end(overMs) {
      ending = true;
      await spread(places, { overMs, clock }, (place) => place.tell("over"));
    },
  };
}

function isBehind({ after }: Place, { state, lastId }: Bounds): boolean {
  return after !== null && (state !== "open" || lastId > after);
}

/** A place, and its wait: what it is told while nobody waits is kept for the next wait, and what ends it is kept for good. */
function createPlace(
  { holds, ...waited }: WaitedFor & { holds: readonly string[] },
  clock: Clock,
): { place: Place; next: Waiter["next"] } {
  let told: Outcome | null = null;
  let wake: (() => void) | null = null;

  const place: Place = {
    at: "knock" in waited ? null : waited,
    holds,
    after: null,
    tell(outcome) {
      // The end is not forgotten for a knock that comes after it.
      if (told === null || isTurn(told)) told = outcome;
      wake?.();
    },
  };

  function take(): number | null {
    const outcome = told;
    if (outcome instanceof Fault) throw outcome;
    if (outcome === null || outcome === "over") return null;
    told = null;
    return outcome.turn;
  }

  return {
    place,
    async next({ after = "", ms, signal }) {
      if (told !== null) return take();
      const timer = new AbortController();
      const stop = () => timer.abort();
      wake = stop;
      signal.addEventListener("abort", stop);
      if (signal.aborted) stop();
      place.after = after;
      await clock.sleep(ms, timer.signal);
      place.after = null;
      signal.removeEventListener("abort", stop);
      wake = null;
      return take();
    },
  };
}

function isTurn(outcome: Outcome): outcome is { turn: number } {
  return typeof outcome === "object" && "turn" in outcome;
}

function ended(): Fault {
  return new Fault("unauthorized", "The token or ticket was revoked or has expired while this request waited");
}
