/** Durable publishes a second, one message a request, beside what PostgreSQL and an empty handler allow. */
import { atLeast, type Case, type Goal } from "../figures.ts";
import { startHono } from "../servers.ts";
import { answeredFigures as figures, loaded, type Measure } from "./measure.ts";

const CONNECTIONS = [1, 16, 128] as const;
const GROUP_GOAL: Record<number, Goal> = { 128: atLeast(0.7) };
const EACH_GOAL: Record<number, Goal> = { 1: atLeast(0.9), 128: atLeast(2) };

export const publish: Measure = {
  name: "publish",
  title: "Durable publishes",
  words:
    "Each connection sends its next message of 128 bytes once its last has been answered. Group commit: all that waits in one `INSERT … SELECT unnest`, one statement at a time. One INSERT each: a pool of 16 connections; with one connection that is autocommit.",
  async take(bench) {
    const hono = await startHono(await bench.database()).then((server) => bench.other(Promise.resolve(server)));
    const plain = await bench.database();
    const ours = await bench.millrace();
    const many = await ours.targets(bench.size(1_000));
    const one = many.slice(0, 1);
    const path = (publish: string) => [{ publish, header: "", read: "" }];
    const cases: Case[] = [];
    for (const publishers of CONNECTIONS) {
      const load = { publishers, body: ours.body(128) };
      const [mine, mineMany, group, each, bare] = await bench.takeTurns([
        loaded(bench, ours, { name: `${publishers} connections`, load: { ...load, targets: one }, figures }),
        loaded(bench, ours, {
          name: `${publishers} connections, many channels`,
          load: { ...load, targets: many },
          figures,
        }),
        loaded(bench, hono!, {
          name: "group commit behind Hono",
          load: { ...load, targets: path("/group/one") },
          figures,
        }),
        loaded(bench, hono!, {
          name: publishers === 1 ? "autocommit INSERT behind Hono" : "one INSERT each behind Hono",
          load: { ...load, targets: path("/each/one") },
          figures,
        }),
        {
          name: "group commit, no HTTP",
          run: async () => ({ rate: await bench.postgres(plain, "group", `${publishers}`) }),
        },
      ]);
      const goals = { group: GROUP_GOAL[publishers], each: EACH_GOAL[publishers] };
      const beside = [
        { taken: each!, ...(goals.each ? { goal: goals.each } : {}) },
        { taken: group!, ...(goals.group ? { goal: goals.group } : {}) },
        { taken: bare! },
      ];
      const plural = publishers === 1 ? "connection" : "connections";
      cases.push({ what: `${publishers} ${plural}, one channel`, unit: "1/s", key: "rate", ours: mine!, beside });
      cases.push({
        what: `${publishers} ${plural}, ${many.length.toLocaleString("en")} channels`,
        unit: "1/s",
        key: "rate",
        ours: mineMany!,
        beside: beside.map(({ taken }) => ({ taken })),
      });
      if (publishers !== CONNECTIONS.at(-1)) continue;
      const behindHono = [{ taken: each! }, { taken: group! }];
      cases.push({
        what: "the same, one channel: processor time of the server",
        unit: "µs each",
        key: "processor",
        ours: mine!,
        beside: behindHono,
      });
    }
    return cases;
  },
};
