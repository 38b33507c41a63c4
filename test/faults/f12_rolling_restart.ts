/**
 * F12: both servers are ended in order and started again, one after the other, under load. Whoever retries sees no failure, whoever does not hardly any, nothing is lost, and the
 * readers of a server that drains come back spread over the drain, not all at once.
 */
import { createChannels, startCrew } from "./load/crew.ts";
import { openStrictSource } from "./load/event_source.ts";
import { atMost, grouped, milliseconds, noneOf, percentile } from "./load/figures.ts";
import { keepAlive } from "./load/http.ts";
import { publishing, type Shot, startProbe } from "./load/probe.ts";
import { settle } from "./load/settle.ts";
import { openBalancer } from "./rig/balancer.ts";
import { startPair } from "./rig/pair.ts";
import type { Rig, Scenario, Verdict } from "./scenario.ts";

const NOTICE_SECONDS = 2;
const FAILED_SHARE = 0.001;
/** Ends of streams in any quarter of the drain, against the even spread; the least number that chance alone may bring together. */
const BUNCHED = { full: 2, quick: 3 };
const QUARTERS = 4;
const BUNCHED_LEAST = 6;

export const scenario: Scenario = {
  name: "f12",
  words: "rolling restart under load: no failed request for whoever retries, nothing lost, streams ended one by one",
  quick: true,
  async run(rig) {
    const drain = rig.quick ? 2 : 5;
    const { cluster, sites } = await startPair(rig, { env: { DRAIN_LB: `${NOTICE_SECONDS}`, DRAIN: `${drain}` } });
    const servers = sites.map(({ server }) => server);
    const balancer = await openBalancer(rig, servers);
    const channels = await createChannels(
      servers[0]!.url,
      Array.from({ length: 4 }, () => ({ visibility: "public", weight: 1 }) as const),
    );
    const [idle, plain] = await createChannels(servers[0]!.url, [
      { visibility: "public", weight: 1 },
      { visibility: "public", weight: 1 },
    ]);
    const streams = openStreams(rig, {
      count: rig.quick ? 200 : 1_000,
      url: `${balancer.url}/v1/public/${idle!.id}?from=earliest`,
    });
    const crew = await startCrew(rig, {
      servers: servers.map(({ url }) => url),
      channels,
      publishers: 16,
      readers: channels.flatMap((channel, at) => [
        { name: `roving reader ${at}`, channels: [channel], kind: "roving" as const, live: false },
        { name: `steady reader ${at}`, channels: [channel], kind: "steady" as const, live: false },
      ]),
      thinkMs: 30,
      largeShare: 0.03,
      batchShare: 0,
      seed: rig.random.whole(0, 2 ** 31),
    });
    await streams.opened();
    // Each request on its own, to a server that the balancer would choose.
    const agent = keepAlive();
    const probe = startProbe(5, () => ({
      ...publishing(rig.random.pick(balancer.ready()), plain!, { payload: "a message" }),
      agent,
    }));
    await rig.pause(500);

    const stops: { name: string; code: number | null; ms: number }[] = [];
    let bunched = 0;
    for (let round = 0; round < (rig.quick ? 1 : 3); round += 1) {
      for (const server of servers) {
        const from = performance.now();
        const stopped = await server.stop();
        stops.push({ name: server.name, ...stopped });
        const share = streams.mostWithin((drain * 1_000) / QUARTERS, from);
        bunched = Math.max(bunched, share.most / Math.max(BUNCHED_LEAST, share.all / QUARTERS));
        rig.log(
          `${server.name} ended with ${stopped.code} after ${milliseconds(stopped.ms)}; of ${share.all} streams ${share.most} in one quarter of the drain`,
        );
        await server.start();
        // The balancer has to see it before the other one goes, and readers have to come back to it.
        await rig.pause(1_500);
      }
    }
    await probe.stop();
    agent.destroy();
    const { verdicts } = await settle(rig, { crew, cluster });
    return [
      ...verdicts,
      ...restartVerdicts({
        stops,
        shots: probe.shots,
        bunched,
        bunchedMost: rig.quick ? BUNCHED.quick : BUNCHED.full,
        mostMs: (NOTICE_SECONDS + drain + 10) * 1_000,
      }),
      streams.verdict(),
    ];
  },
};

function restartVerdicts(what: {
  stops: { name: string; code: number | null; ms: number }[];
  shots: readonly Shot[];
  bunched: number;
  bunchedMost: number;
  mostMs: number;
}): Verdict[] {
  const { stops, shots, bunched, bunchedMost, mostMs } = what;
  const failed = shots.filter(({ status }) => status !== 201);
  const kinds = [...new Set(failed.map(({ status, body }) => `${status} ${body.slice(0, 80)}`))];
  return [
    {
      name: "requests failed of clients that do not retry",
      figure: `${failed.length} of ${grouped(shots.length)} (at most ${100 * FAILED_SHARE} %)${kinds.map((words) => `; ${words}`).join("")}`,
      ok: shots.length > 0 && failed.length <= FAILED_SHARE * shots.length,
    },
    noneOf(
      "exit codes other than 0",
      stops.filter(({ code }) => code !== 0).map(({ name, code }) => `${name}: ${code}`),
      stops.length,
    ),
    atMost(
      "longest stop",
      percentile(
        stops.map(({ ms }) => ms),
        1,
      ),
      { most: mostMs, unit: milliseconds },
    ),
    {
      name: "ends of streams in the worst quarter of a drain",
      figure: `${bunched.toFixed(2)} × the even spread (at most ${bunchedMost})`,
      ok: bunched <= bunchedMost,
    },
  ];
}

function openStreams(rig: Rig, { count, url }: { count: number; url: string }) {
  const ends: number[] = [];
  const sources = Array.from({ length: count }, () =>
    openStrictSource({ url, random: rig.random.fork(), onEnd: () => void ends.push(performance.now()) }),
  );
  rig.onEnd(() => sources.forEach((source) => void source.close()));
  return {
    async opened() {
      for (let tries = 0; sources.some((source) => !source.isOpen()); tries += 1) {
        if (tries === 100) throw new Error("the streams do not open");
        await rig.pause(100);
      }
    },
    /** Of the ends since a moment: how many, and how many of them in the worst stretch of so many milliseconds. */
    mostWithin(ms: number, from: number) {
      const since = ends.filter((at) => at >= from);
      const most = since.map((at) => since.filter((other) => other >= at && other < at + ms).length);
      return { all: since.length, most: Math.max(0, ...most) };
    },
    verdict() {
      const dead = sources.flatMap((source) => source.death() ?? []);
      return noneOf("idle EventSources dead", dead, sources.length);
    },
  };
}
