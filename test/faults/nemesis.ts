/**
 * The nemesis of the main run: one fault after another, of kinds and at moments that chance picks, each undone by itself. Every kind comes once before any comes
 * again, and a target that is being broken is left alone until it is whole, while the others may break at the same time.
 */
import process from "node:process";
import type { Pair, Site } from "./rig/pair.ts";
import type { Rig, TcpProxy } from "./scenario.ts";

export interface Nemesis {
  /** Begins no other fault; resolves when everything is whole again. */
  stop(): Promise<void>;
  /** How often each kind struck. */
  struck: ReadonlyMap<string, number>;
  /** Whether every kind has struck. */
  complete(): boolean;
}

interface Kind {
  name: string;
  target: "site" | "cluster" | "store";
  strike(site: Site): Promise<void>;
}

const GAP_MS = { full: [500, 2_500], quick: [300, 1_200] } as const;
/** The connections that listen: their pids, and the ports they come from. */
export const LISTENING = `SELECT pid, client_port FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND (query LIKE 'LISTEN%' OR query = 'SELECT pg_notify($1, $2)')`;

export function startNemesis(rig: Rig, targets: Pair): Nemesis {
  const random = rig.random.fork();
  const kinds = kindsOf(rig, targets);
  const struck = new Map(kinds.map(({ name }) => [name, 0]));
  const busy = new Set<unknown>();
  const under = new Set<Promise<void>>();
  let due: Kind[] = [];
  let stopping = false;

  function strike(): void {
    if (due.length === 0) due = shuffled(kinds);
    const sites = targets.sites.filter((site) => !busy.has(site));
    const fits = ({ target }: Kind) => (target === "site" ? sites.length > 0 : !busy.has(target));
    const kind = due.find(fits);
    if (kind === undefined) return;
    due.splice(due.indexOf(kind), 1);
    const site = kind.target === "site" ? random.pick(sites) : targets.sites[0]!;
    const target = kind.target === "site" ? site : kind.target;
    busy.add(target);
    struck.set(kind.name, struck.get(kind.name)! + 1);
    rig.log(`${kind.name}${kind.target === "site" ? ` (${site.server.name})` : ""}`);
    const done = kind
      .strike(site)
      .catch((error: unknown) => rig.log(`${kind.name}: ${error}`))
      .then(() => {
        rig.log(`${kind.name}: over`);
        busy.delete(target);
        under.delete(done);
      });
    under.add(done);
  }

  function shuffled(all: readonly Kind[]): Kind[] {
    return all
      .map((kind) => ({ kind, at: random.next() }))
      .sort((one, other) => one.at - other.at)
      .map(({ kind }) => kind);
  }

  const loop = (async () => {
    const [least, most] = GAP_MS[rig.quick ? "quick" : "full"];
    while (!stopping) {
      strike();
      await rig.pause(random.whole(least, most));
    }
  })();

  return {
    struck,
    complete: () => [...struck.values()].every((times) => times > 0),
    async stop() {
      stopping = true;
      await loop;
      await Promise.all(under);
      for (const { toDatabase, fromClients } of targets.sites)
        for (const proxy of [toDatabase, fromClients]) proxy.heal({ halfOpen: true });
    },
  };
}

function kindsOf(rig: Rig, { cluster, store }: Pair): Kind[] {
  const random = rig.random.fork();
  const scale = rig.quick ? 0.5 : 1;
  const some = (most: number) => rig.pause(scale * random.whole(most / 5, most));
  const site = (name: string, strike: Kind["strike"]): Kind => ({ name, target: "site", strike });

  async function backAgain({ server }: Site): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await server.start();
      } catch (error) {
        if (tries === 10) throw error;
        rig.log(`${server.name} did not start: ${String(error).slice(0, 300)}`);
      }
    }
  }

  async function held(proxy: TcpProxy, ms: number, chosen?: (farPort: number) => boolean): Promise<void> {
    proxy.blackhole(chosen);
    await some(ms);
    proxy.heal();
  }

  /** Of the LISTEN connections those that go through this site's proxy. */
  async function listening(): Promise<{ pid: number; port: number }[]> {
    const rows = await cluster.query(LISTENING);
    return rows.map(({ pid, client_port }) => ({ pid: Number(pid), port: Number(client_port) }));
  }

  return [
    site("kill -9 of a server", async (at) => {
      await at.server.kill();
      await some(1_500);
      await backAgain(at);
    }),
    site("a server ended in order and started", async (at) => {
      await at.server.stop();
      await backAgain(at);
    }),
    site("a server stopped for a while", async ({ server }) => {
      server.signal("SIGSTOP");
      await some(5_000);
      server.signal("SIGCONT");
    }),
    site("the way to PostgreSQL cut", async ({ toDatabase }) => toDatabase.cut({ bytes: 2_000 })),
    site("the way to PostgreSQL half-open", async ({ toDatabase }) => toDatabase.halfOpen()),
    site("the way to PostgreSQL held up", ({ toDatabase }) => held(toDatabase, 5_000)),
    site("the LISTEN connection held up", async ({ toDatabase }) => {
      const ports = (await listening()).map(({ port }) => port);
      await held(toDatabase, 10_000, (port) => ports.includes(port));
    }),
    site("the way from clients cut", async ({ fromClients }) => fromClients.cut({ bytes: 4_000 })),
    site("the way from clients half-open", async ({ fromClients }) => fromClients.halfOpen()),
    site("the way from clients held up", ({ fromClients }) => held(fromClients, 4_000)),
    site("clients refused", async ({ fromClients }) => {
      fromClients.refuse();
      await some(2_000);
      fromClients.heal();
    }),
    {
      name: "kill -9 of a PostgreSQL backend",
      target: "cluster",
      async strike() {
        process.kill(random.pick(await cluster.backends()), "SIGKILL");
        await rig.pause(100);
        await cluster.answers();
      },
    },
    {
      name: "kill -9 of PostgreSQL as a whole",
      target: "cluster",
      async strike() {
        await cluster.kill();
        await some(1_000);
        await cluster.start();
      },
    },
    {
      name: "the LISTEN backends ended",
      target: "cluster",
      async strike() {
        for (const { pid } of await listening()) await cluster.query("SELECT pg_terminate_backend($1)", [pid]);
      },
    },
    {
      name: "the object store frozen",
      target: "store",
      async strike() {
        store.freeze();
        await some(6_000);
        store.thaw();
      },
    },
    {
      name: "the object store broken",
      target: "store",
      async strike() {
        await store.fault({ kind: random.pick(["error", "break"] as const), share: 0.5 });
        await some(2_000);
        await store.fault(null);
      },
    },
  ];
}
