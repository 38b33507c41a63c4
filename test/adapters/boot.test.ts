/** What a server is made of and how it ends: stores that are not asked too often, and an end that nothing can hold for ever. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { closeInTime, portsOf } from "../../adapters/boot.ts";
import { createApp } from "../../core/mod.ts";
import { appNames } from "../../core/ports/host.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { streamResponse } from "../../core/ports/stream.ts";
import { memoryPorts, memorySettings } from "../support/memory_house.ts";

const test = suite("closeInTime()");
const never = () => new Promise<void>(() => undefined);
const atOnce = async () => undefined;

test("neither an app nor a listener that never ends can hold the end", async () => {
  for (const [stop, close] of [
    [never, atOnce],
    [atOnce, never],
    [never, never],
  ] as const) {
    const log = memoryLog();
    const began = performance.now();
    await closeInTime({ stop }, { listeners: [{ port: 1, close }], log, ms: 50 });
    assert.ok(performance.now() - began < 1_000);
    assert.equal(
      log.lines.map(({ level, event }) => [level, event]),
      [["warn", "stop_cut_short"]],
    );
  }
});

test("an order that is kept ends at once and says nothing", async () => {
  const log = memoryLog();
  const asked: string[] = [];
  const listener = (name: string) => ({ port: 1, close: async () => void asked.push(name) });
  const stop = async () => void asked.push("app");
  const began = performance.now();
  await closeInTime({ stop }, { listeners: [listener("first"), listener("second")], log, ms: 60_000 });
  assert.ok(performance.now() - began < 1_000);
  // No new connection may find an app that has ended.
  assert.equal(asked, ["first", "second", "app"]);
  assert.equal(log.lines, []);
});

test("one that fails to end is told of, and the others are still awaited", async () => {
  const log = memoryLog();
  let ended = false;
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended = true;
  };
  const broken = async () => {
    throw new Error("not running");
  };
  const listeners = [
    { port: 1, close: broken },
    { port: 2, close: slow },
  ];
  await closeInTime({ stop: atOnce }, { listeners, log, ms: 60_000 });
  assert.ok(ended);
  assert.equal(
    log.lines.map(({ event, fields }) => [event, fields.error]),
    [["stop_failed", "Error: not running"]],
  );
});

test("the listeners share one time, whoever waits first", async () => {
  const log = memoryLog();
  const began = performance.now();
  const listeners = Array.from({ length: 4 }, () => ({ port: 1, close: never }));
  await closeInTime({ stop: atOnce }, { listeners, log, ms: 200 });
  assert.ok(performance.now() - began < 700);
});

const ready = suite("GET /readyz on the ports of a server");

ready("asked 64 times at once, asks each store once", async () => {
  const { database, bus, objects, log } = memoryPorts();
  const asked = { database: 0, objects: 0 };
  const counting = {
    database: {
      ...database,
      async ready() {
        asked.database += 1;
        return await database.ready();
      },
    },
    objects: {
      ...objects,
      async ready() {
        asked.objects += 1;
        return await objects.ready();
      },
    },
  };
  const ports = portsOf({ database: counting.database, bus }, counting.objects, log);
  const app = createApp(ports, memorySettings());
  const host = { address: "192.0.2.1", apps: new Set(appNames), stream: streamResponse };
  const ask = () => app.fetch(new Request("http://millrace.test/readyz"), host);
  const answers = await Promise.all(Array.from({ length: 64 }, ask));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.is((await ask()).status, 200);
  assert.equal(asked, { database: 1, objects: 1 });
  await app.stop();
});

test.run();
ready.run();
