import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Duty, runDuties } from "../../core/kernel/duty.ts";
import { logText, type MemoryHouse, memoryHouse, memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("kernel/duty");

/** Processes of one town, each running the duties until the test is over. */
async function running(
  count: number,
  duties: readonly Duty[],
  proof: (houses: MemoryHouse[]) => Promise<void>,
): Promise<void> {
  const town = memoryTown();
  const houses = Array.from({ length: count }, (_, index) => memoryHouse({}, memoryPorts(town, index + 1)));
  const over = houses.map((house) => runDuties(duties, house, house.life.signal));
  try {
    await proof(houses);
  } finally {
    for (const house of houses) house.life.abort();
    await Promise.all(over);
  }
}

/** A duty that counts its rounds, and how many run at the same time. */
function counting(everyMs: number, takesMs = 0) {
  const seen = { rounds: 0, atOnce: 0, most: 0, aborted: 0 };
  const duty: Duty = {
    name: "test.count",
    everyMs,
    async run({ clock }, signal) {
      seen.rounds += 1;
      seen.atOnce += 1;
      seen.most = Math.max(seen.most, seen.atOnce);
      await clock.sleep(takesMs, signal);
      if (signal.aborted) seen.aborted += 1;
      seen.atOnce -= 1;
      return { rounds: 1 };
    },
  };
  return { duty, seen };
}

test("a duty runs once in each interval, the first time after one", async () => {
  const { duty, seen } = counting(30_000);
  await running(1, [duty], async ([house]) => {
    await house!.clock.advance(29_999);
    assert.is(seen.rounds, 0);
    await house!.clock.advance(1);
    assert.is(seen.rounds, 1);
    await house!.clock.advance(300_000);
    assert.is(seen.rounds, 11);
  });
});

test("a duty runs on one process at a time", async () => {
  const { duty, seen } = counting(30_000, 10_000);
  await running(3, [duty], async ([house]) => {
    await house!.clock.advance(600_000);
    assert.is(seen.most, 1);
    assert.ok(seen.rounds >= 10, `${seen.rounds} rounds`);
  });
});

test("a round that takes longer than the lease keeps it to the end", async () => {
  const { duty, seen } = counting(30_000, 200_000);
  await running(2, [duty], async ([house]) => {
    await house!.clock.advance(900_000);
    assert.is(seen.most, 1);
    assert.ok(seen.rounds >= 3, `${seen.rounds} rounds`);
    assert.is(seen.aborted, 0);
  });
});

test("another process goes on when the one at work is gone", async () => {
  const { duty, seen } = counting(30_000);
  await running(2, [duty], async ([first, second]) => {
    await first!.database.lease("duty/test.count", 90_000);
    await second!.clock.advance(89_000);
    assert.is(seen.rounds, 0);
    await second!.clock.advance(31_000);
    assert.ok(seen.rounds >= 1);
  });
});

test("a round that has lost its lease is told to stop", async () => {
  const { duty, seen } = counting(30_000, 100_000);
  const ports = memoryPorts();
  const lease = async () => ({ renew: async () => false, release: async () => {} });
  const house = memoryHouse({}, { ...ports, database: { ...ports.database, lease } });
  const over = runDuties([duty], house, house.life.signal);
  await house.clock.advance(60_000);
  assert.is(seen.aborted, 1);
  house.life.abort();
  await over;
});

test("a duty that fails is logged and runs again", async () => {
  let rounds = 0;
  const duty: Duty = {
    name: "test.fail",
    everyMs: 1_000,
    async run() {
      rounds += 1;
      if (rounds === 1) throw new Error("the store is away");
      return { done: 7 };
    },
  };
  await running(1, [duty], async ([house]) => {
    await house!.clock.advance(2_000);
    assert.is(rounds, 2);
    const [failed, done] = house!.log.lines;
    assert.equal(failed, {
      level: "warn",
      event: "duty_failed",
      fields: { duty: "test.fail", error: "Error: the store is away" },
    });
    assert.equal(done, { level: "info", event: "duty", fields: { duty: "test.fail", ms: 0, done: 7 } });
  });
});

test("a duty that cannot get its lease for want of a database runs again", async () => {
  const { duty, seen } = counting(1_000);
  const ports = memoryPorts();
  let away = true;
  const lease: typeof ports.database.lease = (...of) =>
    away ? Promise.reject(new Error("away")) : ports.database.lease(...of);
  const house = memoryHouse({}, { ...ports, database: { ...ports.database, lease } });
  const over = runDuties([duty], house, house.life.signal);
  await house.clock.advance(3_000);
  away = false;
  await house.clock.advance(1_000);
  assert.is(seen.rounds, 1);
  house.life.abort();
  await over;
});

test("a round without work is told at debug, one with work at info", async () => {
  let work = 0;
  const duty: Duty = { name: "test.work", everyMs: 1_000, run: async () => ({ done: work }) };
  await running(1, [duty], async ([house]) => {
    await house!.clock.advance(1_000);
    work = 3;
    await house!.clock.advance(1_000);
    assert.equal(
      house!.log.lines.map(({ level }) => level),
      ["debug", "info"],
    );
    assert.match(logText(house!.log), '"done":3');
  });
});

test("the end interrupts a round and waits for it", async () => {
  const { duty, seen } = counting(1_000, 50_000);
  const house = memoryHouse();
  const over = runDuties([duty], house, house.life.signal);
  await house.clock.advance(1_000);
  assert.is(seen.atOnce, 1);
  house.life.abort();
  await over;
  assert.is(seen.atOnce, 0);
  assert.is(seen.aborted, 1);
  assert.not.equal(await house.database.lease("duty/test.count", 1_000), null);
});

test.run();
