/** F4: a server that publishes is stopped for a while, as a long garbage collection would, and must hold up nobody but its own clients: it may keep no lock. */
import process from "node:process";
import { createChannels } from "./load/crew.ts";
import { atMost, grouped, milliseconds, percentile } from "./load/figures.ts";
import { between, publishing, startProbe } from "./load/probe.ts";
import { startPair } from "./rig/pair.ts";
import type { Cluster, Rig, Scenario, Verdict } from "./scenario.ts";

const STOPPED_MS = 3_000;
const P99_MS = 250;
const LOCKED_MS = 1_000;
const OLDEST = `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) * 1000, 0) AS ms
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;

export const scenario: Scenario = {
  name: "f04",
  words: "a server stopped in mid-publish: the other one goes on",
  quick: false,
  async run(rig): Promise<Verdict[]> {
    const { cluster, sites } = await startPair(rig);
    const [a, b] = sites;
    const [channel] = await createChannels(a.server.url, [{ visibility: "public", weight: 1 }]);
    // One channel: whoever holds its lock holds up all.
    const stopped = startProbe(4, () => publishing(a.server.url, channel!, { payload: "a message" }));
    const probe = startProbe(10, () => publishing(b.server.url, channel!, { payload: "a message" }));
    const locks = watchTransactions(rig, cluster);
    const during: number[] = [];
    const failures: string[] = [];
    for (let round = 0; round < (rig.quick ? 2 : 5); round += 1) {
      await rig.pause(rig.random.whole(800, 1_200));
      const from = performance.now();
      process.kill(a.server.pid()!, "SIGSTOP");
      await rig.pause(STOPPED_MS);
      process.kill(a.server.pid()!, "SIGCONT");
      const shots = between(probe.shots, from, performance.now());
      during.push(...shots.map(({ ms }) => ms));
      failures.push(
        ...shots.filter(({ status }) => status !== 201).map(({ status, body }) => `${status} ${body.slice(0, 100)}`),
      );
    }
    await Promise.all([probe.stop(), stopped.stop()]);
    const longest = await locks();
    rig.log(
      `p50 ${milliseconds(percentile(during, 0.5))}, p100 ${milliseconds(percentile(during, 1))} of ${during.length}`,
    );
    return [
      atMost(`publish p99 at the other server meanwhile, of ${grouped(during.length)}`, percentile(during, 0.99), {
        most: P99_MS,
        unit: milliseconds,
      }),
      {
        name: "publishes failed at the other server meanwhile",
        figure: `${failures.length} of ${grouped(during.length)}`,
        ok: failures.length === 0 && during.length > 0,
      },
      atMost("longest transaction that was seen", longest, { most: LOCKED_MS, unit: milliseconds }),
    ];
  },
};

/** Looks ten times a second how old the oldest transaction is; the answer to its end is the longest in milliseconds. */
function watchTransactions(rig: Rig, cluster: Cluster): () => Promise<number> {
  let over = false;
  const loop = (async () => {
    let longest = 0;
    while (!over) {
      const [row] = await cluster.query(OLDEST);
      longest = Math.max(longest, Number(row?.ms));
      await rig.pause(100);
    }
    return longest;
  })();
  return () => {
    over = true;
    return loop;
  };
}
