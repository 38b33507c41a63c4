/** One chapter of the benchmark. */
import type { Bench, Entrant } from "../bench.ts";
import type { Case } from "../figures.ts";
import type { Load } from "../load.ts";
import type { Server } from "../servers.ts";

export interface Measure {
  /** What `--only` selects it by. */
  name: string;
  title: string;
  /** How it is measured, for those who read the table. */
  words: string;
  take(bench: Bench): Promise<Case[]>;
}

/** What a run of the load generator found. */
export type Delivered = Awaited<ReturnType<Bench["load"]>>;

/** What is asked of requests that are answered one by one. */
export const answeredFigures = ({ answered, seconds, answer_p50, answer_p99, published, processor }: Delivered) => ({
  rate: answered / seconds,
  p50: answer_p50 / 1000,
  p99: answer_p99 / 1000,
  processor: (processor * 1e6) / published,
});

/** An entrant that is one run of the load generator. */
export function loaded(
  bench: Bench,
  server: Server,
  how: {
    name?: string;
    load: Omit<Load, "port">;
    figures(found: Delivered): Record<string, number>;
  },
): Entrant {
  return {
    name: how.name ?? server.name,
    async run() {
      const found = await bench.load(server, how.load);
      if (found.errors > 0) throw new Error(`${found.errors} errors, the first: ${found.trouble}`);
      return how.figures(found);
    },
  };
}
