/**
 * F1 with F2 to F7 and F17: publishers, roving and steady readers on two servers with one PostgreSQL and one object store, under the nemesis; then everything is healed,
 * and the table and every reader are compared. Steady readers never reconnect by themselves, so what no wake-up brings them stays missing.
 */

import type { Plan } from "./load/clients.ts";
import { type Crew, createChannels, startCrew } from "./load/crew.ts";
import { atLeast, grouped } from "./load/figures.ts";
import type { Channel, Reading } from "./load/history.ts";
import { settle } from "./load/settle.ts";
import { type Nemesis, startNemesis } from "./nemesis.ts";
import { type Site, startPair } from "./rig/pair.ts";
import type { Rig, Scenario } from "./scenario.ts";

const FULL = { seconds: 200, mostSeconds: 900, publishes: 100_000, deliveries: 300_000 };
const QUICK = { seconds: 20, mostSeconds: 45, publishes: 500, deliveries: 1_500 };

export const scenario: Scenario = {
  name: "f01",
  words:
    "exactly once to readers that resume, on two servers, under kills, pauses, crashes, cuts and a frozen object store",
  quick: true,
  alone: true,
  async run(rig) {
    const measure = { ...(rig.quick ? QUICK : FULL) };
    if (rig.seconds !== null) Object.assign(measure, { seconds: rig.seconds, mostSeconds: rig.seconds });
    const pair = await startPair(rig);
    const plan = await planOf(rig, pair.sites);
    const crew = await startCrew(rig, plan);
    const nemesis = startNemesis(rig, pair);
    await underFire(rig, { crew, nemesis, ...measure });
    await nemesis.stop();
    rig.log("healed");
    const { verdicts, found, history } = await settle(rig, { crew, cluster: pair.cluster });
    const kinds = [...nemesis.struck.values()];
    const faults = kinds.reduce((sum, times) => sum + times, 0);
    for (const [name, times] of nemesis.struck) rig.log(`${times} × ${name}`);
    return [
      ...verdicts,
      atLeast("publishes", found.attempted, measure.publishes),
      atLeast("deliveries", found.delivered, measure.deliveries),
      {
        name: "kinds of faults that struck",
        figure: `${kinds.filter((times) => times > 0).length} of ${kinds.length}, ${faults} faults in all`,
        ok: rig.seconds !== null || nemesis.complete(),
      },
      {
        name: "connections of readers",
        figure: grouped(history.readings.reduce((sum, { connections }) => sum + connections, 0)),
        ok: true,
      },
    ];
  },
};

/** Four busy channels with most of the publishes, and quiet ones, where a lost wake-up is not healed by the next publish. */
async function planOf(rig: Rig, sites: readonly Site[]): Promise<Plan> {
  const channels = await createChannels(sites[0]!.server.url, [
    ...(["public", "public", "public", "private"] as const).map((visibility) => ({ visibility, weight: 12 })),
    ...(["public", "public", "public", "public", "private", "private"] as const).map((visibility) => ({
      visibility,
      weight: 1,
    })),
  ]);
  const reader = (kind: Reading["kind"], of: Channel[], live = false) => ({
    name: `${live ? "live " : ""}${kind} reader of channel ${of.map((channel) => channels.indexOf(channel)).join(" and ")}`,
    channels: of,
    kind,
    live,
  });
  const busy = channels.filter(({ weight }) => weight > 1);
  const open = channels.filter(({ visibility }) => visibility === "public");
  const readers = [
    ...channels.flatMap((channel) => [reader("steady", [channel]), reader("steady", [channel], true)]),
    ...busy.flatMap((channel) => [reader("roving", [channel]), reader("roving", [channel], true)]),
    ...channels.slice(busy.length - 1).map((channel) => reader("polling", [channel])),
    reader("roving", open.slice(1)),
    reader("steady", open.slice(2)),
  ];
  return {
    servers: sites.map(({ fromClients }) => fromClients.url),
    channels,
    publishers: rig.quick ? 64 : 128,
    readers,
    thinkMs: 10,
    largeShare: 0.03,
    batchShare: 0.03,
    seed: rig.random.whole(0, 2 ** 31),
  };
}

/** Until the time is over and there is enough to speak of, or the most time is over. */
async function underFire(
  rig: Rig,
  {
    crew,
    nemesis,
    ...measure
  }: { crew: Crew; nemesis: Nemesis; seconds: number; mostSeconds: number; publishes: number; deliveries: number },
): Promise<void> {
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1_000;
  while (elapsed() < measure.mostSeconds) {
    await rig.pause(rig.quick ? 500 : 5_000);
    const { attempted, acknowledged, delivered } = await crew.status();
    rig.log(`${grouped(attempted)} published, ${grouped(acknowledged)} acknowledged, ${grouped(delivered)} delivered`);
    const enough = attempted >= measure.publishes && delivered >= measure.deliveries && nemesis.complete();
    if (elapsed() >= measure.seconds && enough) return;
  }
}
