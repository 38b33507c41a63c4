/** Many channels with a few readers each. */
import { atLeast } from "../figures.ts";
import { startWriter } from "../servers.ts";
import { type Delivered, loaded, type Measure } from "./measure.ts";

export const many: Measure = {
  name: "many",
  title: "Many channels",
  words:
    "1,000 channels with 3 readers each, 64 publishers that pick a channel at random and send on as soon as they are answered.",
  async take(bench) {
    const servers = [await bench.millrace(), (await bench.other(startWriter(bench.programs.writer)))!];
    const entrants = [];
    for (const server of servers) {
      const targets = await server.targets(bench.size(1_000));
      const load = { targets, body: server.body(128), publishers: 64, readers: 3 };
      const figures = ({ delivered, seconds, processor, published }: Delivered) => ({
        rate: delivered / seconds,
        processor: (processor * 1e6) / published,
      });
      entrants.push(loaded(bench, server, { load, figures }));
    }
    const [ours, writer] = await bench.takeTurns(entrants);
    return [
      {
        what: `${bench.size(1_000).toLocaleString("en")} channels × 3 readers`,
        unit: "delivered/s",
        key: "rate",
        ours: ours!,
        beside: [{ taken: writer!, goal: atLeast(0.3) }],
      },
      {
        what: "the same: processor time of the server for a publish with its deliveries",
        unit: "µs each",
        key: "processor",
        ours: ours!,
        beside: [{ taken: writer! }],
      },
    ];
  },
};
