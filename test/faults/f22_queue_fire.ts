/**
 * F22: a queue under fire. 32 workers in processes of their own claim over HTTP from two servers on one PostgreSQL, while servers and workers are killed and
 * stopped, workers longer than their leases, and backends of PostgreSQL die. Then everything is healed and worked off, and what all remember is compared.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { atLeast, grouped, noneOf } from "./load/figures.ts";
import { ask } from "./load/http.ts";
import { checkQueue } from "./load/queue_checker.ts";
import { type Ended, type QueueHistory, readEvents } from "./load/queue_history.ts";
import { type Producers, startProducers } from "./load/queue_producers.ts";
import type { WorkerPlan } from "./load/queue_worker.ts";
import type { Cluster, Rig, Scenario, Server, Verdict } from "./scenario.ts";

// Producers think so long that the workers can keep up, on a fast machine too.
const FULL = { seconds: 120, pushes: 5_000, thinkMs: 60, drainMs: 60_000 };
const QUICK = { seconds: 6, pushes: 150, thinkMs: 30, drainMs: 25_000 };
const PROCESSES = 8;
const WORKERS_EACH = 4;
const LEASE_SECONDS = 2;
const TOKEN = "the service token of the fault runs, of no worth".replaceAll(" ", "-");
const QUEUE = "fire";
const PROGRAM = fileURLToPath(new URL("./load/queue_worker.ts", import.meta.url));
const LOADER = new URL("../../scripts/typescript.mjs", import.meta.url).href;

interface Crew {
  /** SIGKILL for one of the processes; another takes its place. */
  replace(): Promise<void>;
  /** Stops one of them for so long. */
  hold(ms: number): Promise<void>;
  stop(): Promise<string[]>;
}

interface Stage {
  cluster: Cluster;
  servers: Server[];
  crew: Crew;
}

export const scenario: Scenario = {
  name: "f22",
  words: "a queue under fire: two servers, 32 workers, kills, and pauses longer than the lease",
  quick: true,
  alone: true,
  async run(rig) {
    const { seconds, pushes, thinkMs, drainMs } = rig.quick ? QUICK : FULL;
    const cluster = await rig.postgres();
    const env = { DATABASE_URL: cluster.url(), DATASTORE_TOKEN: TOKEN };
    const servers = [await rig.server({ name: "A", env }), await rig.server({ name: "B", env })];
    await Promise.all(servers.map((server) => server.start()));
    const urls = servers.map(({ url }) => url);
    const crew = startCrew(rig, urls);
    const producers = startProducers(rig, { servers: urls, token: TOKEN, queue: QUEUE, groups: 6, keys: 3, thinkMs });
    const struck = await underFire(rig, { cluster, servers, crew }, 1_000 * (rig.seconds ?? seconds));
    const history = await settled(rig, { crew, producers, server: servers[0]!, drainMs });
    return [
      ...verdicts(history),
      ...(rig.seconds === null ? [atLeast("pushes", history.pushed.length, pushes)] : []),
      {
        name: "kinds of faults that struck",
        figure: [...struck].map(([kind, times]) => `${times} × ${kind}`).join(", "),
        ok: rig.seconds !== null || [...struck.values()].every((times) => times > 0),
      },
    ];
  },
};

function startCrew(rig: Rig, servers: string[]): Crew {
  const files: string[] = [];
  const children: ChildProcess[] = [];
  const random = rig.random.fork();

  function start(at: number): void {
    const file = join(rig.directory, `workers-${files.length}.jsonl`);
    files.push(file);
    const plan: WorkerPlan = {
      servers,
      token: TOKEN,
      queue: QUEUE,
      workers: WORKERS_EACH,
      leaseSeconds: LEASE_SECONDS,
      file,
      seed: random.whole(0, 2 ** 31),
    };
    children[at] = spawn(process.execPath, ["--import", LOADER, PROGRAM, JSON.stringify(plan)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }
  for (let at = 0; at < PROCESSES; at += 1) start(at);
  const gone = (child: ChildProcess) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  rig.onEnd(() => Promise.all(children.map(gone)));
  const busy = new Set<number>();
  const free = () => random.pick([...children.keys()].filter((at) => !busy.has(at)));

  return {
    async replace() {
      const at = free();
      await gone(children[at]!);
      start(at);
    },
    async hold(ms) {
      const at = free();
      busy.add(at);
      children[at]!.kill("SIGSTOP");
      await rig.pause(ms);
      children[at]!.kill("SIGCONT");
      busy.delete(at);
    },
    async stop() {
      await Promise.all(children.map(gone));
      return files;
    },
  };
}

/** One fault after another, each kind once before any comes again; a pause of workers overlaps with what comes next. */
async function underFire(rig: Rig, { cluster, servers, crew }: Stage, ms: number): Promise<Map<string, number>> {
  const random = rig.random.fork();
  const held: Promise<void>[] = [];
  const lease = LEASE_SECONDS * 1_000;
  const kinds: Record<string, () => Promise<unknown>> = {
    "kill -9 of a server": async () => {
      const server = random.pick(servers);
      await server.kill();
      await rig.pause(random.whole(100, 800));
      await server.start();
    },
    "workers stopped for longer than their lease": async () =>
      void held.push(crew.hold(lease + random.whole(500, lease))),
    "kill -9 of workers": () => crew.replace(),
    "a server stopped for longer than a lease": async () => {
      const server = random.pick(servers);
      server.signal("SIGSTOP");
      await rig.pause(lease + random.whole(0, 1_000));
      server.signal("SIGCONT");
    },
    "kill -9 of a PostgreSQL backend": async () => {
      process.kill(random.pick(await cluster.backends()), "SIGKILL");
      await cluster.answers();
    },
  };
  const struck = new Map(Object.keys(kinds).map((kind) => [kind, 0]));
  const until = performance.now() + ms;
  await rig.pause(2_000);
  while (performance.now() < until) {
    for (const kind of Object.keys(kinds).sort(() => random.next() - 0.5)) {
      if (performance.now() >= until && [...struck.values()].every((times) => times > 0)) break;
      rig.log(kind);
      await kinds[kind]!();
      struck.set(kind, struck.get(kind)! + 1);
      await rig.pause(random.whole(300, 1_000));
    }
  }
  await Promise.all(held);
  return struck;
}

/** Lets the workers work off what is left, and gathers what everybody remembers. */
async function settled(
  rig: Rig,
  { crew, producers, server, drainMs }: { crew: Crew; producers: Producers; server: Server; drainMs: number },
): Promise<QueueHistory> {
  await producers.stop();
  rig.log(`healed; ${grouped(producers.pushed.length)} pushes`);
  const left = async () => {
    const { counts } = (await get(server, `/queue/${QUEUE}`)) as { counts: Record<string, number> };
    const { waiting = 0, delayed = 0, running = 0 } = counts;
    return { waiting, delayed, running };
  };
  const sumOf = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  let remaining = await left();
  // As long as they get on: what counts as stuck is what nobody works off.
  for (let until = performance.now() + drainMs; sumOf(remaining) > 0 && performance.now() < until; ) {
    await rig.pause(500);
    const before = sumOf(remaining);
    remaining = await left();
    if (sumOf(remaining) < before) until = performance.now() + drainMs;
  }
  const files = await crew.stop();
  const ended = [
    ...(await jobs(server, "done")),
    ...(await jobs(server, "dead")),
    ...(await jobs(server, "cancelled")),
  ];
  return { pushed: producers.pushed, ...(await readEvents(files)), ended, left: remaining };
}

async function jobs(server: Server, state: string): Promise<Ended[]> {
  const all: Ended[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const after: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = (await get(server, `/queue/${QUEUE}/jobs?state=${state}&limit=1000${after}`)) as {
      jobs: Ended[];
      next_cursor: string | null;
    };
    all.push(...page.jobs);
    cursor = page.next_cursor;
  }
  return all;
}

async function get(server: Server, path: string): Promise<unknown> {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const { status, body } = await ask(`${server.url}${path}`, { headers, timeoutMs: 30_000 });
  if (status !== 200) throw new Error(`${path} was answered ${status}: ${body}`);
  return JSON.parse(body);
}

function verdicts(history: QueueHistory): Verdict[] {
  const found = checkQueue(history);
  const { pushed, claims, ended, said } = history;
  const tasks = pushed.length;
  const hopeless = pushed.filter(({ task }) => task.kind === "nacked" || task.kind === "abandoned").length;
  return [
    noneOf("jobs lost", found.lost, tasks),
    noneOf("jobs stuck", found.stuck, tasks),
    noneOf("tasks doubled", found.doubled, ended.length),
    noneOf("jobs given out while another worker's lease was good", found.shared, claims.length),
    noneOf("attempts given out twice", found.twice, claims.length),
    noneOf("stale effects", found.stale, said.length),
    noneOf("group order violations", found.disordered, claims.length),
    noneOf("jobs of a key that ran side by side", found.beside, claims.length),
    noneOf("keys whose last word was forgotten", found.forgotten, tasks),
    noneOf("dead letters that are not exact", found.misjudged, ended.length),
    { name: "dead letters", figure: `${found.dead} of ${hopeless}`, ok: found.dead === hopeless && hopeless > 0 },
    atLeast("words of workers whose lease was over, refused", found.refused, 1),
  ];
}
