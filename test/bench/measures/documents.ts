/** Documents put and got a second, one a request, beside an upsert and a look-up each. */
import type { Case } from "../figures.ts";
import { textOf } from "../load.ts";
import { SERVICE_TOKEN, together } from "../millrace.ts";
import { type Server, startHono } from "../servers.ts";
import { answeredFigures as figures, loaded, type Measure } from "./measure.ts";

const KEYS = 10_000;
const CONNECTIONS = [1, 64] as const;
const HEADER = `Authorization: Bearer ${SERVICE_TOKEN}`;
const BODY = JSON.stringify({ note: textOf(128) });

export const documents: Measure = {
  name: "documents",
  title: "Documents",
  words: `Payloads of 140 bytes under ${KEYS.toLocaleString("en")} keys of one namespace, one of them at random with each request. A put appends a version, keeps those before, and tells the namespace's feed of changes in the same transaction; beside it Hono with one upsert each by a pool of 16 connections, which keeps the newest only and tells nobody. A get answers the newest version; beside it Hono with one SELECT by primary key each.`,
  async take(bench) {
    const hono = await startHono(await bench.database()).then((server) => bench.other(Promise.resolve(server)));
    const ours = await bench.millrace();
    const size = bench.size(KEYS);
    const header = { Authorization: `Bearer ${SERVICE_TOKEN}` };
    await fill(ours.url, size, header);
    await fill(`http://127.0.0.1:${hono!.port}`, size, {});
    const cases: Case[] = [];
    for (const method of ["PUT", "GET"] as const) {
      for (const publishers of CONNECTIONS) {
        const entrant = (server: Server, name: string) =>
          loaded(bench, server, {
            name,
            load: { publishers, targets: targetsOf(method, size), body: method === "PUT" ? BODY : "" },
            figures,
          });
        const plural = publishers === 1 ? "connection" : "connections";
        const plain = method === "PUT" ? "one upsert each behind Hono" : "one SELECT each behind Hono";
        const [mine, theirs] = await bench.takeTurns([
          entrant(ours, `${method}, ${publishers} ${plural}`),
          entrant(hono!, plain),
        ]);
        const what = `${method.toLowerCase()}, ${publishers} ${plural}`;
        const beside = [{ taken: theirs! }];
        cases.push({ what, unit: "1/s", key: "rate", ours: mine!, beside });
        if (publishers === 1) continue;
        cases.push({
          what: "the same: processor time of the server",
          unit: "µs each",
          key: "processor",
          ours: mine!,
          beside,
        });
        cases.push({ what: "the same: p99", unit: "ms", key: "p99", ours: mine!, beside });
      }
    }
    return cases;
  },
};

function targetsOf(method: "PUT" | "GET", count: number) {
  return Array.from({ length: count }, (_, index) => ({
    publish: `${method} ${pathOf(index)}`,
    header: HEADER,
    read: "",
  }));
}

const pathOf = (index: number) => `/document/bench/key-${index}`;

/** Puts every key once, so that each get finds something. */
async function fill(url: string, count: number, headers: Record<string, string>): Promise<void> {
  await together(count, async (index) => {
    const request = { method: "PUT", body: BODY, headers: { ...headers, "Content-Type": "application/json" } };
    const answer = await fetch(url + pathOf(index), request);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`PUT ${pathOf(index)} was answered ${answer.status}: ${text.slice(0, 300)}`);
  });
}
