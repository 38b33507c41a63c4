/** F3: PostgreSQL is killed, as a whole or by one of its backends, under publishes; servers must be back by themselves soon after it answers again. */
import process from "node:process";
import { createChannels } from "./load/crew.ts";
import { atMost, milliseconds, noneOf, percentile } from "./load/figures.ts";
import { acknowledgedIds, publishing, startProbe } from "./load/probe.ts";
import { startPair } from "./rig/pair.ts";
import type { Scenario } from "./scenario.ts";

const BACK_MS = 5_000;
const ROUNDS = 4;

export const scenario: Scenario = {
  name: "f03",
  words: "PostgreSQL killed under publishes: servers are back by themselves, with all they acknowledged",
  quick: false,
  async run(rig) {
    const { cluster, sites } = await startPair(rig);
    const servers = sites.map(({ server }) => server);
    const [channel] = await createChannels(servers[0]!.url, [{ visibility: "public", weight: 1 }]);
    const pids = servers.map((server) => server.pid());
    const probes = servers.map(({ url }) => startProbe(10, () => publishing(url, channel!, { payload: "a message" })));
    const backAfter: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await rig.pause(1_500);
      if (round % 2 === 0) process.kill(rig.random.pick(await cluster.backends()), "SIGKILL");
      else {
        await cluster.kill();
        await rig.pause(rig.random.whole(0, 3_000));
        await cluster.start();
      }
      await cluster.answers();
      const answered = performance.now();
      await rig.pause(BACK_MS + 1_000);
      for (const { shots } of probes) {
        const first = shots
          .filter(({ at, status }) => at >= answered && status === 201)
          .map(({ at, ms }) => at + ms - answered);
        backAfter.push(first.length > 0 ? Math.min(...first) : Number.POSITIVE_INFINITY);
      }
      rig.log(`round ${round}: back after ${backAfter.slice(-2).map(milliseconds).join(" and ")}`);
    }
    await Promise.all(probes.map((probe) => probe.stop()));
    const shots = probes.flatMap((probe) => probe.shots);
    const acknowledged = acknowledgedIds(shots);
    const stored = new Set((await cluster.query("SELECT id::text FROM journal_entries")).map(({ id }) => id));
    const odd = shots
      .filter(({ status }) => ![201, 503].includes(status))
      .map(({ status, body }) => `${status} ${body.slice(0, 100)}`);
    return [
      noneOf(
        "acknowledged lost",
        acknowledged.filter((id) => !stored.has(id)),
        acknowledged.length,
      ),
      noneOf("answers other than 201 and 503", odd, shots.length),
      atMost("publishes accepted again after PostgreSQL answers", percentile(backAfter, 1), {
        most: BACK_MS,
        unit: milliseconds,
      }),
      noneOf(
        "server processes that ended",
        pids.flatMap((pid, at) => (servers[at]!.pid() === pid ? [] : [servers[at]!.name])),
        pids.length,
      ),
    ];
  },
};
