/**
 * F14: thousands of streams lose their server at once and come back when it does, each with its Last-Event-ID. All must be served soon, and the database must be asked for each
 * channel, not for each reader.
 */
import { createChannels } from "./load/crew.ts";
import { openStrictSource } from "./load/event_source.ts";
import { atMost, grouped, milliseconds, noneOf } from "./load/figures.ts";
import { acknowledgedIds, publishing, startProbe } from "./load/probe.ts";
import type { Cluster, Rig, Scenario } from "./scenario.ts";

const CHANNELS = 10;
const BACK_MS = 30_000;
/** What a reader would cost by itself: its cursor checked and its history read. */
const STATEMENTS_PER_CHANNEL = 20;
/** Looks at all subjects, probes and duties go on meanwhile. */
const STATEMENTS_PER_SECOND = 20;
const CONNECTIONS = 16;

export const scenario: Scenario = {
  name: "f14",
  words: "a herd of streams comes back at once after kill -9: all served soon, the database hardly asked",
  quick: false,
  async run(rig) {
    const count = rig.quick ? 1_000 : 5_000;
    const cluster = await rig.postgres({ settings: { shared_preload_libraries: "pg_stat_statements" } });
    await cluster.query("CREATE EXTENSION pg_stat_statements");
    const server = await rig.server({ name: "A", env: { DATABASE_URL: cluster.url() } });
    await server.start();
    const channels = await createChannels(
      server.url,
      Array.from({ length: CHANNELS }, () => ({ visibility: "public", weight: 1 }) as const),
    );
    const publishAll = async () => {
      let next = 0;
      const probe = startProbe(20, () =>
        next < CHANNELS ? publishing(server.url, channels[next++]!, { payload: "a message" }) : null,
      );
      await rig.pause(20 * CHANNELS + 500);
      await probe.stop();
      return acknowledgedIds(probe.shots);
    };
    const herd = openHerd(rig, { count, urls: channels.map(({ id }) => `${server.url}/v1/public/${id}`) });
    const opened = await herd.all(({ isOpen }) => isOpen());
    rig.log(`${count} open after ${milliseconds(opened)}`);
    const before = await publishAll();
    await herd.all(({ ids }) => ids.length === 1);

    await server.kill();
    await rig.pause(500);
    await server.start();
    await cluster.query("SELECT pg_stat_statements_reset()");
    const back = await herd.all(({ isOpen }) => isOpen());
    const asked = await statementsOf(cluster);
    rig.log(asked.most);
    const connections = (await cluster.backends()).length;
    const memory = await server.memory();
    const after = await publishAll();
    const served = await herd.all(({ ids }) => ids.length === 2);
    rig.log(
      `memory ${grouped(Math.round(memory / 1_024 / count))} KiB a stream, all in all; the second message came to all after ${milliseconds(served)}`,
    );
    const wrong = herd
      .readings()
      .filter((ids) => ids.length !== 2 || !before.includes(ids[0]!) || !after.includes(ids[1]!));
    return [
      atMost(`all of ${grouped(count)} streams open again after the restart`, back, {
        most: BACK_MS,
        unit: milliseconds,
      }),
      atMost("statements that the database was sent meanwhile", asked.calls, {
        most: STATEMENTS_PER_CHANNEL * CHANNELS + (STATEMENTS_PER_SECOND * back) / 1_000,
        unit: (n) => grouped(Math.round(n)),
      }),
      atMost("connections to the database", connections, { most: CONNECTIONS, unit: grouped }),
      noneOf(
        "streams without exactly the message before and the one after",
        wrong.map((ids) => `${ids.length} messages`),
        count,
      ),
      noneOf("streams dead", herd.deaths(), count),
    ];
  },
};

function openHerd(rig: Rig, { count, urls }: { count: number; urls: string[] }) {
  const members = Array.from({ length: count }, (_, at) => {
    const ids: string[] = [];
    const source = openStrictSource({
      url: urls[at % urls.length]!,
      random: rig.random.fork(),
      onEvent: ({ id }) => void ids.push(id),
    });
    return { ...source, ids };
  });
  rig.onEnd(() => members.forEach(({ close }) => void close()));
  return {
    /** Milliseconds until it holds for all; stops waiting when that takes far too long. */
    async all(holds: (member: (typeof members)[number]) => boolean): Promise<number> {
      const began = performance.now();
      while (!members.every(holds) && performance.now() - began < 2 * BACK_MS) await rig.pause(50);
      return performance.now() - began;
    },
    readings: () => members.map(({ ids }) => ids),
    deaths: () => members.flatMap(({ death }) => death() ?? []),
  };
}

/** How many statements have been run for clients so far, and in words which most of all. */
async function statementsOf(cluster: Cluster): Promise<{ calls: number; most: string }> {
  const rows = await cluster.query(
    "SELECT calls::int, left(query, 60) AS query FROM pg_stat_statements ORDER BY calls DESC",
  );
  const most = rows.slice(0, 4).map(({ calls, query }) => `${calls} × ${String(query).replaceAll(/\s+/g, " ")}`);
  return { calls: rows.reduce((sum, { calls }) => sum + Number(calls), 0), most: most.join("; ") };
}
