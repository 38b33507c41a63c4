/** One channel and many readers: how much is delivered when publishers never rest, and how late when they keep a pace. */
import type { Bench } from "../bench.ts";
import { atLeast, atMost, type Case } from "../figures.ts";
import { type Server, startBare, startNchan, startWriter } from "../servers.ts";
import { loaded, type Measure } from "./measure.ts";

/** With more in flight, 5,000 readers make turns longer than a measurement. */
const SATURATED = [
  { readers: 100, publishers: 64, window: 256 },
  { readers: 1_000, publishers: 64, window: 256 },
  { readers: 5_000, publishers: 16, window: 64 },
] as const;
const PACED = [
  { readers: 100, rate: 500 },
  { readers: 1_000, rate: 50 },
] as const;

async function contestants(bench: Bench): Promise<Server[]> {
  const ours = await bench.millrace();
  const others = [
    await bench.other(startWriter(bench.programs.writer)),
    await bench.other(startBare("each")),
    await bench.other(startBare("joined")),
    await bench.other(startNchan(bench.directory)),
  ];
  return [ours, ...others.filter((server) => server !== null)];
}

/** The servers in turn with the same load, one channel each. */
async function side(
  bench: Bench,
  servers: readonly Server[],
  load: { readers: number },
  by: Parameters<typeof loaded>[2]["figures"],
) {
  const entrants = [];
  for (const server of servers) {
    const targets = await server.targets(1);
    entrants.push(loaded(bench, server, { load: { ...load, targets, body: server.body(128) }, figures: by }));
  }
  return bench.takeTurns(entrants);
}

export const fanOut: Measure = {
  name: "fan-out",
  title: "Fan-out",
  words:
    "Every message of 128 bytes (an event of about 350) goes to every reader of one channel. Publishers send on as soon as they are answered, at most 256 messages ahead of the readers. Millrace stores each message durably first; the others keep nothing. The C writer makes one write for each message and reader.",
  async take(bench) {
    const servers = await contestants(bench);
    const cases: Case[] = [];
    for (const { readers: wanted, ...load } of SATURATED) {
      const readers = bench.size(wanted);
      const [ours, ...others] = await side(
        bench,
        servers,
        { readers, ...load },
        ({ delivered, seconds, processor, total }) => ({
          rate: delivered / seconds,
          processor: (processor * 1e6) / total,
        }),
      );
      const goals: Record<string, ReturnType<typeof atLeast>> = wanted === 1_000
        ? { "node:http, a write each": atLeast(2), "nchan (nginx)": atLeast(1) }
        : {};
      const beside = others.map((taken) => ({ taken, ...(goals[taken.name] ? { goal: goals[taken.name]! } : {}) }));
      cases.push({
        what: `${readers.toLocaleString("en")} readers`,
        unit: "delivered/s",
        key: "rate",
        ours: ours!,
        beside,
      });
      if (wanted !== 1_000) continue;
      const what = "the same: processor time of the server";
      cases.push({ what, unit: "µs each", key: "processor", ours: ours!, beside: others.map((taken) => ({ taken })) });
    }
    return cases;
  },
};

export const latency: Measure = {
  name: "latency",
  title: "Latency",
  words:
    "From the moment a publish was due until a reader had the message, 50,000 deliveries a second, publishers on time whether or not the last publish has been answered.",
  async take(bench) {
    const servers = await contestants(bench);
    const cases: Case[] = [];
    for (const { readers: wanted, rate } of PACED) {
      const readers = bench.size(wanted);
      const load = { readers, rate, publishers: 16 };
      const [ours, ...others] = await side(bench, servers, load, ({ p50, p99 }) => ({
        p50: p50 / 1000,
        p99: p99 / 1000,
      }));
      for (const [key, most] of [
        ["p50", 1.5],
        ["p99", 2.5],
      ] as const) {
        const goal = (name: string) => (wanted === 1_000 && name === "bare C writer" ? { goal: atMost(most) } : {});
        const beside = others.map((taken) => ({ taken, ...goal(taken.name) }));
        cases.push({
          what: `${readers.toLocaleString("en")} readers, ${rate}/s, ${key}`,
          unit: "ms",
          key,
          ours: ours!,
          beside,
        });
      }
    }
    return cases;
  },
};
