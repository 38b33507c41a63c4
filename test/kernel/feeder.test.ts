import { suite } from "uvu";
import * as assert from "uvu/assert";
import { QUEUED_MAX_BYTES } from "../../core/kernel/reader.ts";
import { EARLIEST, type Journal } from "../../core/ports/journal.ts";
import { next } from "../../core/ports/uuid7.ts";
import { notices, openFollowed, received } from "../support/followed.ts";

const test = suite("kernel/feeder");

const named = (count: number, prefix = "m") => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const large = (mark: string, bytes: number) => mark.repeat(bytes);

test("a reader with more than 1 MiB queued is dropped, and the others go on", async () => {
  const followed = await openFollowed();
  const [slow, quick] = [followed.follow(), followed.follow()];
  await followed.settle();
  slow.stall();
  for (let round = 0; round < 8; round += 1) {
    await followed.publish([large("x", 300_000)]);
    await followed.settle();
  }
  assert.is(slow.end(), "aborted");
  assert.ok(received(slow).length <= 5, `${received(slow).length} messages were queued`);
  assert.is(quick.end(), null);
  assert.is(received(quick).length, 8);
  assert.is(followed.followers.count(), 1);
});

test("a reader that was dropped comes back with its cursor and has missed nothing", async () => {
  const followed = await openFollowed();
  const slow = followed.follow();
  await followed.settle();
  slow.stall();
  const texts = named(8).map((name) => name + large("x", 300_000));
  for (const text of texts) {
    await followed.publish([text]);
    await followed.settle();
  }
  const held = received(slow);
  const last = slow.lines().at(-1)!.slice(0, 36);
  const back = followed.follow(last);
  await followed.settle();
  assert.equal(
    [...held, ...received(back)].map((text) => text.slice(0, 2)),
    named(8),
  );
});

test("a stuck reader is dropped by heartbeats as well", async () => {
  const followed = await openFollowed();
  const slow = followed.follow();
  await followed.settle();
  slow.stall();
  await followed.publish([large("x", QUEUED_MAX_BYTES + 1)]);
  await followed.settle();
  assert.is(slow.end(), null);
  await followed.house.clock.advance(15_000);
  assert.is(slow.end(), "aborted");
});

test("a reader with less than 1 MiB queued is left in peace", async () => {
  const followed = await openFollowed();
  const slow = followed.follow();
  await followed.settle();
  slow.stall();
  for (let round = 0; round < 3; round += 1) await followed.publish([large("x", 300_000)]);
  await followed.house.clock.advance(29_000);
  assert.is(slow.end(), null);
  slow.resume();
  await followed.publish(["more"]);
  await followed.settle();
  assert.is(received(slow).length, 4);
});

test("a joined reader that does not drain for 30 s is closed, however little it holds", async () => {
  const followed = await openFollowed();
  const [stuck, other] = [followed.follow(), followed.follow()];
  await followed.settle();
  stuck.stall();
  await followed.publish([large("x", 300_000)]);
  await followed.house.clock.advance(60_000);
  assert.is(stuck.end(), "aborted");
  assert.is(other.end(), null);
});

test("a live reader is told where it stands, so that one cut before its first message comes back to it", async () => {
  const followed = await openFollowed();
  const [last] = await followed.publish(["before"]);
  const sink = followed.follow();
  await followed.settle();
  assert.equal(sink.lines().slice(0, 2), ["open", `mark ${last}`]);
});

test("a cursor that is neither stored nor of lost history is answered by a reset and everything held", async () => {
  const followed = await openFollowed();
  const [first] = await followed.publish(["1"]);
  await followed.house.clock.advance(1_000);
  const [second] = await followed.publish(["2"]);
  const foreign = next(first!);
  assert.ok(foreign > first! && foreign < second!);
  const sink = followed.follow(foreign);
  await followed.settle();
  assert.is(notices(sink)[0]?.[0], "reset");
  assert.equal(received(sink), ["1", "2"]);
});

test("whoever has joined is told of messages that expired before they could be read", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  await followed.publish(["unheard"], { ttlMs: 500, knock: false });
  await followed.house.clock.advance(600);
  await followed.publish(["heard"]);
  await followed.settle();
  assert.equal(received(sink), ["heard"]);
  assert.is(notices(sink).length, 1);
  assert.is(notices(sink)[0]?.[0], "gap");
});

test("a gap is told once for each loss, and not to one who asked for everything", async () => {
  const followed = await openFollowed();
  const [first] = await followed.publish(["0"]);
  await followed.publish(Array.from({ length: 450 }, (_, index) => String(index)));
  await followed.publish(["short"], { ttlMs: 10 });
  await followed.house.clock.advance(1_000);
  const [all, one] = [followed.follow(EARLIEST), followed.follow(first!)];
  await followed.settle();
  assert.equal(notices(all), []);
  assert.is(notices(one).length, 1);
  assert.is(received(one).length, 450);
});

test("a payload that cannot be fetched now is delivered later, and nothing passes it", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  followed.failing.add("2");
  await followed.publish(["1", "2", "3"]);
  await followed.settle();
  assert.not(received(sink).includes("3"));
  followed.failing.clear();
  await followed.house.clock.advance(1_000);
  assert.equal(received(sink), ["1", "2", "3"]);
});

test("a single message above 1 MiB reaches a healthy reader, live and from the journal", async () => {
  const followed = await openFollowed();
  const live = followed.follow();
  await followed.settle();
  const text = large("y", 3 * QUEUED_MAX_BYTES);
  await followed.publish([text, "after"]);
  await followed.settle();
  const late = followed.follow(EARLIEST);
  await followed.settle();
  for (const sink of [live, late]) {
    assert.is(sink.end(), null);
    assert.equal(
      received(sink).map((data) => data.length),
      [text.length, 5],
    );
  }
});

test("a reader that is catching up is fed as fast as it takes, not faster", async () => {
  const followed = await openFollowed();
  await followed.publish(named(100).map((name) => name + large("x", 100_000)));
  const slow = followed.follow(EARLIEST);
  slow.stall();
  await followed.settle();
  assert.ok(slow.text().length < 1_000_000, `${slow.text().length} characters were queued`);
  slow.resume();
  await followed.settle();
  assert.is(received(slow).length, 100);
});

test("a reader that takes nothing while it catches up is given up after half a minute", async () => {
  const followed = await openFollowed();
  await followed.publish(named(20).map((name) => name + large("x", 100_000)));
  const stuck = followed.follow(EARLIEST);
  stuck.stall();
  await followed.settle();
  await followed.house.clock.advance(29_000);
  assert.is(stuck.end(), null);
  await followed.house.clock.advance(1_000);
  assert.is(stuck.end(), "aborted");
  assert.is(followed.followers.count(), 0);
});

test("a reader that catches up slowly holds back nobody else", async () => {
  const followed = await openFollowed();
  await followed.publish(named(20).map((name) => name + large("x", 100_000)));
  const slow = followed.follow(EARLIEST);
  slow.stall();
  const quick = followed.follow();
  await followed.settle();
  await followed.publish(["now"]);
  await followed.settle();
  assert.equal(received(quick), ["now"]);
  slow.resume();
  await followed.settle();
  assert.is(received(slow).at(-1), "now");
});

test("expired messages are not delivered, and the gap they leave is told first", async () => {
  const followed = await openFollowed();
  const [first, second] = await followed.publish(named(2), { ttlMs: 1_000 });
  const [third] = await followed.publish(["kept"]);
  await followed.house.clock.advance(1_000);
  const sink = followed.follow(first);
  await followed.settle();
  assert.equal(received(sink), ["kept"]);
  assert.equal(notices(sink), [["gap", { after: first, lost_through: second, earliest: third }]]);
  assert.match(sink.lines()[1]!, /^gap/);
});

test("a gap with nothing left says so", async () => {
  const followed = await openFollowed();
  const [first, second] = await followed.publish(named(2), { ttlMs: 1_000 });
  await followed.house.clock.advance(1_000);
  await followed.house.database.journal.expire(100);
  const sink = followed.follow(first);
  await followed.settle();
  assert.equal(notices(sink), [["gap", { after: first, lost_through: second, earliest: null }]]);
  await followed.publish(["live"]);
  await followed.settle();
  assert.equal(received(sink), ["live"]);
});

test("no gap is told to whoever has seen all that expired, or asked for what is held", async () => {
  const followed = await openFollowed();
  const ids = await followed.publish(named(3), { ttlMs: 1_000 });
  await followed.publish(["kept"]);
  await followed.house.clock.advance(1_000);
  const sinks = [followed.follow(ids[2]), followed.follow(EARLIEST)];
  await followed.settle();
  for (const sink of sinks) {
    assert.equal(notices(sink), []);
    assert.equal(received(sink), ["kept"]);
  }
});

test("a cursor that is not of this subject is reset to the earliest", async () => {
  const followed = await openFollowed();
  await followed.publish(named(3));
  const strange = "ffffffff-ffff-7fff-bfff-ffffffffffff";
  const sink = followed.follow(strange);
  await followed.settle();
  assert.equal(received(sink), named(3));
  assert.is(notices(sink)[0]?.[0], "reset");
  assert.is(notices(sink)[0]?.[1].after, strange);
});

test("messages that expire unseen do not wake the feeder for ever", async () => {
  const followed = await openFollowed();
  const sink = followed.follow();
  await followed.settle();
  await followed.publish(["short"], { ttlMs: 500, knock: false });
  await followed.house.clock.advance(1_000);
  const before = { ...followed.counts };
  await followed.house.clock.advance(10_000);
  assert.is(followed.counts.reads, before.reads);
  assert.equal(received(sink), []);
  await followed.publish(["next"]);
  await followed.settle();
  assert.equal(received(sink), ["next"]);
});

/** A source of numbers that is the same in every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test("when the store is set back its readers are ended, and whoever comes back from the future is told", async () => {
  let backup: string | null = null;
  const restored = (journal: Journal): Journal => ({
    ...journal,
    async bounds(...of) {
      const bounds = await journal.bounds(...of);
      return backup === null ? bounds : bounds.map((one) => ({ ...one, lastId: backup! }));
    },
    async read(...of) {
      const { entries, bounds } = await journal.read(...of);
      if (backup === null) return { entries, bounds };
      return { entries: entries.filter(({ id }) => id <= backup!), bounds: { ...bounds, lastId: backup } };
    },
    holds: async (realm, subject, id) => (backup === null || id <= backup) && (await journal.holds(realm, subject, id)),
  });
  const followed = await openFollowed({ journal: restored });
  const sink = followed.follow();
  await followed.settle();
  const [kept] = await followed.publishHere(["kept"]);
  const [lost] = await followed.publishHere(["lost"]);
  await followed.settle();
  backup = kept!;
  await followed.house.clock.advance(1_000);
  assert.is(sink.end(), "closed");
  const back = followed.follow(lost);
  await followed.settle();
  assert.is(notices(back)[0]?.[0], "reset");
  assert.equal(received(back), ["kept"]);
});

test("messages before one whose payload is away are given, so that whoever tries again comes forward", async () => {
  const followed = await openFollowed();
  const ids = await followed.publish(["1", "2", "3", "4"]);
  followed.failing.add("4");
  const sink = followed.follow(ids[0]);
  await followed.settle();
  assert.equal(received(sink), ["2", "3"]);
});

test("whatever the interleaving of publishing and attaching, nobody misses a message or gets one twice", async () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const below = random(seed);
    const pause = async (most = 12) => {
      for (let turn = below(most); turn > 0; turn -= 1) await null;
    };
    const slowly = (journal: Journal): Journal => ({
      ...journal,
      async read(...of) {
        await pause();
        const page = await journal.read(...of);
        await pause();
        return page;
      },
      async bounds(...of) {
        await pause();
        const bounds = await journal.bounds(...of);
        await pause();
        return bounds;
      },
    });
    const followed = await openFollowed({ journal: slowly });
    const history = seed % 10 === 0 ? 450 : below(4);
    const published = history === 0 ? [] : await followed.publish(named(history), { knock: false });
    const readers: { sink: ReturnType<typeof followed.follow>; from: number | null; begun: number }[] = [];

    const publisher = async () => {
      for (let message = 0; message < 25; message += 1) {
        await pause();
        const texts = named(1 + below(3), "x").map((_, index) => `m${published.length + index}`);
        const here = below(2) === 0;
        const ids = here ? followed.publishHere(texts) : followed.publish(texts, { knock: below(5) > 0 });
        published.push(...(await ids));
      }
    };
    const attacher = async () => {
      for (let reader = 0; reader < 6; reader += 1) {
        await pause(30);
        const kind = below(3);
        const from = kind === 0 ? null : kind === 1 || published.length === 0 ? 0 : 1 + below(published.length);
        const after = from === null ? null : from === 0 ? EARLIEST : published[from - 1]!;
        readers.push({ sink: followed.follow(after), from, begun: published.length });
      }
    };
    await Promise.all([publisher(), attacher()]);
    await followed.house.clock.advance(1_000);
    published.push(...(await followed.publish([`m${published.length}`])));
    await followed.settle();
    for (const { sink, from, begun } of readers) {
      const got = received(sink);
      const first = from ?? published.length - got.length;
      assert.equal(got, named(published.length).slice(first), `seed ${seed}, from ${from}`);
      assert.ok(got.length > 0 && first >= (from ?? begun), `seed ${seed}: older than live`);
    }
  }
});

test.run();
