import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Frame } from "../../core/kernel/frames.ts";
import { createRing } from "../../core/kernel/ring.ts";

const test = suite("kernel/ring");

const frame = (id: string, { bytes = 100, until = Number.POSITIVE_INFINITY } = {}): Frame => ({
  id,
  bytes: new Uint8Array(bytes),
  jsonAt: 0,
  until,
});
const idsOf = (frames: Frame[] | null) => frames?.map(({ id }) => id) ?? null;

function open(floor = "a") {
  let moment = 0;
  const memory = { used: 0 };
  const ring = createRing(floor, { memory, now: () => moment });
  return { ring, memory, passTo: (to: number) => (moment = to) };
}

test("gives what follows a cursor, and nothing for one before its floor", () => {
  const { ring } = open("b");
  ring.add(["c", "d", "e"].map((id) => frame(id)));
  assert.equal(idsOf(ring.after("b")), ["c", "d", "e"]);
  assert.equal(idsOf(ring.after("d")), ["e"]);
  assert.equal(idsOf(ring.after("e")), []);
  assert.is(ring.after("a"), null);
});

test("knows its floor and what it holds, not ids between", () => {
  const { ring } = open("b");
  ring.add(["c", "e"].map((id) => frame(id)));
  assert.equal(
    ["a", "b", "c", "d", "e", "f"].map((id) => ring.knows(id)),
    [false, true, true, false, true, false],
  );
});

test("does not vouch for a cursor before an expired frame, wherever that stands", () => {
  const { ring, passTo } = open();
  ring.add([frame("b", { until: 10 }), frame("c"), frame("d", { until: 20 }), frame("e")]);
  passTo(10);
  assert.is(ring.after("a"), null);
  assert.equal(idsOf(ring.after("b")), ["c", "d", "e"]);
  passTo(20);
  assert.is(ring.after("b"), null);
  assert.equal(idsOf(ring.after("d")), ["e"]);
});

test("holds at most 8 MiB, the newest", () => {
  const { ring, memory } = open("00");
  for (let index = 1; index <= 20; index += 1) ring.add([frame(String(index).padStart(2, "0"), { bytes: 1_048_576 })]);
  assert.is(ring.after("11"), null);
  assert.equal(idsOf(ring.after("12"))?.[0], "13");
  assert.is(memory.used, 8 * 1_048_576);
});

test("gives about a chunk at a time", () => {
  const { ring } = open("0");
  ring.add(["1", "2", "3", "4"].map((id) => frame(id, { bytes: 200_000 })));
  assert.equal(idsOf(ring.after("0")), ["1", "2"]);
  assert.equal(idsOf(ring.after("2")), ["3", "4"]);
});

test("all rings of a process share one bound: the one that grows gives way", () => {
  const memory = { used: 0 };
  const rings = Array.from({ length: 20 }, () => createRing("00", { memory, now: () => 0 }));
  for (const ring of rings) {
    for (let index = 1; index <= 7; index += 1) ring.add([frame(`0${index}`, { bytes: 1_048_576 })]);
  }
  assert.is(memory.used, 96 * 1_048_576);
  assert.equal(idsOf(rings[0]!.after("00"))?.length, 1);
  assert.is(rings[19]!.after("00"), null);
  assert.equal(idsOf(rings[19]!.after("07")), []);
});

test("begun anew it holds nothing, and gives its bytes back", () => {
  const { ring, memory } = open();
  ring.add(["b", "c"].map((id) => frame(id)));
  ring.restart("x");
  assert.is(memory.used, 0);
  assert.is(ring.after("c"), null);
  assert.equal(idsOf(ring.after("x")), []);
});

test("lets go of what it dropped, however long it lives", () => {
  const { ring } = open("000000");
  for (let index = 1; index <= 5_000; index += 1) ring.add([frame(String(index).padStart(6, "0"), { bytes: 4_096 })]);
  assert.equal(idsOf(ring.after("004999")), ["005000"]);
  assert.is(ring.after("001000"), null);
});

test.run();
