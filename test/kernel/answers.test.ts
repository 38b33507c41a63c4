/** What keeps a followed answer open, and what ends it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { knockOf } from "../../core/kernel/knock.ts";
import { openFollowed } from "../support/followed.ts";

const test = suite("kernel/answers");

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

test("a stream ends after about its time, and says when to come back", async () => {
  const followed = await openFollowed({ settings: { streamMs: 100_000 } });
  const sinks = Array.from({ length: 40 }, () => followed.follow());
  await followed.house.clock.advance(69_000);
  assert.is(followed.followers.count(), 40);
  const left: number[] = [];
  for (let second = 0; second < 62; second += 1) {
    await followed.house.clock.advance(1_000);
    left.push(followed.followers.count());
  }
  assert.is(left.at(-1), 0);
  assert.ok(new Set(left).size > 10, "they left together");
  for (const sink of sinks) assert.is(sink.lines().at(-1), "bye");
});

test("end() spreads the ends of answers over its time, and turns away who comes meanwhile", async () => {
  const followed = await openFollowed();
  const sinks = Array.from({ length: 10 }, () => followed.follow());
  await followed.settle();
  const ended = followed.followers.end(10_000);
  const open = [];
  for (let second = 0; second < 10; second += 1) {
    await followed.house.clock.advance(1_000);
    open.push(followed.followers.count());
  }
  await ended;
  assert.equal(open, [8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
  for (const sink of sinks) assert.is(sink.lines().at(-1), "bye");
  assert.is(followed.followers.isOpen(), false);
  const late = followed.follow();
  assert.equal([late.text(), late.end()], ["bye\n", "closed"]);
});

test("beyond the most streams nobody is taken until somebody leaves", async () => {
  const followed = await openFollowed({ settings: { maxStreams: 2 } });
  const [first] = [followed.follow(), followed.follow()];
  assert.is(followed.followers.isOpen(), false);
  first!.close();
  assert.is(followed.followers.isOpen(), true);
});

test.run();
