/**
 * What a fault scenario is, and what it is lent. A file `test/faults/fNN_<words>.ts` exports `scenario: Scenario`; `npm run faults` finds it by that name,
 * lends it a rig of its own, prints each verdict as `name: figure` and ends whatever the scenario left running.
 */

/** One line of the result: a promise, the figure that was counted, and whether the figure keeps the promise. */
export interface Verdict {
  /** Such as `acknowledged lost`. */
  name: string;
  /** Such as `0 of 104,233`. */
  figure: string;
  ok: boolean;
}

export interface Scenario {
  /** As the catalogue numbers it, such as `f12`; what a person selects it by. */
  name: string;
  /** What is done to whom, in one line. */
  words: string;
  /** Whether the quick form runs it too; all of the quick form takes at most 90 s. */
  quick: boolean;
  /** True: nothing runs beside it in the quick form either, since it keeps the machine busy. */
  alone?: boolean;
  /** Throws only when the harness itself cannot go on, which counts as one failure. */
  run(rig: Rig): Promise<Verdict[]>;
}

/** How the command was called. */
export interface Choices {
  /** The root of the tree whose server is tested; the one this file is in by default. */
  tree: string;
  runtime: "node" | "bun" | "deno";
  seed: number;
  quick: boolean;
  /** Seconds of load that `--seconds` asks for; null: the scenario's own measure. */
  seconds: number | null;
}

export interface Rig extends Choices {
  random: Random;
  /** Empty, passable for all, removed at the end. */
  directory: string;
  /** What happened, with the time since the start; printed as it comes with `--verbose`, and when a verdict is red. */
  log(line: string): void;
  pause(ms: number): Promise<void>;
  /** A PostgreSQL of its own, started, with fsync on. */
  postgres(options?: PostgresChoices): Promise<Cluster>;
  /** A server process, not started yet; its port stays the same over restarts. */
  server(options: ServerChoices): Promise<Server>;
  /** A way to a port of this machine that can be cut. */
  proxy(port: number): Promise<TcpProxy>;
  /** An S3 server in a process of its own, in memory, with an empty bucket. */
  objectStore(): Promise<ObjectStore>;
  /** Runs when the scenario is over, last first; whatever the rig lent is ended without it. */
  onEnd(end: () => unknown): void;
}

/** Chance that a seed repeats, for each caller in order; what processes and timers do in between it does not repeat. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number, both ends included. */
  whole(least: number, most: number): number;
  pick<T>(from: readonly T[]): T;
  chance(probability: number): boolean;
  hex(digits: number): string;
  /** Another generator that does not share its state. */
  fork(): Random;
}

export interface PostgresChoices {
  /** Where the cluster is made, such as a small tmpfs; in the rig's directory by default. The lent account must be able to pass there. */
  directory?: string;
  /** Settings besides the rig's own, such as `{ shared_preload_libraries: "pg_stat_statements" }`. */
  settings?: Record<string, string>;
}

export interface Cluster {
  port: number;
  /** Over 127.0.0.1; another port, such as a proxy's, when given. */
  url(port?: number): string;
  /** PostgreSQL's data directory, for copies while it is stopped. */
  data: string;
  /** Its log so far. */
  output(): Promise<string>;
  /** Each on a connection of its own, closed afterwards; rejects when the server does not answer. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** The pids of the backends that serve clients. */
  backends(): Promise<number[]>;
  /** Resolves when it takes connections again; clears what a killed postmaster left. */
  start(): Promise<void>;
  /** In order, connections ended. */
  stop(): Promise<void>;
  /** Ends the postmaster and its children by SIGKILL; resolves when all are gone. */
  kill(): Promise<void>;
  /** Resolves when it answers, as after a crash of one backend. */
  answers(withinMs?: number): Promise<void>;
}

export interface ServerChoices {
  name: string;
  /** On top of PATH, HOME, PORT, DATA_DIR, TOKEN_SECRET_SALT, RATE_LIMIT=off, LOG_LEVEL=warn, DRAIN_LB=0 and DRAIN=1. */
  env: Record<string, string>;
  /** The file it runs, instead of the tree's `adapters/<runtime>.ts`. */
  entry?: string;
}

export interface Server {
  name: string;
  port: number;
  url: string;
  /** Undefined while it does not run. */
  pid(): number | undefined;
  /** Resolves when it says that it is ready; rejects with its output when it ends before. */
  start(): Promise<void>;
  /** Pauses and resumes it: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<{ code: number | null; ms: number }>;
  /** Resolves at its next end, whoever caused it. */
  ended(): Promise<{ code: number | null }>;
  /** All it has printed, over restarts; the last megabyte. */
  output(): string;
  /** Its resident memory now, in bytes. */
  memory(): Promise<number>;
}

export interface TcpProxy {
  port: number;
  url: string;
  /** How many connections pass through it now. */
  count(): number;
  /** Ends connections, all or those that `chosen` picks by the local port of their far side, after up to `bytes` more of what flows. */
  cut(how?: { bytes?: number; chosen?: (farPort: number) => boolean }): void;
  /** Loses the far side without a word to the near side: connections stay open, and what is written is swallowed. */
  halfOpen(chosen?: (farPort: number) => boolean): void;
  /** Lets nothing through, either way, and answers nothing to whoever connects, until `heal`; chosen connections only, when given. */
  blackhole(chosen?: (farPort: number) => boolean): void;
  /** Refuses new connections and ends the open ones until `heal`, or ends each with this answer, such as a 503. */
  refuse(answer?: string): void;
  /** Lets everything flow on that was held back; half-open connections stay as they are, or end when `halfOpen` is true. */
  heal(how?: { halfOpen?: boolean }): void;
}

export interface ObjectStore {
  /** What a server needs to use it. */
  env: Record<string, string>;
  pid: number;
  port: number;
  /** SIGSTOP and SIGCONT. */
  freeze(): void;
  thaw(): void;
  /** What it does to requests from now on; null: it behaves. */
  fault(fault: StoreFault | null): Promise<void>;
  /** All keys, with size and time of storing in milliseconds since 1970. */
  list(): Promise<{ key: string; size: number; at: number }[]>;
  /** Changes stored bytes: one bit flipped, the last byte cut, or gone. */
  damage(key: string, how: "flip" | "truncate" | "remove"): Promise<void>;
}

export interface StoreFault {
  /** `hang`: no answer. `error`: 503. `lose`: PUT answers 200 and keeps nothing. `flip`, `truncate`: GET answers other bytes. `break`: the connection ends in mid-answer. */
  kind: "hang" | "error" | "lose" | "flip" | "truncate" | "break";
  /** Of the requests that it fits, 0 to 1; all by default. */
  share?: number;
  /** All by default. */
  method?: "GET" | "PUT" | "HEAD" | "DELETE";
}
