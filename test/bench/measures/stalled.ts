/** Readers that stop reading: what they cost the others, and the memory. */
import type { Bench, Entrant } from "../bench.ts";
import { pause } from "../children.ts";
import { atLeast } from "../figures.ts";
import { memoryOf } from "../machine.ts";
import type { Measure } from "./measure.ts";

const SAMPLE_MS = 100;
const MEBIBYTE = 1_048_576;

function entrant(bench: Bench, how: { name: string; stalled: number }): Entrant {
  const readers = bench.size(200);
  const { stalled } = how;
  return {
    name: how.name,
    async run() {
      const server = await bench.millrace();
      const before = memoryOf(server.pid);
      let most = before;
      let over = false;
      const watching = (async () => {
        for (; !over; await pause(SAMPLE_MS)) most = Math.max(most, memoryOf(server.pid));
      })();
      const load = {
        targets: await server.targets(1),
        body: server.body(16_000),
        publishers: 16,
        window: 32,
        warmup: 2 * bench.warmup,
      };
      const found = await bench.load(server, { ...load, readers, stalled }).finally(() => {
        over = true;
      });
      await watching;
      await server.stop();
      if (found.errors > 0) throw new Error(found.trouble);
      const rate = found.delivered / found.seconds / (readers - stalled);
      return { rate, grown: (most - before) / MEBIBYTE, ended: found.stalled_ended };
    },
  };
}

export const stalled: Measure = {
  name: "stalled",
  title: "Stalled readers",
  words:
    "200 readers of one channel, payloads of 16,000 bytes, a new process each; 20 of the readers stop reading without leaving. What each of the others is given a second, beside the same with nobody stalled; how much the server's memory grew at most.",
  async take(bench) {
    const count = bench.size(20);
    const [ours, calm] = await bench.takeTurns([
      entrant(bench, { name: `${count} stalled`, stalled: count }),
      entrant(bench, { name: "nobody stalled", stalled: 0 }),
    ]);
    const shared = { ours: ours!, beside: [{ taken: calm! }] };
    return [
      {
        what: "each of the others",
        unit: "messages/s",
        key: "rate",
        ours: ours!,
        beside: [{ taken: calm!, goal: atLeast(0.8) }],
      },
      { what: "memory grew by", unit: "MiB", key: "grown", ...shared },
      { what: `of ${count} stalled, ended by the server`, unit: "", key: "ended", ours: ours! },
    ];
  },
};
