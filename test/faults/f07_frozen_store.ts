/** F7: the object store does not answer for a while. Only publishes of large payloads may notice, and they are told soon; nothing piles up, and all is well soon after. */
import { createChannels } from "./load/crew.ts";
import { atMost, grouped, lastingP99, mebibytes, milliseconds, noneOf, percentile } from "./load/figures.ts";
import { between, publishing, type Shot, startProbe } from "./load/probe.ts";
import { startPair } from "./rig/pair.ts";
import type { Rig, Scenario, Server } from "./scenario.ts";

const ANSWER_MS = 10_000;
const NORMAL_MS = 5_000;
const GROWTH_BYTES = 64 * 2 ** 20;
/** Below this a p99 is the noise of the machine. */
const NOISE_MS = 100;

export const scenario: Scenario = {
  name: "f07",
  words: "the object store frozen: large publishes are refused in time, everything else goes on",
  quick: false,
  async run(rig) {
    const frozenMs = rig.quick ? 12_000 : 30_000;
    const { store, sites } = await startPair(rig);
    const { server } = sites[0];
    const [channel] = await createChannels(server.url, [{ visibility: "public", weight: 1 }]);
    const headers = { "X-Publish-Token": channel!.publishToken };
    const large = startProbe(100, () => publishing(server.url, channel!, { payload: "x".repeat(40_000) }));
    const small = startProbe(10, () => publishing(server.url, channel!, { payload: "a message" }));
    const shown = startProbe(20, () => ({
      url: `${server.url}/v1/channels/${channel!.id}`,
      headers,
      timeoutMs: 10_000,
    }));
    await rig.pause(1_000);
    const from = performance.now();
    const memory = await highest(rig, { server, forMs: 5_000 });
    const frozen = performance.now();
    store.freeze();
    const most = await highest(rig, { server, forMs: frozenMs });
    const thawed = performance.now();
    store.thaw();
    await rig.pause(NORMAL_MS + 2_000);
    await Promise.all([large.stop(), small.stop(), shown.stop()]);

    const refused = between(large.shots, frozen + 1_000, thawed - ANSWER_MS);
    const others = (since: number, until: number) => [
      ...between(small.shots, since, until),
      ...between(shown.shots, since, until),
    ];
    const before = others(from, frozen);
    const meanwhile = others(frozen, thawed);
    const baseline = lastingP99(before);
    const normal = between(large.shots, thawed, Number.POSITIVE_INFINITY).find(
      ({ status, ms }) => status === 201 && ms < 1_000,
    );
    rig.log(`p99 before ${milliseconds(baseline)}, meanwhile ${milliseconds(lastingP99(meanwhile))}`);
    return [
      noneOf(
        "large publishes answered otherwise than 503",
        wordsOf(refused.filter(({ status }) => status !== 503)),
        refused.length,
      ),
      atMost(
        "longest wait for that answer",
        percentile(
          refused.map(({ ms }) => ms),
          1,
        ),
        { most: ANSWER_MS, unit: milliseconds },
      ),
      noneOf(
        "other requests failed meanwhile",
        wordsOf(meanwhile.filter(({ status }) => status !== 200 && status !== 201)),
        meanwhile.length,
      ),
      atMost(`p99 of ${grouped(meanwhile.length)} others, second by second`, lastingP99(meanwhile), {
        most: Math.max(2 * baseline, NOISE_MS),
        unit: milliseconds,
      }),
      atMost("memory grew by", most - memory, { most: GROWTH_BYTES, unit: mebibytes }),
      atMost(
        "large publishes stored again after the thaw",
        normal === undefined ? Number.POSITIVE_INFINITY : normal.at - thawed,
        { most: NORMAL_MS, unit: milliseconds },
      ),
    ];
  },
};

/** The most memory that the server had over so many milliseconds. */
async function highest(rig: Rig, { server, forMs }: { server: Server; forMs: number }): Promise<number> {
  const until = performance.now() + forMs;
  let most = 0;
  while (performance.now() < until) {
    most = Math.max(most, await server.memory());
    await rig.pause(100);
  }
  return most;
}

function wordsOf(shots: readonly Shot[]): string[] {
  return shots.map(({ status, body }) => `${status} ${body.slice(0, 100)}`);
}
