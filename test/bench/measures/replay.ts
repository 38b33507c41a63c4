/** Readers that come back and are given what they have missed: from PostgreSQL, and from memory while somebody else follows. */
import type { Bench, Entrant } from "../bench.ts";
import { atLeast } from "../figures.ts";
import type { Target } from "../load.ts";
import { fill, type Millrace } from "../millrace.ts";
import type { Measure } from "./measure.ts";

/** A channel, and how a reader that has its first message only comes back to it. */
interface Stored {
  resumed: Target;
  messages: number;
}

async function stored(server: Millrace, target: Target, messages: number): Promise<Stored> {
  const first = await fill(server, target, messages + 1);
  return { resumed: { ...target, read: `${target.read}?after=${first}` }, messages };
}

async function replay(bench: Bench, server: Millrace, what: { stored: Stored; readers: number }): Promise<number> {
  const { resumed, messages } = what.stored;
  const found = await bench.load(server, { targets: [resumed], readers: what.readers, expect: messages, seconds: 20 });
  if (found.errors > 0 || found.lost > 0) throw new Error(`${found.lost} lost; ${found.trouble}`);
  return (what.readers * messages) / found.seconds;
}

/** A process of its own for each run; what it replays first, of another channel, also tells what a cold process gives. */
function fromDatabase(bench: Bench, url: string, how: { all: Stored; other: Stored; readers: number }): Entrant {
  return {
    name: `from PostgreSQL, ${how.readers}`,
    async run() {
      const server = await bench.millrace(url);
      const cold = await replay(bench, server, { stored: how.other, readers: 1 });
      for (let warm = 0; warm < 3; warm += 1) await replay(bench, server, { stored: how.other, readers: 1 });
      const rate = await replay(bench, server, { stored: how.all, readers: how.readers });
      await server.stop();
      return { rate, cold };
    },
  };
}

export const replays: Measure = {
  name: "replay",
  title: "Replay",
  words:
    "Readers come back after the first of 10,000 stored messages of 128 bytes; from the request to the last message of the last reader. From PostgreSQL: a new process, warmed on another channel, nobody else reading. From memory: another reader follows the channel. Cold: the first replay of a new process.",
  async take(bench) {
    const messages = bench.size(10_000);
    const url = await bench.database();
    const live = await bench.millrace(url);
    const [target, otherTarget, followed] = await live.targets(3);
    const all = await stored(live, target!, messages);
    const other = await stored(live, otherTarget!, messages);
    await bench.hold(live, { targets: [followed!], readers: 1 });
    const ring = await stored(live, followed!, messages);
    const fromRing = (readers: number): Entrant => ({
      name: `from memory, ${readers}`,
      run: async () => ({ rate: await replay(bench, live, { stored: ring, readers }) }),
    });
    const plain = await bench.database();
    const pages = (readers: number): Entrant => ({
      name: readers === 1 ? "pages of 1,000 into frames, no HTTP" : `${readers} times pages into frames, no HTTP`,
      run: async () => ({ rate: await bench.postgres(plain, "pages", `${readers}`) }),
    });
    const [one, twenty, ringOne, ringTwenty, pagesOne, pagesTwenty] = await bench.takeTurns([
      fromDatabase(bench, url, { all, other, readers: 1 }),
      fromDatabase(bench, url, { all, other, readers: 20 }),
      fromRing(1),
      fromRing(20),
      pages(1),
      pages(20),
    ]);
    const shared = { unit: "messages/s", key: "rate" };
    const [stores, memory] = [atLeast(300_000, ""), atLeast(1_000_000, "")];
    return [
      { what: "1 reader, from PostgreSQL", ours: one!, goal: stores, beside: [{ taken: pagesOne! }], ...shared },
      {
        what: "20 readers, from PostgreSQL",
        ours: twenty!,
        goal: stores,
        beside: [{ taken: pagesTwenty! }],
        ...shared,
      },
      { what: "1 reader, from PostgreSQL, cold", ours: one!, unit: "messages/s", key: "cold" },
      { what: "1 reader, from memory", ours: ringOne!, goal: memory, ...shared },
      { what: "20 readers, from memory", ours: ringTwenty!, goal: memory, ...shared },
    ];
  },
};
