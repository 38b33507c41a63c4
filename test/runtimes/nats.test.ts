/**
 * The bus on NATS on every runtime: it keeps its contract, carries knocks between servers of one database in milliseconds, and no server depends on it. On
 * the servers that TEST_DATABASE_URL and TEST_NATS_URL name, and on NATS servers of the tests' own.
 */
import process from "node:process";
import { NatsConnectionImpl, setTransportFactory } from "@nats-io/nats-core/internal";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { socketTransport } from "../../adapters/nats_socket.ts";
import { busContract } from "../contracts/bus.ts";
import { hasOpenssl, localCertificate } from "../support/certificate.ts";
import { createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { eventually } from "../support/eventually.ts";
import { natsHarness } from "../support/nats_bus.ts";
import { hasNatsServer, type OwnNats, ownNats } from "../support/nats_server.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

/** Without knocks it is the look each second, so 500 ms for the median. */
const KNOCKED_MS = 200;

const natsUrl = process.env.TEST_NATS_URL;
const test = suite(`servers and NATS on ${runtimeName}`);
let database: TestDatabase;
let directory: { path: string; remove(): Promise<void> };

type Start = (env: Record<string, string>) => Promise<ServerProcess>;

/** Servers on the one database, stopped afterwards, which must succeed. */
async function withServers(prove: (start: Start) => Promise<void>): Promise<void> {
  const started: ServerProcess[] = [];
  try {
    await prove(async (env) => {
      const server = await startServerProcess({
        dataDir: directory.path,
        env: { ...database.env, DRAIN_LB: "0", DRAIN: "0", ...env },
      });
      started.push(server);
      return server;
    });
  } finally {
    for (const { code } of await Promise.all(started.map((server) => server.end("SIGTERM")))) assert.is(code, 0);
  }
}

/** Servers and a NATS server that is not started yet. */
function withNats(args: readonly string[], prove: (start: Start, nats: OwnNats) => Promise<void>): Promise<void> {
  return withServers(async (start) => {
    const nats = await ownNats(args);
    try {
      await prove(start, nats);
    } finally {
      await nats.kill();
    }
  });
}

/** Publishes on one and follows on the other: milliseconds from the request to the event, in order of size. */
async function latencies(one: ServerProcess, other: ServerProcess): Promise<number[]> {
  const publisher = createClient(one.url);
  const channel = await publisher.createChannel();
  const stream = await openEvents(`${other.url}/v1/public/${channel.id}`);
  const taken: number[] = [];
  for (let count = 1; count <= 20; count += 1) {
    const began = performance.now();
    assert.is((await publisher.publish(channel, count)).status, 201);
    await stream.until(count);
    taken.push(performance.now() - began);
  }
  stream.close();
  return taken.sort((left, right) => left - right);
}

/** Publishes and follows on one server: whether it works at all. */
async function worksAlone(server: ServerProcess): Promise<void> {
  await latencies(server, server);
}

/** Connections of the database that have listened or notified. */
async function onPostgresBus(): Promise<number> {
  const rows = await database.query(
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(LISTEN |SELECT pg_notify)'",
  );
  return rows.length;
}

const linesOf = (server: ServerProcess, event: string) => server.output().split(`"event":"${event}"`).length - 1;

test("what is published on one server is on a stream of the other in milliseconds, by NATS alone", () =>
  withServers(async (start) => {
    const env = { NATS_URL: natsUrl! };
    const [one, other] = await Promise.all([start(env), start(env)]);
    const taken = await latencies(one, other);
    const [median, most] = [taken[taken.length >> 1]!, taken.at(-1)!];
    console.log(`\n${runtimeName}: publish to event, median ${median.toFixed(1)} ms, most ${most.toFixed(1)} ms`);
    assert.ok(median < KNOCKED_MS, `the median is ${median} ms`);
    assert.is(await onPostgresBus(), 0);
    await start({});
    assert.is(await onPostgresBus(), 1);
  }));

const trouble = suite(`servers and NATS in trouble on ${runtimeName}`);

trouble("servers start and work without their NATS, and use it once it is there", () =>
  withNats([], async (start, nats) => {
    const [one, other] = await Promise.all([start({ NATS_URL: nats.url }), start({ NATS_URL: nats.url })]);
    await worksAlone(one);
    // By the look each second.
    const channel = await createClient(one.url).createChannel();
    const stream = await openEvents(`${other.url}/v1/public/${channel.id}`);
    assert.is((await createClient(one.url).publish(channel, "unheard")).status, 201);
    await stream.until(1, 3_000);
    stream.close();
    assert.equal([linesOf(one, "bus_connection_lost"), linesOf(one, "bus_connected")], [1, 0]);
    await nats.start();
    await eventually(
      "both are connected",
      () => [one, other].every((server) => linesOf(server, "bus_connected") === 1),
      10_000,
    );
    assert.ok((await latencies(one, other))[10]! < KNOCKED_MS);
    await nats.kill();
    await worksAlone(one);
  }),
);

trouble("a server that its NATS refuses says so and works", () =>
  withNats(["--user", "u", "--pass", "p"], async (start, nats) => {
    await nats.start();
    const server = await start({ NATS_URL: `nats://u:hunter2@127.0.0.1:${nats.port}` });
    // Through several attempts.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await worksAlone(server);
    assert.is(linesOf(server, "bus_connection_lost"), 1);
    assert.not.match(server.output(), "hunter2");
  }),
);

trouble("a socket that is let go of is heard to its end, whatever becomes of it", () =>
  withNats(["--user", "u", "--pass", "p"], async (_, nats) => {
    await nats.start();
    let unheard = 0;
    const count = () => {
      unheard += 1;
    };
    process.on("uncaughtException", count);
    setTransportFactory({ factory: socketTransport });
    // The server refuses and resets the connection while the client lets go of it, which is a race.
    for (let attempt = 0; attempt < 600; attempt += 1) {
      const servers = [`127.0.0.1:${nats.port}`];
      const refused = await NatsConnectionImpl.connect({ servers, user: "u", pass: "x", reconnect: false }).catch(
        String,
      );
      assert.match(String(refused), /Authorization Violation/);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    process.off("uncaughtException", count);
    assert.is(unheard, 0);
  }),
);

if (hasOpenssl) {
  trouble("knocks travel by TLS, and not to a server whose certificate nobody trusts", async () => {
    const { cert, key, trust } = await localCertificate(directory.path);
    await withNats(["--tls", "--tlscert", cert, "--tlskey", key], async (start, nats) => {
      await nats.start();
      const NATS_URL = `tls://localhost:${nats.port}`;
      const [one, other] = await Promise.all([start({ NATS_URL, ...trust }), start({ NATS_URL, ...trust })]);
      assert.ok((await latencies(one, other))[10]! < KNOCKED_MS);
      const mistrusting = await start({ NATS_URL });
      await worksAlone(mistrusting);
      assert.match(mistrusting.output(), /"bus_connection_lost","reason":"unable to verify/);
    });
  });
}

async function around(suites: (typeof test)[]): Promise<void> {
  suites[0]!.before(async () => {
    database = await createTestDatabase(testServer!);
    directory = await temporaryDirectory();
  });
  suites.at(-1)!.after(async () => {
    await database.drop();
    await directory.remove();
  });
  for (const each of suites) each.run();
}

if (!natsUrl || testServer === null) {
  console.log("skipped: TEST_NATS_URL is not set, or TEST_DATABASE_URL");
} else {
  if (!hasOpenssl) console.log("skipped: openssl is not installed, so TLS was not tried");
  if (!hasNatsServer) console.log("skipped: nats-server is not installed, so none was stopped");
  busContract(`nats on ${runtimeName}`, () => natsHarness(natsUrl));
  void around(hasNatsServer ? [test, trouble] : [test]);
}
