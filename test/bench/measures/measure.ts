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
