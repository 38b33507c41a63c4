/**
 * The memory twins keep every contract, and each a few promises of its own.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { memoryBus, memoryHub } from "../../core/ports/memory/bus.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryIds } from "../../core/ports/memory/ids.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { memoryObjects } from "../../core/ports/memory/objects.ts";
import { appended, type StoreHarness } from "../support/store_harness.ts";
import { busContract } from "./bus.ts";
import { clockContract } from "./clock.ts";
import { databaseContract } from "./database.ts";
import { documentsContract } from "./documents.ts";
import { filesContract } from "./files.ts";
import { idsContract } from "./ids.ts";
import { journalContract } from "./journal.ts";
import { logContract } from "./log.ts";
import { objectsContract } from "./objects.ts";
import { unitsContract } from "./units.ts";

async function openStore(): Promise<StoreHarness> {
  const clock = memoryClock();
  const database = memoryDatabase(clock);
  return {
    realm: `t_${crypto.randomUUID()}`,
    database,
    other: database,
    advance: async (ms) => (ms < 0 ? clock.jump(ms) : clock.advance(ms)),
    close: () => database.close(),
  };
}

const nothing = async () => {};

journalContract("memory", openStore);
documentsContract("memory", openStore);
filesContract("memory", openStore);
databaseContract("memory", openStore);
unitsContract("memory", openStore);

busContract("memory", async () => {
  const hub = memoryHub();
  const [bus, other] = [memoryBus(hub), memoryBus(hub)];
  return {
    bus,
    other,
    interrupt: async () => hub.interrupt(),
    async close() {
      await Promise.all([bus.close(), other.close()]);
    },
  };
});

objectsContract("memory", async () => ({ objects: memoryObjects(memoryClock()), prefix: "test/", close: nothing }));

clockContract("memory", async () => {
  const clock = memoryClock();
  return { clock, pass: clock.advance, close: nothing };
});

idsContract("memory", async () => ({ ids: memoryIds(), close: nothing }));

logContract("memory", async () => {
  const log = memoryLog("warn");
  return { log, lines: async () => log.lines, close: nothing };
});

const twins = suite("memory twins");

twins("advance() wakes sleepers at their own instants, in order, and lets each go on before the next", async () => {
  const clock = memoryClock();
  const woken: string[] = [];
  const tick = async (name: string, ms: number) => {
    for (let round = 0; round < 3; round += 1) {
      await clock.sleep(ms);
      woken.push(`${name} ${clock.elapsed()}`);
    }
  };
  const ticking = [tick("slow", 300), tick("quick", 200)];
  await clock.advance(900);
  assert.equal(woken, ["quick 200", "slow 300", "quick 400", "slow 600", "quick 600", "slow 900"]);
  await Promise.all(ticking);
});

twins("advance() called again before it is done adds up", async () => {
  const clock = memoryClock();
  const sleep = clock.sleep(1_500);
  await Promise.all([clock.advance(1_000), clock.advance(1_000)]);
  await sleep;
  assert.is(clock.elapsed(), 2_000);
});

twins("jump() sets now() alone", async () => {
  const clock = memoryClock(new Date(1_000));
  clock.jump(-400);
  assert.is(clock.now().getTime(), 600);
  assert.is(clock.elapsed(), 0);
});

twins("renew() makes a lease last from then on", async () => {
  const clock = memoryClock();
  const database = memoryDatabase(clock);
  const lease = await database.lease("duty", 60_000);
  await clock.advance(40_000);
  assert.is(await lease?.renew(), true);
  await clock.advance(40_000);
  assert.is(await database.lease("duty", 60_000), null);
  await clock.advance(20_000);
  assert.is(await lease?.renew(), false);
});

twins("the same steps give the same ids in every run", async () => {
  const run = async () => {
    const harness = { ...(await openStore()), realm: "r" };
    return [await appended(harness, "s"), await appended(harness, "s"), memoryIds().uuid()];
  };
  assert.equal(await run(), await run());
  assert.not.equal(memoryIds(1).uuid(), memoryIds(2).uuid());
});

twins.run();
