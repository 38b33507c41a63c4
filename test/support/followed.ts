/** A followed subject for tests: a house on memory, a wire that is easy to read, and counts of what following costs. */
import { append } from "../../core/kernel/append.ts";
import type { Feed, Wire } from "../../core/kernel/feed.ts";
import { createFollowers, type Followers } from "../../core/kernel/follow.ts";
import { knockOf } from "../../core/kernel/knock.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { type AppendEntries, EARLIEST, type Journal } from "../../core/ports/journal.ts";
import { type FakeSink, fakeSink } from "./fake_sink.ts";
import { type MemoryHouse, type MemoryPorts, memoryHouse, memoryPorts } from "./memory_house.ts";

const REALM = "followed";
const SUBJECT = "subject";
/** One line for everything that is written. */
export const plainWire: Wire = {
  opening: () => "open\n",
  heartbeat: "beat\n",
  before: (id) => `${id} `,
  after: "\n",
  mark: (id) => `mark ${id}\n`,
  notice: (event, json, _id) => `${event} ${json}\n`,
  farewell: () => "bye\n",
};

export interface Followed {
  house: MemoryHouse;
  followers: Followers;
  counts: { reads: number; bounds: number; encodings: number };
  /** Messages that cannot be encoded at present. */
  failing: Set<string>;
  /** Appends messages as another process would and, unless told otherwise, knocks; returns their ids. */
  publish(messages: string[], how?: { ttlMs?: number | null; knock?: boolean }): Promise<string[]>;
  /** Appends messages in this process, which hands them to its followers; returns their ids. */
  publishHere(messages: string[], how?: { ttlMs?: number | null }): Promise<string[]>;
  /** Follows from `after` (null: live only). */
  follow(after?: string | null, credential?: string | null, sink?: FakeSink): FakeSink;
  /** Lets everything that hangs on promises have its turn, without time passing. */
  settle(): Promise<void>;
  close(): Promise<void>;
  knock(): void;
}

/** The data of the messages that a sink was given, in order. */
export function received(sink: FakeSink): string[] {
  return sink
    .lines()
    .filter((line) => /^[0-9a-f]{8}-/.test(line))
    .map((line) => line.slice(37));
}

/** Notices that a sink was given: `gap` and `reset`. */
export function notices(sink: FakeSink): [string, Record<string, unknown>][] {
  const found = sink.lines().filter((line) => /^(gap|reset) /.test(line));
  return found.map((line) => [line.split(" ")[0]!, JSON.parse(line.slice(line.indexOf(" ")))]);
}

export async function openFollowed(
  how: { settings?: Partial<Settings>; ports?: MemoryPorts; journal?: (journal: Journal) => Journal } = {},
): Promise<Followed> {
  const ports = how.ports ?? memoryPorts();
  const counts = { reads: 0, bounds: 0, encodings: 0 };
  const inner = how.journal?.(ports.database.journal) ?? ports.database.journal;
  const journal: Journal = {
    ...inner,
    read(...of) {
      counts.reads += 1;
      return inner.read(...of);
    },
    bounds(...of) {
      counts.bounds += 1;
      return inner.bounds(...of);
    },
  };
  const house = memoryHouse(how.settings, { ...ports, database: { ...ports.database, journal } });
  const followers = createFollowers(house, { wire: plainWire, signal: house.life.signal });
  await house.database.commit([{ op: "journal.open", realm: REALM, subject: SUBJECT }]);
  const knock = () => house.bus.knock([knockOf.journal(REALM, SUBJECT)]);

  /** What a capability reads from the store when a follower wants only what comes from now on. */
  let lastId = EARLIEST;

  const failing = new Set<string>();
  const message: Feed["message"] = ({ data }) => {
    if (failing.has(data)) return Promise.reject(new Error("the payload is away"));
    counts.encodings += 1;
    return data;
  };

  function command(messages: string[], ttlMs: number | null): AppendEntries {
    const entries = messages.map((data) => ({ data, ttlMs }));
    return { op: "journal.append", realm: REALM, subject: SUBJECT, entries, ifOpen: true };
  }

  function idsOf(appended: Awaited<ReturnType<Journal["append"]>>): string[] {
    if (!("entries" in appended)) throw new Error(`the append was refused: ${appended.status}`);
    const ids = appended.entries.map(({ id }) => id);
    lastId = ids.at(-1) ?? lastId;
    return ids;
  }

  return {
    house,
    followers,
    counts,
    failing,
    knock,
    async publish(messages, { ttlMs = null, knock: aloud = true } = {}) {
      const ids = idsOf(await house.database.journal.append(command(messages, ttlMs)));
      if (aloud) knock();
      return ids;
    },
    publishHere: async (messages, { ttlMs = null } = {}) => idsOf(await append(house, command(messages, ttlMs))),
    follow(after = null, credential = null, sink = fakeSink()) {
      const start = after === null ? "live" : after === EARLIEST ? "earliest" : "cursor";
      const parts = [{ subject: SUBJECT, after: after ?? lastId, start } as const];
      const credentials = credential === null ? [] : [credential];
      followers.follow("test", { realm: REALM, parts, message }, { sink, credentials });
      return sink;
    },
    settle: () => house.clock.advance(0),
    async close() {
      await house.database.commit([{ op: "journal.close", realm: REALM, subject: SUBJECT }]);
    },
  };
}
