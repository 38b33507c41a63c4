import { suite } from "uvu";
import * as assert from "uvu/assert";
import { knockOf } from "../../core/kernel/knock.ts";
import { EARLIEST } from "../../core/ports/journal.ts";
import { fakeSink } from "../support/fake_sink.ts";
import { notices, openFollowed, received } from "../support/followed.ts";
import { memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("kernel/follow");

const named = (count: number, prefix = "m") => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

test("a reader is greeted at once, before anything is read", async () => {
  const followed = await openFollowed();
  assert.is(followed.follow().text(), `open\nmark ${EARLIEST}\n`);
});

test("a reader without a cursor gets what comes from now on, and nothing older", async () => {
  const followed = await openFollowed();
  await followed.publish(["old"]);
  const sink = followed.follow();
  await followed.settle();
  await followed.publish(["new 1", "new 2"]);
  await followed.settle();
  assert.equal(received(sink), ["new 1", "new 2"]);
});

test("a reader with a cursor gets everything after it, then what comes", async () => {
  const followed = await openFollowed();
  const ids = await followed.publish(named(5));
  const sink = followed.follow(ids[1]);
  await followed.settle();
  await followed.publish(["live"]);
  await followed.settle();
  assert.equal(received(sink), ["m2", "m3", "m4", "live"]);
  assert.equal(notices(sink), []);
});

test("a reader from the earliest gets everything held, over many pages, in order", async () => {
  const followed = await openFollowed();
  await followed.publish(named(1_234));
  const sink = followed.follow(EARLIEST);
  await followed.settle();
  assert.equal(received(sink), named(1_234));
});

test("a reader at the last message gets only what is new", async () => {
  const followed = await openFollowed();
  const ids = await followed.publish(named(3));
  const sink = followed.follow(ids[2]);
  await followed.settle();
  assert.equal(received(sink), []);
  await followed.publish(["live"]);
  await followed.settle();
  assert.equal(received(sink), ["live"]);
});

test("1000 readers cost one read per wake-up and one encoding per message", async () => {
  const followed = await openFollowed();
  const sinks = Array.from({ length: 1_000 }, () => followed.follow());
  await followed.settle();
  for (let round = 0; round < 5; round += 1) {
    const before = { ...followed.counts };
    await followed.publish(named(3, `${round}.`));
    await followed.settle();
    assert.is(followed.counts.reads - before.reads, 1);
    assert.is(followed.counts.encodings - before.encodings, 3);
  }
  for (const sink of sinks) assert.is(received(sink).length, 15);
});

test("what came together is written to each reader together", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  const before = sink.writes();
  await followed.publish(named(100));
  await followed.settle();
  assert.is(sink.writes() - before, 1);
  assert.is(received(sink).length, 100);
});

test("more than a page that came together is delivered at one knock", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  await followed.publish(named(1_234));
  await followed.settle();
  assert.equal(received(sink), named(1_234));
});

test("many readers who attach at once do not read the journal for each", async () => {
  const followed = await openFollowed();
  await followed.publish(named(10));
  for (let reader = 0; reader < 500; reader += 1) followed.follow();
  await followed.settle();
  assert.ok(followed.counts.reads <= 2, `${followed.counts.reads} reads`);
});

test("a lost knock costs a poll, not a message", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  await followed.publish(["unheard"], { knock: false });
  await followed.settle();
  assert.equal(received(sink), []);
  await followed.house.clock.advance(1_000);
  assert.equal(received(sink), ["unheard"]);
});

test("a quiet subject is not read at the poll, only looked at", async () => {
  const followed = await openFollowed();
  followed.follow();
  await followed.settle();
  const before = { ...followed.counts };
  await followed.house.clock.advance(10_000);
  assert.is(followed.counts.reads, before.reads);
  assert.is(followed.counts.bounds - before.bounds, 10);
});

test("nobody following costs nothing", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  sink.close();
  await followed.house.clock.advance(2_000);
  const before = { ...followed.counts };
  await followed.publish(["alone"]);
  await followed.house.clock.advance(60_000);
  assert.equal(followed.counts, before);
});

test("following begins anew after everybody had left", async () => {
  const followed = await openFollowed();
  for (const round of ["a", "b", "c"]) {
    const sink = followed.follow();
    await followed.settle();
    await followed.publish([round], { knock: false });
    await followed.house.clock.advance(1_000);
    assert.equal(received(sink), [round]);
    sink.close();
    await followed.house.clock.advance(round === "b" ? 5_000 : 0);
  }
});

test("a reader that is gone before it is attached is not kept", async () => {
  const followed = await openFollowed();
  const sink = fakeSink();
  sink.close();
  followed.follow(null, null, sink);
  await followed.settle();
  assert.is(followed.followers.count(), 0);
});

test("count() tells how many answers are open", async () => {
  const followed = await openFollowed();
  const [first, second] = [followed.follow(), followed.follow(EARLIEST)];
  assert.is(followed.followers.count(), 2);
  await followed.settle();
  first.close();
  assert.is(followed.followers.count(), 1);
  second.abort();
  assert.is(followed.followers.count(), 0);
});

test("heartbeats come at their interval to every reader", async () => {
  const followed = await openFollowed();
  const sinks = [followed.follow(), followed.follow()];
  const beats = () => sinks.map((sink) => sink.lines().filter((line) => line === "beat").length);
  await followed.house.clock.advance(14_000);
  assert.equal(beats(), [0, 0]);
  await followed.house.clock.advance(1_000);
  assert.equal(beats(), [1, 1]);
  await followed.house.clock.advance(45_000);
  assert.equal(beats(), [4, 4]);
});

test("a read that fails is tried again at the poll, and nothing is lost", async () => {
  let away = false;
  const followed = await openFollowed({
    journal: (journal) => ({
      ...journal,
      read: (...of) => (away ? Promise.reject(new Error("away")) : journal.read(...of)),
    }),
  });
  const sink = followed.follow();
  await followed.settle();
  away = true;
  await followed.publish(["during the outage"]);
  await followed.house.clock.advance(3_000);
  away = false;
  await followed.house.clock.advance(1_000);
  assert.equal(received(sink), ["during the outage"]);
  assert.is(sink.end(), null);
  assert.ok(followed.house.log.lines.some(({ event }) => event === "feed_read_failed"));
});

test("a reader who cannot be caught up is ended, so that it comes back", async () => {
  const followed = await openFollowed({
    journal: (journal) => ({ ...journal, read: () => Promise.reject(new Error("away")) }),
  });
  await followed.publish(["m"]);
  const sink = followed.follow(EARLIEST);
  await followed.settle();
  assert.is(sink.end(), "closed");
  assert.is(followed.followers.count(), 0);
});

test("a closed subject ends all its readers, by the knock or by the poll", async () => {
  for (const aloud of [true, false]) {
    const followed = await openFollowed();
    const sinks = [followed.follow(), followed.follow(EARLIEST)];
    await followed.settle();
    await followed.close();
    if (aloud) {
      followed.knock();
      await followed.settle();
    } else await followed.house.clock.advance(1_000);
    assert.equal(
      sinks.map((sink) => sink.end()),
      ["closed", "closed"],
    );
    assert.is(followed.followers.count(), 0);
  }
});

test("a subject that is closed already ends a new reader at once", async () => {
  const followed = await openFollowed();
  const ids = await followed.publish(named(2));
  await followed.close();
  const sinks = [followed.follow(), followed.follow(ids[0]), followed.follow(EARLIEST)];
  await followed.settle();
  for (const sink of sinks) {
    assert.is(sink.end(), "closed");
    assert.equal(received(sink), []);
  }
});

test("heartbeats come to a reader that came while a look for the one before was still under way", async () => {
  let release = () => {};
  let hold = false;
  const followed = await openFollowed({
    journal: (journal) => ({
      ...journal,
      async bounds(...of) {
        if (hold) await new Promise<void>((resolve) => (release = resolve));
        return journal.bounds(...of);
      },
    }),
  });
  const first = followed.follow();
  await followed.settle();
  hold = true;
  await followed.house.clock.advance(1_000);
  first.close();
  await followed.house.clock.advance(1_000);
  const second = followed.follow();
  hold = false;
  release();
  await followed.house.clock.advance(16_000);
  assert.ok(second.lines().includes("beat"), second.text());
});

test("end() ends every answer, and afterwards nobody is served", async () => {
  const followed = await openFollowed();
  const sinks = [followed.follow(), followed.follow()];
  await followed.settle();
  followed.followers.end();
  followed.house.life.abort();
  assert.equal(
    sinks.map((sink) => sink.end()),
    ["closed", "closed"],
  );
  assert.is(followed.follow().end(), "closed");
});

async function withCredentials(publishTtl?: number) {
  const followed = await openFollowed();
  const { credentials, database, clock } = followed.house;
  const expiresAt = publishTtl === undefined ? null : new Date(clock.now().getTime() + publishTtl);
  const [mine, other] = [
    await credentials.mint("read", "subject", { expiresAt }),
    await credentials.mint("read", "subject"),
  ];
  await database.commit([mine.command, other.command]);
  const sinks = {
    mine: followed.follow(null, mine.id),
    other: followed.follow(null, other.id),
    open: followed.follow(),
  };
  await followed.settle();
  const ends = () => [sinks.mine.end(), sinks.other.end(), sinks.open.end()];
  return { ...followed, mine, sinks, ends };
}

test("a revoked credential ends its readers at the knock and leaves the others", async () => {
  const { house, mine, settle, ends } = await withCredentials();
  await house.database.commit([house.credentials.revocation(mine.id)]);
  await settle();
  assert.equal(ends(), [null, null, null]);
  house.bus.knock([knockOf.credential(mine.id)]);
  await settle();
  assert.equal(ends(), ["closed", null, null]);
});

test("a revoked credential ends its readers by the poll when the knock is lost", async () => {
  const { house, mine, ends } = await withCredentials();
  await house.database.commit([house.credentials.revocation(mine.id)]);
  await house.clock.advance(999);
  assert.equal(ends(), [null, null, null]);
  await house.clock.advance(1);
  assert.equal(ends(), ["closed", null, null]);
});

test("an expired credential ends its readers within a second", async () => {
  const { house, ends } = await withCredentials(30_500);
  await house.clock.advance(30_000);
  assert.equal(ends(), [null, null, null]);
  await house.clock.advance(1_000);
  assert.equal(ends(), ["closed", null, null]);
});

test("a knock for a credential that still holds ends nobody", async () => {
  const { house, mine, settle, ends } = await withCredentials();
  house.bus.knock([knockOf.credential(mine.id)]);
  await settle();
  assert.equal(ends(), [null, null, null]);
});

test("after an interruption of the bus both messages and revocations are looked for at once", async () => {
  const town = memoryTown();
  const followed = await openFollowed({ ports: memoryPorts(town) });
  const { credentials, database } = followed.house;
  const mine = await credentials.mint("read", "subject");
  await database.commit([mine.command]);
  const [revoked, open] = [followed.follow(null, mine.id), followed.follow()];
  await followed.settle();
  await followed.publish(["unheard"], { knock: false });
  await database.commit([credentials.revocation(mine.id)]);
  town.hub.interrupt();
  await followed.settle();
  assert.equal(received(open), ["unheard"]);
  assert.is(revoked.end(), "closed");
});

test("readers on two processes get every message once each", async () => {
  const town = memoryTown();
  const [here, there] = [
    await openFollowed({ ports: memoryPorts(town) }),
    await openFollowed({ ports: memoryPorts(town, 2) }),
  ];
  const sinks = [here.follow(), there.follow()];
  await here.settle();
  for (let round = 0; round < 10; round += 1) await (round % 2 ? here : there).publish([`m${round}`]);
  await here.settle();
  for (const sink of sinks) assert.equal(received(sink), named(10));
});

test.run();
