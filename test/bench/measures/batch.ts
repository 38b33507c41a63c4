/** Messages a second when a request carries a thousand of them. */
import { atLeast } from "../figures.ts";
import { textOf } from "../load.ts";
import { loaded, type Measure } from "./measure.ts";

const SIZE = 1_000;

export const batch: Measure = {
  name: "batch",
  title: "Batches",
  words:
    "Each request carries 1,000 messages of 128 bytes for one channel, all or nothing. Beside it the same rows from Node without HTTP.",
  async take(bench) {
    const ours = await bench.millrace();
    const plain = await bench.database();
    const targets = await ours.targets(1);
    const body = JSON.stringify({ messages: Array.from({ length: SIZE }, () => ({ payload: textOf(128) })) });
    const entrant = (publishers: number) =>
      loaded(bench, ours, {
        name: `${publishers} connections`,
        load: { targets, body, publishers },
        figures: ({ answered, seconds }) => ({ rate: (answered * SIZE) / seconds }),
      });
    const [one, four, bulk] = await bench.takeTurns([
      entrant(1),
      entrant(4),
      {
        name: "INSERTs of 1,000 rows, no HTTP",
        run: async () => ({ rate: await bench.postgres(plain, "bulk", `${SIZE}`) }),
      },
    ]);
    const shared = { unit: "messages/s", key: "rate", goal: atLeast(40_000, ""), beside: [{ taken: bulk! }] };
    return [
      { what: "1 connection", ours: one!, ...shared },
      { what: "4 connections", ours: four!, ...shared },
    ];
  },
};
