/** What a measurement stands on: one PostgreSQL, the built programs, servers that end with it, and figures taken in turn. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { startOwnPostgres } from "../support/own_postgres.ts";
import { type Child, startChild } from "./children.ts";
import { createLedger, type Ledger } from "./ledger.ts";
import { type Found, holdReaders, type Load, runLoad } from "./load.ts";
import { processorSeconds, watchStrangers } from "./machine.ts";
import { type Millrace, type Runtime, startMillrace } from "./millrace.ts";
import { Missing, NODE, type Server } from "./servers.ts";

export interface BenchOptions {
  runtime: Runtime;
  tree: string;
  runs: number;
  seconds: number;
  /** Everything small and short, only to see that the benchmark itself works. */
  smoke: boolean;
  profileDir: string | null;
  directory: string;
  programs: { load: string; writer: string };
}

/** The figures of one run, by name. */
export type Figures = Readonly<Record<string, number>>;

/** Something that can be measured, again and again. */
export interface Entrant {
  name: string;
  run(): Promise<Figures>;
}

/** What was measured of an entrant: a run each, or in words why there is none. */
export interface Taken {
  name: string;
  runs: Figures[];
  trouble: string | null;
}

export interface Bench extends BenchOptions {
  warmup: number;
  ledger: Ledger;
  /** A number of things, or few of them when this is a smoke run. */
  size(count: number): number;
  postgresVersion(): Promise<string>;
  /** The URL of a new, empty database. */
  database(): Promise<string>;
  /** The server under test, on a database of its own unless one is given. */
  millrace(databaseUrl?: string): Promise<Millrace>;
  /** A server that ends with this measurement; null with a word noted where it is missing. */
  other(start: Promise<Server>): Promise<Server | null>;
  /** Runs the load; `processor` is the seconds of processor time that the server used, not counting PostgreSQL. */
  load(server: Server, load: Omit<Load, "port">): Promise<Found & { processor: number }>;
  hold(server: Server, load: Omit<Load, "port">): Promise<Child>;
  /** Rows a second by one of the ways in ceilings/postgres.ts. */
  postgres(url: string, ...words: string[]): Promise<number>;
  /** Runs all entrants one after the other, as often as was asked for, so that a change of the machine's mood meets all of them. */
  takeTurns(entrants: readonly Entrant[]): Promise<Taken[]>;
  /** Why servers are missing, by name. */
  missing: readonly string[];
  /** Ends what this measurement has started. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

const SMALL = 30;

/** Opens a benchmark; `say` is told what is under way. */
export async function openBench(options: BenchOptions, say: (words: string) => void): Promise<Bench> {
  const { smoke, directory, programs } = options;
  const postgres = await startOwnPostgres();
  const running: { stop(): Promise<void> }[] = [];
  const missing: string[] = [];
  const ledger = createLedger();
  let databases = 0;

  const keep = <S extends { stop(): Promise<void> }>(started: S): S => {
    running.push(started);
    return started;
  };
  const sweep = async () => {
    for (const each of running.splice(0).reverse()) await each.stop();
  };
  const loadOf = (server: Server, load: Omit<Load, "port">): Load => ({
    warmup: smoke ? 0.1 : 0.5,
    seconds: options.seconds,
    ...load,
    port: server.port,
  });

  const bench: Bench = {
    ...options,
    warmup: smoke ? 0.1 : 0.5,
    ledger,
    missing,
    size: (count) => (smoke ? Math.max(1, Math.round(count / SMALL)) : count),
    postgresVersion: async () => `${(await postgres.query("SHOW server_version"))[0]?.server_version}`,
    async database() {
      databases += 1;
      const name = `bench_${databases}`;
      await postgres.query(`CREATE DATABASE ${name}`);
      return postgres.url.replace(/\/postgres\?/, `/${name}?`);
    },
    async millrace(databaseUrl) {
      const dataDir = join(directory, `data-${databases}`);
      await mkdir(dataDir, { recursive: true });
      return keep(await startMillrace({ ...options, dataDir, databaseUrl: databaseUrl ?? (await bench.database()) }));
    },
    async other(start) {
      try {
        return keep(await start);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        if (!missing.includes(error.message)) missing.push(error.message);
        return null;
      }
    },
    async load(server, load) {
      let before = 0;
      const began = () => {
        before = processorSeconds(server.pid);
      };
      const found = await runLoad(programs.load, directory, { ...loadOf(server, load), began });
      ledger.add(server.name, found);
      return { ...found, processor: processorSeconds(server.pid) - before };
    },
    hold: async (server, load) => keep(await holdReaders(programs.load, directory, loadOf(server, load))),
    async postgres(url, ...words) {
      const script = new URL("ceilings/postgres.ts", import.meta.url).pathname;
      const child = await startChild({
        command: NODE[0],
        args: [...NODE.slice(1), script, url, ...words, `${options.seconds}`],
      });
      return (JSON.parse(await child.ended()) as { rate: number }).rate;
    },
    takeTurns: (entrants) => takeTurns(entrants, { runs: options.runs, say }),
    sweep,
    async close() {
      await sweep();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return bench;
}

async function takeTurns(
  entrants: readonly Entrant[],
  { runs, say }: { runs: number; say: (words: string) => void },
): Promise<Taken[]> {
  const taken: Taken[] = entrants.map(({ name }) => ({ name, runs: [], trouble: null }));
  for (let run = 1; run <= runs; run += 1) {
    for (const [index, { name, run: measure }] of entrants.entries()) {
      const mine = taken[index]!;
      if (mine.trouble !== null) continue;
      try {
        const strangers = watchStrangers();
        const figures = await measure();
        mine.runs.push({ ...figures, strangers: strangers() });
        say(`  ${run}/${runs} ${name}: ${wordsOf(figures)}`);
      } catch (error) {
        mine.trouble = error instanceof Error ? error.message : String(error);
        say(`  ${run}/${runs} ${name}: ${mine.trouble}`);
      }
    }
  }
  return taken;
}

function wordsOf(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value.toPrecision(4).replace(/e\+.*/, (e) => e)}`)
    .map((words) => words.replace(/([\d.]+)e\+(\d+)/, (all) => `${Number(all)}`))
    .join(", ");
}
