/**
 * The bus on NATS keeps its contract on the server that TEST_NATS_URL names; and what only it has: servers that are away, frozen, or refuse, for which
 * the tests start servers of their own.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { NatsConnectionImpl, setTransportFactory } from "@nats-io/nats-core/internal";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openNats } from "../../adapters/nats.ts";
import { socketTransport } from "../../adapters/nats_socket.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { eventually } from "../support/eventually.ts";
import { type NatsBus, natsHarness, openNatsBus } from "../support/nats_bus.ts";
import { hasNatsServer, type OwnNats, ownNats } from "../support/nats_server.ts";
import { temporaryDirectory } from "../support/server_process.ts";
import { busContract } from "./bus.ts";

const url = process.env.TEST_NATS_URL;
/** A server that does not answer is given up within this. */
const DEAF_MS = 10_000;

function keepsOnTheWire(server: string): void {
  const test = suite("bus, nats, on the wire");

  /** Two buses of an installation of their own, and what passes between them. */
  async function scene(prove: (here: NatsBus, there: NatsBus, wire: Wire) => Promise<void>): Promise<void> {
    const installation = crypto.randomUUID();
    const wire = await openWire(server, `millrace.${installation}.knocks`);
    const [here, there] = await Promise.all([openNatsBus(server, installation), openNatsBus(server, installation)]);
    try {
      await prove(here, there, wire);
    } finally {
      await Promise.all([here.bus.close(), there.bus.close(), wire.close()]);
    }
  }

  test("a knock is heard once, by its own process too", () =>
    scene(async (here, there, wire) => {
      here.bus.knock(["a"]);
      await eventually("the other hears", () => there.heard.includes("a"));
      await wire.settled();
      await here.bus.close();
      assert.equal([here.heard, there.heard], [["a"], ["a"]]);
    }));

  test("a burst of knocks is one message, each subject in it once", () =>
    scene(async (here, there, wire) => {
      for (let round = 0; round < 1_000; round += 1) here.bus.knock([`a${round % 10}`]);
      await eventually("the other hears", () => there.heard.length > 0);
      await wire.settled();
      assert.is(there.heard.length, 10);
      assert.is(wire.messages.length, 1);
    }));

  test("very many subjects at once are one word", () =>
    scene(async (here, there, wire) => {
      here.bus.knock(Array.from({ length: 2_001 }, (_, index) => `a${index}`));
      await eventually("the other hears", () => there.heard.length > 0);
      assert.equal(there.heard, ["all"]);
      assert.is(wire.messages.length, 1);
    }));

  test("close() sends what is pending, and a second close() does nothing", () =>
    scene(async (here, there) => {
      here.bus.knock(["last words"]);
      await here.bus.close();
      await eventually("the other hears", () => there.heard.includes("last words"));
    }));

  test("installations on one server do not hear each other", () =>
    scene(async (here, there) => {
      const stranger = await openNatsBus(server, crypto.randomUUID());
      stranger.bus.knock(["theirs"]);
      await stranger.bus.close();
      here.bus.knock(["ours"]);
      await eventually("the other hears", () => there.heard.length > 0);
      assert.equal(there.heard, ["ours"]);
      assert.equal(stranger.heard, ["theirs"]);
    }));

  test("a message that is no knock is logged and nothing else", () =>
    scene(async (here, there, wire) => {
      for (const text of ["", "{}", "[1]", "[]", '["x","probe","1"]']) wire.send(text);
      here.bus.knock(["a"]);
      await eventually("the other hears", () => there.heard.length > 0);
      assert.equal(there.heard, ["a"]);
      assert.is(there.log.lines.filter(({ event }) => event === "bus_message_unread").length, 5);
    }));

  test("the bus opens while its installation is not known yet, and listens once it is", async () => {
    const installation = crypto.randomUUID();
    let known = false;
    const log = memoryLog("info");
    const ask = async () => (known ? installation : Promise.reject(new Error("not migrated")));
    const early = await openNats({ url: server, installation: ask, log });
    assert.equal(
      log.lines.map(({ event, fields }) => [event, fields.reason]),
      [["bus_connection_lost", "not migrated"]],
    );
    known = true;
    const there = await openNatsBus(server, installation);
    await eventually("it is heard", () => {
      early.knock(["a"]);
      return there.heard.includes("a");
    });
    await Promise.all([early.close(), there.bus.close()]);
  });

  test.run();
}

interface Wire {
  messages: string[];
  send(text: string): void;
  /** Resolves when whatever was sent until now has passed. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

async function openWire(server: string, subject: string): Promise<Wire> {
  setTransportFactory({ factory: socketTransport });
  const connection = await NatsConnectionImpl.connect({ servers: [new URL(server).host] });
  const messages: string[] = [];
  connection.subscribe(subject, { callback: (_, message) => void messages.push(message.string()) });
  await connection.flush();
  return {
    messages,
    send: (text) => connection.publish(subject, text),
    async settled() {
      // Longer than knocks are gathered, so that a second message would have come.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await connection.flush();
    },
    close: () => connection.close(),
  };
}

function keepsThroughTrouble(): void {
  const test = suite("bus, nats, through trouble");

  /** A server of the test's own, ended afterwards with every bus that was opened. */
  async function trouble(
    args: readonly string[],
    prove: (server: OwnNats, open: (url: string) => Promise<NatsBus>) => Promise<void>,
  ): Promise<void> {
    const server = await ownNats(args);
    const opened: NatsBus[] = [];
    try {
      await prove(server, async (address) => {
        const bus = await openNatsBus(address);
        opened.push(bus);
        return bus;
      });
    } finally {
      await Promise.all(opened.map(({ bus }) => bus.close()));
      await server.kill();
    }
  }

  const events = ({ log }: NatsBus) => log.lines.filter(({ level }) => level !== "debug").map(({ event }) => event);

  test("without a server the bus opens, serves its own process, says so once, and heals by itself", () =>
    trouble([], async (server, open) => {
      const began = performance.now();
      const [here, there] = await Promise.all([open(server.url), open(server.url)]);
      assert.ok(performance.now() - began < 1_000);
      here.bus.knock(["alone"]);
      assert.equal(here.heard, ["alone"]);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      assert.is(here.lost().length, 1);
      assert.match(here.lost()[0]!, /ECONNREFUSED/);
      await server.start();
      await eventually("both listen", () => [here, there].every(({ heard }) => heard.includes("all")));
      assert.equal(events(here), ["bus_connection_lost", "bus_connected"]);
      here.bus.knock(["together"]);
      await eventually("it is heard", () => there.heard.includes("together"));
      assert.not.ok(there.heard.includes("alone"));
    }));

  test('a server that is killed and comes back is found again, "all" is heard, and nothing is thrown meanwhile', () =>
    trouble([], async (server, open) => {
      await server.start();
      const [here, there] = await Promise.all([open(server.url), open(server.url)]);
      for (let round = 0; round < 2; round += 1) {
        here.heard.length = 0;
        there.heard.length = 0;
        const before = here.lost().length;
        const knocking = setInterval(() => here.bus.knock([`${round}`]), 2);
        try {
          await server.kill();
          await eventually("it is noticed", () => here.lost().length > before);
          await server.start();
          await eventually("both listen", () => [here, there].every(({ heard }) => heard.includes("all")), DEAF_MS);
          await eventually("knocks are heard", () => there.heard.at(-1) === `${round}`);
        } finally {
          clearInterval(knocking);
        }
      }
    }));

  test("a frozen server is noticed, however much was sent to it, and knocks go on once it wakes", () =>
    trouble([], async (server, open) => {
      await server.start();
      const [quiet, busy] = await Promise.all([open(server.url), open(server.url)]);
      server.freeze();
      // More than the buffers on the way hold, so that what was written is never taken.
      busy.bus.knock(Array.from({ length: 1_900 }, (_, index) => `${index}`.padEnd(7_000, "x")));
      await eventually("both notice", () => [quiet, busy].every((bus) => bus.lost().length > 0), DEAF_MS);
      assert.equal([...quiet.lost(), ...busy.lost()], Array(2).fill("the server does not answer"));
      quiet.bus.knock(["a"]);
      server.thaw();
      await eventually("both listen", () => [quiet, busy].every(({ heard }) => heard.includes("all")), DEAF_MS);
      busy.bus.knock(["awake"]);
      await eventually("it is heard", () => quiet.heard.includes("awake"));
    }));

  test("close() does not wait for a server that is away or frozen", () =>
    trouble([], async (server, open) => {
      const away = await open(server.url);
      await server.start();
      const frozen = await open(server.url);
      server.freeze();
      for (const [{ bus }, ms] of [[away, 1_500] as const, [frozen, 3_500] as const]) {
        bus.knock(["last words"]);
        const began = performance.now();
        await bus.close();
        assert.ok(performance.now() - began < ms);
      }
    }));

  test("a wrong password is said, without the password, and the right one is let in", () =>
    trouble(["--user", "u@x", "--pass", "p:w"], async (server, open) => {
      await server.start();
      const address = (login: string) => `nats://${login}@127.0.0.1:${server.port}`;
      const wrong = await open(address("u%40x:hunter2"));
      assert.equal(wrong.lost(), ["Authorization Violation"]);
      assert.not.match(JSON.stringify(wrong.log.lines), "hunter2");
      const right = await open(address("u%40x:p%3Aw"));
      assert.equal(events(right), ["bus_connected"]);
    }));

  test("a name without a password is a token", () =>
    trouble(["--auth", "t/oken"], async (server, open) => {
      await server.start();
      assert.equal(events(await open(`nats://t%2Foken@127.0.0.1:${server.port}`)), ["bus_connected"]);
      assert.equal((await open(server.url)).lost(), ["Authorization Violation"]);
    }));

  test("what the server forbids is said once: to listen, and to knock", async () => {
    const directory = await temporaryDirectory();
    const file = join(directory.path, "nats.conf");
    const user = (name: string, publish: string, subscribe: string) =>
      `{user: ${name}, password: p, permissions: {publish: "${publish}", subscribe: "${subscribe}"}}`;
    await writeFile(file, `authorization {users: [${user("deaf", ">", "other")}, ${user("mute", "other", ">")}]}`);
    await trouble(["--config", file], async (server, open) => {
      await server.start();
      const [deaf, mute] = await Promise.all(
        ["deaf", "mute"].map((name) => open(`nats://${name}:p@127.0.0.1:${server.port}`)),
      );
      for (let round = 0; round < 50; round += 1) {
        mute!.bus.knock(["a"]);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.is(deaf!.lost().length, 1);
      assert.match(deaf!.lost()[0]!, /^Permissions Violation for Subscription/);
      assert.equal(events(mute!), ["bus_connected", "bus_refused"]);
    });
    await directory.remove();
  });

  test("tls:// says nothing to a server that does not speak it", () =>
    trouble([], async (server, open) => {
      await server.start();
      const { lost } = await open(`tls://127.0.0.1:${server.port}`);
      assert.equal(lost(), ["server does not support 'tls'"]);
    }));

  test.run();
}

if (url) {
  busContract("nats", () => natsHarness(url));
  keepsOnTheWire(url);
  if (hasNatsServer) keepsThroughTrouble();
  else console.log("skipped: nats-server is not installed, so none was stopped or frozen");
} else {
  console.log("skipped: TEST_NATS_URL is not set, so no server was asked");
}
