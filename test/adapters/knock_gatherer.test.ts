/** What buses have in common, over a transport that does as it is told. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gatherKnocks, type KnockGatherer } from "../../adapters/knock_gatherer.ts";
import { type MemoryLog, memoryLog } from "../../core/ports/memory/log.ts";
import { eventually } from "../support/eventually.ts";

const test = suite("adapters/knock_gatherer");

interface Scene {
  knocks: KnockGatherer;
  log: MemoryLog;
  heard: string[];
  /** The messages of each call of the transport. */
  sent: (readonly string[])[];
}

/** A gatherer with a listener, over a transport that does `passing` with each batch once it is written down. */
function scene(passing: (messages: readonly string[], knocks: KnockGatherer) => unknown = () => undefined): Scene {
  const log = memoryLog();
  const sent: Scene["sent"] = [];
  const heard: string[] = [];
  const knocks = gatherKnocks({
    async send(messages) {
      sent.push(messages);
      await passing(messages, knocks);
    },
    log,
  });
  knocks.listen((subjects) => heard.push(...(subjects === "all" ? ["all"] : subjects)), new AbortController().signal);
  return { knocks, log, heard, sent };
}

test("its own messages are not heard when they come back, those of others are", async () => {
  const { knocks, heard } = scene((messages, self) => messages.forEach((message) => void self.receive(message)));
  knocks.knock(["mine"]);
  await knocks.close();
  assert.equal(heard, ["mine"]);
  const other = scene();
  const there = scene((messages) => messages.forEach((message) => void other.knocks.receive(message)));
  there.knocks.knock(["theirs"]);
  await there.knocks.close();
  // A closed one has no listeners any more, an open one hears.
  assert.equal(other.heard, ["theirs"]);
});

test("knocks that come while messages are under way go together in the next", async () => {
  let arrive: () => void = () => undefined;
  const { knocks, sent } = scene(() => new Promise<void>((resolve) => (arrive = resolve)));
  knocks.knock(["first"]);
  await eventually("it is sent", () => sent.length === 1);
  for (let round = 0; round < 100; round += 1) knocks.knock([`later ${round % 5}`]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.is(sent.length, 1);
  arrive();
  await eventually("the rest is sent", () => sent.length === 2);
  assert.is(sent[1]!.length, 1);
  assert.is(JSON.parse(sent[1]![0]!).length, 7);
  arrive();
});

test("no message is larger than PostgreSQL takes, and all subjects are in one of them", async () => {
  const { knocks, sent } = scene();
  const subjects = Array.from({ length: 2_000 }, (_, index) => `${index}`.padEnd(150, "ä"));
  knocks.knock(subjects);
  await knocks.close();
  const [messages] = sent as [string[]];
  for (const message of messages) assert.ok(new TextEncoder().encode(message).length < 8_000);
  assert.equal(
    messages.flatMap((message) => JSON.parse(message).slice(2)),
    subjects,
  );
});

test("messages that are lost are dropped, and the next are sent", async () => {
  const { knocks, sent, log } = scene(() => Promise.reject(new Error("no way")));
  knocks.knock(["a"]);
  await eventually("it is dropped", () => log.lines.length === 1);
  knocks.knock(["b"]);
  await knocks.close();
  assert.is(sent.length, 2);
  assert.equal(
    log.lines.map(({ level, event }) => [level, event]),
    Array(2).fill(["debug", "bus_knock_dropped"]),
  );
});

test("close() waits for what is under way and sends what is pending, and nothing is sent after it", async () => {
  const { knocks, sent } = scene(() => new Promise((resolve) => setTimeout(resolve, 20)));
  knocks.knock(["a"]);
  await eventually("it is under way", () => sent.length === 1);
  knocks.knock(["b"]);
  await knocks.close();
  assert.is(sent.length, 2);
  knocks.knock(["c"]);
  await knocks.close();
  assert.is(sent.length, 2);
});

test("missed() tells every listener that it may have lost anything", () => {
  const { knocks, heard } = scene();
  knocks.missed();
  assert.equal(heard, ["all"]);
});

test.run();
