import { suite } from "uvu";
import * as assert from "uvu/assert";
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

test("end() ends every answer, and afterwards nobody is served", async () => {
  const followed = await openFollowed();
  const sinks = [followed.follow(), followed.follow()];
  await followed.settle();
  await followed.followers.end(0);
  followed.house.life.abort();
  assert.equal(
    sinks.map((sink) => sink.end()),
    ["closed", "closed"],
  );
  assert.is(followed.follow().end(), "closed");
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

test("what this process appends reaches its followers without a look at the journal", async () => {
  const followed = await openFollowed();
  const sinks = [followed.follow(), followed.follow()];
  await followed.settle();
  const before = { ...followed.counts };
  for (let round = 0; round < 3; round += 1) await followed.publishHere(named(2, `${round}.`));
  await followed.settle();
  for (const sink of sinks) assert.equal(received(sink), ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]);
  assert.is(followed.counts.reads, before.reads);
  assert.is(followed.counts.encodings - before.encodings, 6);
});

test("what another process appended between two of this process is not passed over", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  await followed.publishHere(["1"]);
  await followed.publish(["2"], { knock: false });
  await followed.publishHere(["3"]);
  await followed.settle();
  assert.equal(received(sink), ["1", "2", "3"]);
});

test("appends that one commit stored are written together", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  const before = sink.writes();
  await Promise.all(named(20).map((text) => followed.publishHere([text])));
  await followed.settle();
  assert.equal(received(sink), named(20));
  assert.ok(sink.writes() - before <= 2, `${sink.writes() - before} writes`);
});

test("whoever comes back to a followed subject is caught up from memory", async () => {
  const followed = await openFollowed();
  const stays = followed.follow();
  await followed.settle();
  const ids = await followed.publishHere(named(2_000));
  await followed.settle();
  const before = { ...followed.counts };
  const back = followed.follow(ids[99]);
  await followed.settle();
  assert.equal(received(back), named(2_000).slice(100));
  assert.equal(followed.counts, before);
  assert.is(received(stays).length, 2_000);
});

test.run();
