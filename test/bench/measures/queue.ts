/** Jobs a second through a queue, beside plain SQL and other queues on the same PostgreSQL. */
import { join } from "node:path";
import process from "node:process";
import type { Bench, Entrant } from "../bench.ts";
import { startChild } from "../children.ts";
import { atLeast, type Case } from "../figures.ts";
import { type Millrace, SERVICE_TOKEN, startMillrace } from "../millrace.ts";
import { findPeers, type Peers } from "../peers.ts";
import { Missing } from "../servers.ts";
import type { Measure } from "./measure.ts";

const CALLERS = 64;
const WORKERS = 4;
const HERE = import.meta.dirname;
const BOUND_MS = 180_000;
/** Jobs that are worked off from a backlog are so many for each second, more than anybody does. */
const BACKLOG = { millrace: 45_000, one: 20_000, "pg-boss": 25_000, "graphile-worker": 40_000 };

interface Loaded {
  jobs: number;
  seconds: number;
  errors: number;
  trouble: string;
}

export const queue: Measure = {
  name: "queue",
  title: "Queues",
  words: `Jobs with a payload of 128 bytes, claimed and acknowledged; all programs on the Node that the peers need. By hundreds: from a backlog, Millrace over HTTP by ${WORKERS} connections, \`pg-boss\` by ${WORKERS} workers that fetch and complete, \`graphile-worker\` with a local queue of 500 and gathered completions, SQL by ${WORKERS} connections. One each, from a backlog, as the manual has it: every caller claims one job and acknowledges it with its next claim, in one request; SQL in two statements, by a pool of 16 connections. The same in two requests, and with putting in, in three requests and three statements, show what a request costs.`,
  async take(bench) {
    const peers = await findPeers().catch((error: unknown) => {
      if (!(error instanceof Missing)) throw error;
      return error;
    });
    const node = peers instanceof Missing ? process.execPath : peers.node;
    const ours = await started(bench, node);
    const program = await built(bench);
    // What one run leaves of its backlog would slow down the next.
    const plain = (what: string, count: number) => async () => ({
      rate: await rateOf(bench, node, ["queue_sql.ts", await bench.database(), what, `${count}`]),
    });
    const [batches, pgBoss, graphile, bulk] = await bench.takeTurns([
      { name: `by 100, ${WORKERS} connections`, run: () => byHundreds(bench, program, ours) },
      await peer(bench, peers, "pg-boss"),
      await peer(bench, peers, "graphile-worker"),
      { name: "SQL by 100, no HTTP", run: plain("batch", WORKERS) },
    ]);
    const [next, pair, nextSql, single, one] = await bench.takeTurns([
      { name: `${CALLERS} callers, one job each`, run: () => oneByOne(bench, program, { ...ours, what: "next" }) },
      {
        name: `${CALLERS} callers, one job each, two requests`,
        run: () => oneByOne(bench, program, { ...ours, what: "pair" }),
      },
      { name: "SQL one at a time, no HTTP", run: plain("next", CALLERS) },
      {
        name: `${CALLERS} callers, one job each, put in too`,
        run: () => load(bench, program, { port: ours.port, what: "one", connections: CALLERS }),
      },
      { name: "SQL one at a time, no HTTP", run: plain("one", CALLERS) },
    ]);
    const cases: Case[] = [
      {
        what: `claimed and acknowledged by 100, ${WORKERS} connections`,
        unit: "jobs/s",
        key: "rate",
        ours: batches!,
        beside: [{ taken: pgBoss!, goal: atLeast(2) }, { taken: graphile!, goal: atLeast(1) }, { taken: bulk! }],
      },
      {
        what: `${CALLERS} callers, one job each: claimed and acknowledged`,
        unit: "jobs/s",
        key: "rate",
        ours: next!,
        beside: [{ taken: nextSql!, goal: atLeast(3) }],
      },
      {
        what: `${CALLERS} callers, one job each: claimed, and acknowledged by a request of its own`,
        unit: "jobs/s",
        key: "rate",
        ours: pair!,
        beside: [{ taken: nextSql! }],
      },
      {
        what: `${CALLERS} callers, one job each: put in, claimed, acknowledged`,
        unit: "jobs/s",
        key: "rate",
        ours: single!,
        beside: [{ taken: one! }],
      },
    ];
    return cases;
  },
};

async function started(bench: Bench, node: string): Promise<Millrace> {
  const databaseUrl = await bench.database();
  const server = await bench.other(
    startMillrace({ ...bench, dataDir: join(bench.directory, "data-queue"), databaseUrl, node }),
  );
  return server as Millrace;
}

async function built(bench: Bench): Promise<string> {
  const program = join(bench.directory, "queue_load");
  const child = await startChild({ command: "cc", args: ["-O2", "-o", program, join(HERE, "../queue_load.c")] });
  await child.ended();
  return program;
}

/** From a backlog that is put in before. */
async function byHundreds(bench: Bench, program: string, { port }: Millrace) {
  const jobs = Math.ceil(BACKLOG.millrace * (bench.seconds + bench.warmup));
  await run(program, [`${port}`, SERVICE_TOKEN, "fill", "2", `${jobs}`]);
  return load(bench, program, { port, what: "batch", connections: WORKERS });
}

async function oneByOne(bench: Bench, program: string, { port, what }: { port: number; what: "next" | "pair" }) {
  const jobs = Math.ceil(BACKLOG.one * (bench.seconds + bench.warmup));
  await run(program, [`${port}`, SERVICE_TOKEN, "fill", "2", `${jobs}`]);
  return load(bench, program, { port, what, connections: CALLERS });
}

async function load(
  { seconds, warmup }: Bench,
  program: string,
  { port, what, connections }: { port: number; what: "batch" | "one" | "pair" | "next"; connections: number },
) {
  const found = await run(program, [`${port}`, SERVICE_TOKEN, what, `${connections}`, `${seconds}`, `${warmup}`]);
  return { rate: found.jobs / found.seconds };
}

async function run(program: string, args: string[]): Promise<Loaded> {
  const child = await startChild({ command: program, args, boundMs: BOUND_MS });
  const found = JSON.parse(await child.ended()) as Loaded;
  if (found.errors > 0) throw new Error(`${found.errors} errors, the first: ${found.trouble}`);
  return found;
}

/** On a new database for each run, since its backlog must be its own. */
async function peer(bench: Bench, peers: Peers | Missing, name: keyof Peers["names"]): Promise<Entrant> {
  if (peers instanceof Missing) return { name, run: () => Promise.reject(peers) };
  const { node, directory } = peers;
  return {
    name: `${peers.names[name]}, no HTTP`,
    async run() {
      const backlog = Math.ceil(BACKLOG[name] * (bench.seconds + 0.3));
      const url = await bench.database();
      return { rate: await rateOf(bench, node, ["queue_peer.ts", url, directory, name, `${backlog}`]) };
    },
  };
}

async function rateOf({ seconds }: Bench, node: string, [file, ...words]: [string, ...string[]]): Promise<number> {
  const args = [...loaderOf(node), join(HERE, "../ceilings", file), ...words, `${seconds}`];
  const child = await startChild({ command: node, args, boundMs: BOUND_MS });
  return (JSON.parse(await child.ended()) as { rate: number }).rate;
}

/** Node 24 reads TypeScript by itself. */
function loaderOf(node: string): string[] {
  return node === process.execPath ? ["--import", join(HERE, "../../../scripts/typescript.mjs")] : [];
}
