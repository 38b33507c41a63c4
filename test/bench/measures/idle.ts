/** What an open stream costs while nothing happens. */
import type { Bench, Entrant } from "../bench.ts";
import { pause } from "../children.ts";
import { atMost, type Goal } from "../figures.ts";
import { memoryOf } from "../machine.ts";
import type { Runtime } from "../millrace.ts";
import type { Measure } from "./measure.ts";

const GOAL: Partial<Record<Runtime, Goal>> = { node: atMost(17, "KiB"), bun: atMost(8, "KiB") };
const WARM = 100;

function entrant(bench: Bench, count: number): Entrant {
  return {
    name: `${count} streams`,
    async run() {
      const server = await bench.millrace();
      const targets = await server.targets(1);
      const settle = () => pause(bench.smoke ? 100 : 2_000);
      const warm = await bench.hold(server, { targets, readers: Math.min(WARM, count) });
      await warm.stop();
      await settle();
      const before = memoryOf(server.pid);
      const streams = await bench.hold(server, { targets, readers: count });
      await settle();
      const kib = (memoryOf(server.pid) - before) / count / 1024;
      await streams.stop();
      await server.stop();
      return { kib };
    },
  };
}

export const idle: Measure = {
  name: "idle",
  title: "Idle streams",
  words:
    "Resident memory of the server, a new process each, for each open stream of one channel two seconds after the last has opened.",
  async take(bench) {
    const counts = [bench.size(1_000), bench.size(10_000)];
    const taken = await bench.takeTurns(counts.map((count) => entrant(bench, count)));
    return taken.map((ours, index) => {
      const goal = index === 1 ? GOAL[bench.runtime] : undefined;
      const what = `${counts[index]!.toLocaleString("en")} streams`;
      return { what, unit: "KiB each", key: "kib", ours, ...(goal === undefined ? {} : { goal }) };
    });
  },
};
