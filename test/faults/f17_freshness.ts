/**
 * F17 and F5: long-lived readers, who would hide nothing by reconnecting, while wake-ups are lost: LISTEN backends ended, the LISTEN connections held up without a word, and a server killed
 * between its 201 and its knock. What no wake-up brings, the look at the store each second must.
 */
import process from "node:process";
import { createChannels } from "./load/crew.ts";
import { openStrictSource } from "./load/event_source.ts";
import { atMost, grouped, milliseconds, noneOf, percentile } from "./load/figures.ts";
import type { Channel } from "./load/history.ts";
import { ask } from "./load/http.ts";
import { publishing } from "./load/probe.ts";
import { LISTENING } from "./nemesis.ts";
import { type Pair, startPair } from "./rig/pair.ts";
import type { Rig, Scenario } from "./scenario.ts";

/** The quick form leaves room for a machine that does other things too. */
const FRESH_P99_MS = { full: 100, quick: 500 };
const FRESH_MOST_MS = 2_000;
const TRICKLE_MS = 60;
/** For readers of a server that was away: their own pause, then the way back. */
const COMPLETE_MS = 15_000;

export const scenario: Scenario = {
  name: "f17",
  words: "long-lived readers while wake-ups are lost: nothing comes late, nothing stays away",
  quick: true,
  async run(rig) {
    const pair = await startPair(rig);
    const [a, b] = pair.sites;
    const channels = await createChannels(
      a.server.url,
      Array.from({ length: 10 }, () => ({ visibility: "public", weight: 1 }) as const),
    );
    const watch = openWatch(rig, { channels, servers: [a.server.url, b.server.url] });
    await watch.allOpen();

    const trickle = watch.trickle(a.server.url);
    const [seconds, most] = rig.quick ? [5, 3_000] : [rig.seconds ?? 90, 9_000];
    const until = performance.now() + seconds * 1_000;
    while (performance.now() < until) {
      await rig.pause(rig.random.whole(most / 2, most));
      for (const { pid } of await pair.cluster.query(LISTENING))
        await pair.cluster.query("SELECT pg_terminate_backend($1)", [pid]);
      rig.log("LISTEN backends ended");
    }
    await trickle();
    const ended = watch.delays();

    const deafMs = rig.quick ? 2_000 : 12_000;
    await holdListeners(pair, async () => {
      const again = watch.trickle(a.server.url);
      await rig.pause(deafMs);
      await again();
      await watch.complete(FRESH_MOST_MS);
    });
    const held = watch.delays();

    const rounds = rig.quick ? 2 : 12;
    for (let round = 0; round < rounds; round += 1) {
      await watch.publish(a.server.url, rig.random.pick(channels), () => process.kill(a.server.pid()!, "SIGKILL"));
      await watch.complete(FRESH_MOST_MS + 1_000, b.server.url);
      await a.server.kill();
      await a.server.start();
    }
    const lost = watch.delays(b.server.url);
    await watch.complete(COMPLETE_MS);
    const total = ended.length + held.length + lost.length;
    return [
      atMost(`delay p99 while LISTEN backends were ended, of ${grouped(ended.length)}`, percentile(ended, 0.99), {
        most: FRESH_P99_MS[rig.quick ? "quick" : "full"],
        unit: milliseconds,
      }),
      atMost("longest delay then", percentile(ended, 1), { most: FRESH_MOST_MS, unit: milliseconds }),
      atMost(
        `longest delay while the LISTEN connections were held up, of ${grouped(held.length)}`,
        percentile(held, 1),
        { most: FRESH_MOST_MS, unit: milliseconds },
      ),
      atMost(
        `longest delay at the other server after a kill right after the 201, of ${grouped(lost.length)}`,
        percentile(lost, 1),
        { most: FRESH_MOST_MS, unit: milliseconds },
      ),
      noneOf("messages that never came", watch.missing(), total),
    ];
  },
};

/** Lets nothing through on the LISTEN connections of both servers while `deed` is done. */
async function holdListeners({ cluster, sites }: Pair, deed: () => Promise<void>): Promise<void> {
  const ports = (await cluster.query(LISTENING)).map(({ client_port }) => Number(client_port));
  for (const { toDatabase } of sites) toDatabase.blackhole((port) => ports.includes(port));
  await deed();
  for (const { toDatabase } of sites) toDatabase.heal();
}

/** A reader of every channel at every server, and for each acknowledged message when it came to each. */
function openWatch(rig: Rig, { channels, servers }: { channels: Channel[]; servers: string[] }) {
  const acknowledged = new Map<string, { at: number; channel: string }>();
  let fresh = new Set<string>();
  const readers = channels.flatMap((channel) =>
    servers.map((server) => {
      const came = new Map<string, number>();
      const url = `${server}/v1/public/${channel.id}?from=earliest`;
      const source = openStrictSource({
        url,
        random: rig.random.fork(),
        onEvent: ({ id }) => void came.set(id, performance.now()),
      });
      return { channel: channel.id, server, source, came };
    }),
  );
  rig.onEnd(() => readers.forEach(({ source }) => void source.close()));

  async function publish(server: string, channel: Channel, then: () => void = () => undefined): Promise<void> {
    const { url, ...how } = publishing(server, channel, { payload: "a message" });
    const answer = await ask(url, how);
    if (answer.status !== 201) throw new Error(`a publish was answered ${answer.status} ${answer.body}`);
    then();
    const { id } = JSON.parse(answer.body) as { id: string };
    acknowledged.set(id, { at: performance.now(), channel: channel.id });
    fresh.add(id);
  }

  function missing(server?: string): string[] {
    const asked = readers.filter((reader) => server === undefined || reader.server === server);
    return [...acknowledged].flatMap(([id, { channel }]) =>
      asked.flatMap((reader) =>
        reader.channel === channel && !reader.came.has(id) ? [`${id} at ${reader.server}`] : [],
      ),
    );
  }

  return {
    publish,
    async allOpen() {
      for (let tries = 0; readers.some(({ source }) => !source.isOpen()); tries += 1) {
        if (tries > 100) throw new Error("the streams do not open");
        await rig.pause(100);
      }
    },
    /** Publishes now and then until it is told to stop. */
    trickle(server: string): () => Promise<void> {
      let over = false;
      const loop = (async () => {
        while (!over) {
          await publish(server, rig.random.pick(channels));
          await rig.pause(rig.random.whole(1, 2 * TRICKLE_MS));
        }
        await rig.pause(500);
      })();
      return () => {
        over = true;
        return loop;
      };
    },
    /** Of what was acknowledged since it was asked last, at the readers of all servers or of one that have not had to reconnect; infinite for what has not come. */
    delays(server?: string): number[] {
      const ids = [...fresh];
      fresh = new Set();
      return ids.flatMap((id) => {
        const { at, channel } = acknowledged.get(id)!;
        const steady = readers.filter(
          (reader) =>
            reader.channel === channel && reader.source.opened() === 1 && (server ?? reader.server) === reader.server,
        );
        return steady.map(({ came }) => Math.max(0, (came.get(id) ?? Number.POSITIVE_INFINITY) - at));
      });
    },
    /** Waits until all readers have all, those of one server when it is given, or for so long. */
    async complete(withinMs: number, server?: string): Promise<void> {
      const until = performance.now() + withinMs;
      while (missing(server).length > 0 && performance.now() < until) await rig.pause(20);
    },
    missing,
  };
}
