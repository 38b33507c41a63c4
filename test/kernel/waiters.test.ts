import { suite } from "uvu";
import * as assert from "uvu/assert";
import { knockOf } from "../../core/kernel/knock.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import type { Waiter } from "../../core/kernel/waiters.ts";
import { Fault } from "../../core/ports/fault.ts";
import { EARLIEST } from "../../core/ports/journal.ts";
import { logText, memoryHouse, memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("kernel/waiters");

const REALM = "waited";

/** A house with an open subject, whose looks at the store are counted. */
async function open(settings: Partial<Settings> = {}, town = memoryTown()) {
  const ports = memoryPorts(town);
  const counts = { bounds: 0, subjects: 0, credentials: 0 };
  const { journal, documents } = ports.database;
  const database = {
    ...ports.database,
    journal: {
      ...journal,
      bounds(...of: Parameters<typeof journal.bounds>) {
        counts.bounds += 1;
        counts.subjects += of[1].length;
        return journal.bounds(...of);
      },
    },
    documents: {
      ...documents,
      getMany(...of: Parameters<typeof documents.getMany>) {
        counts.credentials += 1;
        return documents.getMany(...of);
      },
    },
  };
  const house = memoryHouse(settings, { ...ports, database });
  await house.database.commit([{ op: "journal.open", realm: REALM, subject: "a" }]);
  const gone = new AbortController();
  const enter = (subject = "a", holds: string[] = []) => house.waiters.enter({ realm: REALM, subject, holds });
  /** Waits with an entered place, and keeps what came of it. */
  function wait(waiter: Waiter, { after = EARLIEST, ms = 30_000 } = {}) {
    const wait = { result: undefined as number | null | Fault | undefined };
    waiter.next({ after, ms, signal: gone.signal }).then(
      (turn) => {
        wait.result = turn;
      },
      (error: Fault) => {
        wait.result = error;
      },
    );
    return wait;
  }
  async function append(subject = "a", aloud = true): Promise<string> {
    const entries = [{ data: "{}", ttlMs: null }];
    const appended = await house.database.journal.append({ op: "journal.append", realm: REALM, subject, entries });
    if (aloud) house.bus.knock([knockOf.journal(REALM, subject)]);
    return "entries" in appended ? appended.entries[0]!.id : "";
  }
  async function credential(expiresAt: Date | null = null): Promise<string> {
    const minted = await house.credentials.mint("read", "a", { expiresAt });
    await house.database.commit([minted.command]);
    return minted.id;
  }
  const settle = () => house.clock.advance(0);
  return { house, counts, gone, enter, wait, append, credential, settle };
}

test("a knock on its subject wakes a waiter at once, and on another does not", async () => {
  const { house, enter, wait, append, settle } = await open();
  const waiting = wait(enter());
  house.bus.knock([knockOf.journal(REALM, "b"), knockOf.journal("others", "a")]);
  await settle();
  assert.is(waiting.result, undefined);
  await append();
  await settle();
  assert.type(waiting.result, "number");
});

test("a knock between the look and the wait is not missed", async () => {
  const { enter, wait, append, settle } = await open();
  const waiter = enter();
  await append();
  const first = wait(waiter);
  await settle();
  assert.type(first.result, "number");
  const second = wait(waiter);
  await settle();
  assert.is(second.result, undefined);
});

test("all who are woken together are given one number, and another time another", async () => {
  const { enter, wait, append, settle } = await open();
  const [one, other] = [enter(), enter()];
  const together = [wait(one), wait(other)];
  await append();
  await settle();
  assert.is(together[0]!.result, together[1]!.result);
  const later = wait(one);
  await append();
  await settle();
  assert.is.not(later.result, together[0]!.result);
});

test("without a knock a waiter is woken by the look each pollMs, one for all subjects", async () => {
  const { house, counts, enter, wait, append } = await open();
  const waits = Array.from({ length: 50 }, (_, index) => wait(enter(index % 2 === 0 ? "a" : "b")));
  await append("a", false);
  await append("b", false);
  await house.clock.advance(1_000);
  for (const { result } of waits) assert.type(result, "number");
  assert.equal([counts.bounds, counts.subjects], [1, 2]);
});

test("the look leaves those alone who have all there is", async () => {
  const { house, enter, wait, append } = await open();
  const id = await append();
  const waiting = wait(enter(), { after: id });
  await house.clock.advance(5_000);
  assert.is(waiting.result, undefined);
});

test("the look wakes those whose subject was closed", async () => {
  const { house, enter, wait } = await open();
  const waiting = wait(enter());
  await house.database.commit([{ op: "journal.close", realm: REALM, subject: "a" }]);
  await house.clock.advance(1_000);
  assert.type(waiting.result, "number");
});

test("a wait ends with null when its time is over, its caller has gone, or was gone before", async () => {
  const { house, gone, enter, wait, settle } = await open();
  const [short, long] = [wait(enter("a"), { ms: 2_500 }), wait(enter("a"))];
  await house.clock.advance(2_499);
  assert.is(short.result, undefined);
  await house.clock.advance(1);
  assert.is(short.result, null);
  assert.is(long.result, undefined);
  gone.abort();
  await settle();
  assert.is(long.result, null);
  const late = wait(enter("a"));
  await settle();
  assert.is(late.result, null);
});

test("nobody waits, nobody looks", async () => {
  const { house, counts, enter, wait, credential } = await open();
  const waiter = enter("a", [await credential()]);
  const waiting = wait(waiter, { ms: 1_500 });
  await house.clock.advance(2_000);
  assert.is(waiting.result, null);
  waiter.leave();
  await house.clock.advance(1_000);
  const before = { ...counts };
  await house.clock.advance(60_000);
  assert.equal(counts, before);
  assert.is(house.waiters.count(), 0);
});

const isUnauthorized = (result: unknown) => result instanceof Fault && result.code === "unauthorized";

test("a revoked credential ends its waits at the knock, on every process, and no others", async () => {
  const town = memoryTown();
  const here = await open({}, town);
  const there = await open({}, town);
  const [mine, other] = [await here.credential(), await here.credential()];
  const waits = [here, there].map((each) => each.wait(each.enter("a", [other, mine])));
  const kept = here.wait(here.enter("a", [other]));
  await here.house.database.commit([here.house.credentials.revocation(mine)]);
  here.house.bus.knock([knockOf.credential(mine)]);
  await here.settle();
  for (const { result } of waits) assert.ok(isUnauthorized(result), String(result));
  assert.is(kept.result, undefined);
});

test("without a knock a credential that was revoked or has expired ends its waits within two looks", async () => {
  const { house, counts, enter, wait, credential } = await open();
  const [revoked, short] = [await credential(), await credential(new Date(house.clock.now().getTime() + 500))];
  const waits = [revoked, short].flatMap((id) => Array.from({ length: 20 }, () => wait(enter("a", [id]))));
  await house.database.commit([house.credentials.revocation(revoked)]);
  await house.clock.advance(1_000);
  for (const { result } of waits) assert.ok(isUnauthorized(result));
  assert.is(counts.credentials, 1);
});

test("a credential that ended while its caller looked is found at the wait, whatever came after", async () => {
  const { house, enter, wait, append, credential, settle } = await open();
  const id = await credential();
  const waiter = enter("a", [id]);
  await house.database.commit([house.credentials.revocation(id)]);
  house.bus.knock([knockOf.credential(id)]);
  await settle();
  await append();
  const waiting = wait(waiter);
  await settle();
  assert.ok(isUnauthorized(waiting.result));
});

test("after lost knocks every waiter looks", async () => {
  const town = memoryTown();
  const { enter, wait, settle } = await open({}, town);
  const waiting = wait(enter());
  town.hub.interrupt();
  await settle();
  assert.type(waiting.result, "number");
});

test("a store that is away is told to the log, and the waiters wait on", async () => {
  const { house, enter, wait, append } = await open();
  const { bounds } = house.database.journal;
  house.database.journal.bounds = () => Promise.reject(new Fault("unavailable", "The database is away"));
  const waiting = wait(enter());
  await append("a", false);
  await house.clock.advance(3_000);
  assert.is(waiting.result, undefined);
  assert.match(logText(house.log), "wait_look_failed");
  house.database.journal.bounds = bounds;
  await house.clock.advance(1_000);
  assert.type(waiting.result, "number");
});

test("end() sends all away, spread over the given time, and takes nobody in", async () => {
  const { house, enter, wait } = await open();
  const waits = Array.from({ length: 4 }, () => wait(enter()));
  const over = () => waits.filter(({ result }) => result === null).length;
  const ended = house.waiters.end(4_000);
  assert.throws(enter, (error: Fault) => error.code === "unavailable");
  const seen: number[] = [];
  for (let second = 0; second < 4; second += 1) {
    await house.clock.advance(second === 0 ? 0 : 1_000);
    seen.push(over());
  }
  assert.equal(seen, [1, 2, 3, 4]);
  await ended;
});

test("more than maxStreams are asked to come back", async () => {
  const { house, enter } = await open({ maxStreams: 2 });
  const [first] = [enter(), enter()];
  assert.throws(enter, (error: Fault) => error.code === "unavailable");
  first!.leave();
  enter();
  assert.is(house.waiters.count(), 2);
});

test("who waits for something else than a subject is woken by its knock, and at each look without asking the store", async () => {
  const { house, counts, wait, settle } = await open();
  const waiter = house.waiters.enter({ knock: "queue/user/a", holds: [] });
  const first = wait(waiter);
  house.bus.knock(["queue/user/b"]);
  await settle();
  assert.is(first.result, undefined);
  house.bus.knock(["queue/user/a"]);
  await settle();
  assert.type(first.result, "number");
  const second = wait(waiter);
  await house.clock.advance(1_000);
  assert.type(second.result, "number");
  assert.is(counts.bounds, 0);
});

test.run();
