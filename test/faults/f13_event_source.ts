/**
 * F13: strict EventSources, half of them through a balancer, half of them straight to one server, live through rolling restarts, a kill, a database that is away, and proxies
 * that cut. One answer other than 200 kills such a reader for ever, so the servers must not give any that it could meet.
 */
import { type BrowserSource, openBrowserSources } from "./load/browser_sources.ts";
import { createChannels } from "./load/crew.ts";
import { openStrictSource } from "./load/event_source.ts";
import { grouped, noneOf } from "./load/figures.ts";
import type { Channel, Row } from "./load/history.ts";
import { acknowledgedIds, publishing, startProbe } from "./load/probe.ts";
import { tableOf } from "./load/table.ts";
import { openBalancer } from "./rig/balancer.ts";
import { startPair } from "./rig/pair.ts";
import type { Rig, Scenario, Verdict } from "./scenario.ts";

/** The longest `retry` that a server may ask for, and room for the machine. */
const BACK_MS = 15_000;

export const scenario: Scenario = {
  name: "f13",
  words: "EventSources, which any answer but 200 kills, live through restarts, kills and a database that is away",
  quick: true,
  async run(rig) {
    const { cluster, sites } = await startPair(rig, { env: { DRAIN_LB: "1", DRAIN: rig.quick ? "1" : "2" } });
    const [a, b] = sites;
    const balancer = await openBalancer(rig, [a.server, b.server]);
    const channels = await createChannels(
      a.server.url,
      Array.from({ length: 5 }, () => ({ visibility: "public", weight: 1 }) as const),
    );
    const count = rig.quick ? 200 : 500;
    const ways = [balancer.url, a.fromClients.url];
    const crowd = openCrowd(rig, { count, ways, channels });
    const probe = startProbe(50, () =>
      publishing(rig.random.pick(balancer.ready().concat(b.server.url)), rig.random.pick(channels), {
        payload: "a message",
      }),
    );
    await crowd.allOpen();
    const paths = channels.map(({ id }) => `/v1/public/${id}?from=earliest`);
    const inBrowser = rig.quick ? null : await openBrowserSources(rig, { base: balancer.url, paths });
    const verdicts: Verdict[] = [];

    async function act(words: string, deed: () => Promise<void>): Promise<void> {
      rig.log(words);
      await deed();
      await crowd.allOpen().catch((error: unknown) => rig.log(String(error)));
      verdicts.push(crowd.verdict(words));
    }

    await act("a rolling restart", async () => {
      for (const { server } of sites) {
        await server.stop();
        await server.start();
        await rig.pause(1_000);
      }
    });
    if (!rig.quick)
      await act("kill -9 of a server", async () => {
        await a.server.kill();
        await rig.pause(500);
        await a.server.start();
      });
    await act("PostgreSQL away for 2 s while they reconnect", async () => {
      await cluster.kill();
      a.fromClients.cut();
      await rig.pause(2_000);
      await cluster.start();
    });
    await probe.stop();
    const acknowledged = acknowledgedIds(probe.shots);
    await rig.pause(2_500);
    const rows = await tableOf(cluster, channels);
    verdicts.push(...crowd.complete(rows, acknowledged));
    if (inBrowser !== null) verdicts.push(...browserVerdicts(await inBrowser(), rows));
    else if (!rig.quick) rig.log("left out: EventSources in Chromium, which this machine does not have");
    return verdicts;
  },
};

function openCrowd(rig: Rig, { count, ways, channels }: { count: number; ways: string[]; channels: Channel[] }) {
  const members = Array.from({ length: count }, (_, at) => {
    const channel = channels[at % channels.length]!;
    const ids: string[] = [];
    const url = `${ways[at % ways.length]}/v1/public/${channel.id}?from=earliest`;
    const source = openStrictSource({
      url,
      random: rig.random.fork(),
      onEvent: ({ id, event }) => void (event === "message" && ids.push(id)),
    });
    return { channel, ids, source };
  });
  let buried = 0;
  rig.onEnd(() => members.forEach(({ source }) => void source.close()));

  return {
    async allOpen() {
      const until = performance.now() + BACK_MS;
      while (members.some(({ source }) => !source.isOpen() && source.death() === null)) {
        if (performance.now() > until)
          throw new Error(`${members.filter(({ source }) => !source.isOpen()).length} streams are not back`);
        await rig.pause(100);
      }
    },
    /** Those that have died since it was asked last. */
    verdict(words: string): Verdict {
      const deaths = members.flatMap(({ source }) => source.death() ?? []);
      const kinds = [...new Set(deaths)];
      const fresh = deaths.slice(buried);
      buried = deaths.length;
      const figure = `${fresh.length} of ${count}${fresh.length > 0 ? `: ${kinds.join(", ")}` : ""}`;
      return { name: `EventSources dead after ${words}`, figure, ok: fresh.length === 0 };
    },
    /** Those that live must have every message that was acknowledged, once and in order. */
    complete(rows: readonly Row[], acknowledged: readonly string[]): Verdict[] {
      const orders = new Map(
        channels.map(({ id }) => [id, rows.flatMap((row) => (row.channel === id ? [row.id] : []))]),
      );
      const alive = members.filter(({ source }) => source.death() === null);
      const wrong = alive.filter(({ channel, ids }) => ids.join() !== orders.get(channel.id)!.join());
      const stored = new Set(rows.map(({ id }) => id));
      return [
        noneOf(
          "EventSources without exactly the messages of their channel",
          wrong.map(({ ids, channel }) => `${ids.length} for ${orders.get(channel.id)!.length}`),
          alive.length,
        ),
        noneOf(
          "acknowledged lost",
          acknowledged.filter((id) => !stored.has(id)),
          acknowledged.length,
        ),
        {
          name: "times that they were opened",
          figure: grouped(members.reduce((sum, { source }) => sum + source.opened(), 0)),
          ok: true,
        },
      ];
    },
  };
}

function browserVerdicts(sources: readonly BrowserSource[], rows: readonly Row[]): Verdict[] {
  const wrong = sources.filter(({ path, ids }) => {
    const own = rows.filter(({ channel }) => path.includes(channel));
    return ids.join() !== own.map(({ id }) => id).join();
  });
  return [
    noneOf(
      "EventSources dead in Chromium",
      sources.filter(({ state }) => state === 2).map(({ path }) => path),
      sources.length,
    ),
    noneOf(
      "EventSources in Chromium without exactly the messages of their channel",
      wrong.map(({ path, ids }) => `${path}: ${ids.length}`),
      sources.length,
    ),
  ];
}
