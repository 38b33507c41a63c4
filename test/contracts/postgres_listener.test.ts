/** The listening connection of PostgreSQL's bus is given up when it is deaf, and only then; on the server that TEST_DATABASE_URL names. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import process from "node:process";
import * as assert from "uvu/assert";
import { openBus } from "../../adapters/postgres/bus.ts";
import type { Pool } from "../../adapters/postgres/pool.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { eventually } from "../support/eventually.ts";
import { promises } from "../support/promises.ts";

const url = process.env.TEST_DATABASE_URL;

/** Longer than a probe and its echo take on a busy machine. */
const PROBED_MS = 30_000;

interface Harness {
  /** The server behind a wire that can be made silent without being cut. */
  wire: { connectionString: string; freeze(): void };
  close(): Promise<void>;
}

async function openHarness(): Promise<Harness> {
  const target = new URL(url!);
  // The embedded server is reached by a socket in a directory.
  const directory = target.searchParams.get("host");
  const port = target.searchParams.get("port") ?? "5432";
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far =
      directory === null
        ? connect(Number(target.port || 5432), target.hostname)
        : connect(`${directory}/.s.PGSQL.${port}`);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const through = new URL(target);
  through.search = "";
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    wire: {
      connectionString: through.href,
      freeze() {
        for (const socket of sockets) socket.unpipe().pause();
      },
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A pool whose connections are all lent out. */
const fullPool: Pool = {
  query: () => new Promise(() => undefined),
  transaction: () => new Promise(() => undefined),
  end: async () => undefined,
};

/** A bus that sends through a full pool, with what it heard and logged. */
async function openListening(connectionString: string) {
  const log = memoryLog();
  const heard: string[] = [];
  const schema = `t_${crypto.randomUUID().replaceAll("-", "")}`;
  const bus = await openBus({ connection: { connectionString }, schema, pool: fullPool, log });
  const stop = new AbortController();
  bus.listen((subjects) => heard.push(String(subjects)), stop.signal);
  return { bus, heard, lost: () => log.lines.filter(({ event }) => event === "bus_connection_lost") };
}

if (url) {
  promises("postgres, the listening connection", openHarness, (keeps) => {
    keeps("is kept while the pool is full, and given up once it is deaf", async ({ wire }) => {
      const [healthy, deaf] = await Promise.all([openListening(url), openListening(wire.connectionString)]);
      wire.freeze();
      await eventually("the deaf one is given up", () => deaf.lost().length > 0, PROBED_MS);
      await eventually("it listens again", () => deaf.heard.includes("all"));
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert.equal(healthy.lost(), []);
      assert.equal(healthy.heard, []);
      await Promise.all([healthy.bus.close(), deaf.bus.close()]);
    });
  });
} else {
  console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
}
