/** Rows a second into a table, a thousand with each request, beside COPY on the same PostgreSQL. */
import { join } from "node:path";
import { startChild } from "../children.ts";
import { atLeast } from "../figures.ts";
import { SERVICE_TOKEN } from "../millrace.ts";
import { COLUMNS, people } from "../people.ts";
import { NODE } from "../servers.ts";
import { loaded, type Measure } from "./measure.ts";

const SIZE = 1_000;
const CONNECTIONS = 4;

export const tables: Measure = {
  name: "tables",
  title: "Rows into a table",
  words: `Each request carries ${SIZE} rows of five columns (text, text, integer, numeric, timestamptz), all or nothing, and tells the table's change feed in the same transaction. Beside it \`COPY … FROM STDIN\` of as many rows, each a transaction, from Node without HTTP, into a table of the same columns.`,
  async take(bench) {
    const size = bench.size(SIZE);
    const ours = await bench.millrace();
    const copied = await bench.database();
    const created = await fetch(`${ours.url}/sql/tables`, {
      method: "POST",
      headers: { Authorization: `Bearer ${SERVICE_TOKEN}`, "Content-Type": "application/json" },
      body: JSON.stringify({ name: "people", columns: COLUMNS }),
    });
    if (!created.ok) throw new Error(`the table was answered ${created.status}: ${await created.text()}`);
    const target = {
      publish: "/sql/tables/people/rows?return=minimal",
      header: `Authorization: Bearer ${SERVICE_TOKEN}`,
      read: "",
    };
    const script = join(import.meta.dirname, "../ceilings/copy.ts");
    const [mine, copy] = await bench.takeTurns([
      loaded(bench, ours, {
        name: `${CONNECTIONS} connections`,
        load: { targets: [target], body: JSON.stringify(people(size)), publishers: CONNECTIONS },
        figures: ({ answered, seconds, processor }) => ({
          rate: (answered * size) / seconds,
          processor: (processor * 1e6) / Math.max(1, answered * size),
        }),
      }),
      {
        name: `COPY, ${CONNECTIONS} connections, no HTTP`,
        async run() {
          const args = [...NODE.slice(1), script, copied, `${size}`, `${CONNECTIONS}`, `${bench.seconds}`];
          const child = await startChild({ command: NODE[0], args });
          return { rate: (JSON.parse(await child.ended()) as { rate: number }).rate };
        },
      },
    ]);
    const beside = [{ taken: copy!, goal: atLeast(0.25) }];
    return [
      { what: `1,000 rows a request, ${CONNECTIONS} connections`, unit: "rows/s", key: "rate", ours: mine!, beside },
    ];
  },
};
