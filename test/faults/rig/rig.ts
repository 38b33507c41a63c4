/** What a scenario is lent, made when it asks and ended when it is over. */
import { rmSync } from "node:fs";
import { chmod, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freePorts } from "../../support/free_ports.ts";
import type { Choices, Rig } from "../scenario.ts";
import { makeCluster } from "./cluster.ts";
import type { Wards } from "./living.ts";
import { startObjectStore } from "./object_store.ts";
import { openProxy } from "./proxy.ts";
import { seededRandom } from "./random.ts";
import { describeServer } from "./server.ts";

export interface OpenRig {
  rig: Rig;
  /** All that was logged. */
  lines: readonly string[];
  /** What the servers and PostgreSQL have logged last, by who did. */
  outputs(): Promise<{ name: string; lines: string[] }[]>;
  close(): Promise<void>;
}

const PRINTED_LINES = 12;
/** A server's log lines and last words, without its banner; what PostgreSQL says of trouble. */
const LOGGED = /^\{|error|fatal|panic|crash|stopping/i;

/** `write` is given each line of the log as it comes. */
export async function openRig(
  choices: Choices,
  { wards, write }: { wards: Wards; write(line: string): void },
): Promise<OpenRig> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-faults-"));
  // As root the cluster is lent to another account, which must be able to come here.
  await chmod(directory, 0o755);
  const random = seededRandom(choices.seed);
  const printed: { name: string; output(): string | Promise<string> }[] = [];
  const ends: (() => unknown)[] = [];
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.on("exit", remove);
  const lines: string[] = [];
  const began = performance.now();
  let made = 0;

  async function freshDirectory(name: string): Promise<string> {
    made += 1;
    const path = join(directory, `${name}${made}`);
    await mkdir(path, { mode: 0o755 });
    return path;
  }

  const log = (line: string) => {
    const stamped = `${((performance.now() - began) / 1_000).toFixed(2).padStart(7)} s  ${line}`;
    lines.push(stamped);
    write(stamped);
  };

  const rig: Rig = {
    ...choices,
    random,
    directory,
    log,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    async postgres({ directory: place, settings } = {}) {
      const [port] = await freePorts(1);
      const cluster = await makeCluster({
        directory: place ?? (await freshDirectory("pg")),
        shelter: join(directory, "programs"),
        port: port!,
        ...(settings === undefined ? {} : { settings }),
        wards,
      });
      ends.push(() => cluster.kill());
      printed.push({ name: "PostgreSQL", output: cluster.output });
      await cluster.start();
      return cluster;
    },
    async server(options) {
      const [port] = await freePorts(1);
      const server = describeServer({
        ...options,
        tree: choices.tree,
        runtime: choices.runtime,
        port: port!,
        dataDir: await freshDirectory("data"),
        wards,
      });
      ends.push(() => server.kill());
      printed.push(server);
      return server;
    },
    async proxy(port) {
      const proxy = await openProxy(port, random.fork());
      ends.push(() => proxy.close());
      return proxy;
    },
    async objectStore() {
      const store = await startObjectStore(wards);
      ends.push(store.end);
      return store;
    },
    onEnd: (end) => void ends.push(end),
  };

  return {
    rig,
    lines,
    outputs: () =>
      Promise.all(printed.map(async ({ name, output }) => ({ name, lines: kindsOf((await output()).split("\n")) }))),
    async close() {
      for (const end of ends.splice(0).reverse()) {
        await Promise.resolve()
          .then(end)
          .catch((error) => log(`an end failed: ${error}`));
      }
      process.off("exit", remove);
      remove();
    },
  };
}

/** The last line of each kind, with how many there were: what differs by numbers and ids alone is one kind. */
function kindsOf(lines: readonly string[]): string[] {
  const kinds = new Map<string, { last: string; count: number }>();
  for (const line of lines) {
    if (!LOGGED.test(line)) continue;
    const kind = line.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/g, "");
    kinds.set(kind, { last: line, count: (kinds.get(kind)?.count ?? 0) + 1 });
  }
  return [...kinds.values()].slice(-PRINTED_LINES).map(({ last, count }) => (count > 1 ? `${count} × ${last}` : last));
}
