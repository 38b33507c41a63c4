import { test } from "uvu";
import * as assert from "uvu/assert";
import { check, type Findings, verdictsOf } from "./checker.ts";
import type { History, Publish, Reading, Row } from "./history.ts";

const CHANNEL = "c";
const id = (n: number) => `id-${`${n}`.padStart(4, "0")}`;

/** Ten single messages, one after the other, and a batch of three; two readers that have them all. */
function sound(): { history: History; rows: Row[] } {
  const publishes: Publish[] = Array.from({ length: 10 }, (_, n) => publish(n, { ids: [id(n)] }));
  publishes.push(publish(10, { parts: 3, ids: [id(10), id(11), id(12)] }));
  const rows = publishes.flatMap(({ key, ids }) =>
    ids.map((own, place) => ({ channel: CHANNEL, id: own, key: `${key}/${place}` })),
  );
  const all = rows.map((row) => row.id);
  const readings = [
    reading("whole", { ids: all }),
    reading("live", { kind: "steady", live: { after: id(3), since: 45 }, ids: all.slice(4) }),
  ];
  return { history: { publishes, readings, oddities: { badReplays: 0, refusals: [] } }, rows };
}

function publish(n: number, over: Partial<Publish>): Publish {
  const times = { invokedAt: n * 10 + 1, ackedAt: n * 10 + 5 };
  return { key: `k${n}`, channel: CHANNEL, parts: 1, ...times, ids: [], attempts: 1, ...over };
}

function reading(name: string, over: Partial<Reading>): Reading {
  const empty = { ids: [], connections: 1, wrong: [], notices: [], refusals: [] };
  return { name, channel: CHANNEL, kind: "roving", live: null, ...empty, ...over };
}

/** The names of the red verdicts after `spoil` has changed what is sound. */
function red(spoil: (what: { history: History; rows: Row[]; whole: Reading; live: Reading }) => void): string[] {
  const { history, rows } = sound();
  const [whole, live] = history.readings;
  spoil({ history, rows, whole: whole!, live: live! });
  return verdictsOf(check(history, rows)).flatMap(({ name, ok }) => (ok ? [] : [name]));
}

test("a sound history has no red verdict", () => {
  assert.equal(
    red(() => undefined),
    [],
  );
});

test("an acknowledged message that is not stored is lost, though readers had it", () => {
  assert.equal(
    red(({ rows }) => void rows.splice(4, 1)),
    ["acknowledged lost", "delivered but not stored"],
  );
});

test("a key with two rows is stored twice, and whoever was not given both has missed one", () => {
  assert.equal(
    red(({ rows }) => void rows.push({ channel: CHANNEL, id: id(90), key: "k4/0" })),
    ["stored twice", "deliveries missed"],
  );
});

test("another id than the acknowledged one is told", () => {
  assert.equal(
    red(({ history }) => Object.assign(history.publishes[2]!, { ids: [id(5)] })),
    ["acknowledged with another id than stored", "ids against the order of real time"],
  );
});

test("a row that nobody published, or that was published to another channel, is told", () => {
  const added = red(({ rows, whole, live }) => {
    rows.push({ channel: CHANNEL, id: id(91), key: "strange/0" });
    for (const { ids } of [whole, live]) ids.push(id(91));
  });
  assert.equal(added, ["stored without having been published"]);
  const moved = red(({ rows }) => void rows.push({ channel: "other", id: id(91), key: "k9/1" }));
  assert.equal(moved, ["stored without having been published"]);
});

test("half a batch is torn, acknowledged or not", () => {
  const half = red(({ history, rows, whole, live }) => {
    Object.assign(history.publishes[10]!, { ackedAt: null, ids: [] });
    rows.splice(11, 1);
    for (const { ids } of [whole, live]) ids.splice(ids.indexOf(id(11)), 1);
  });
  assert.equal(half, ["batches torn or out of order"]);
});

test("a publish after another's acknowledgement must not have the lower id", () => {
  assert.equal(
    red(({ history }) => Object.assign(history.publishes[7]!, { invokedAt: 95, ackedAt: 99 })),
    ["ids against the order of real time"],
  );
  // At the same time either order is right.
  assert.equal(
    red(({ history }) => Object.assign(history.publishes[7]!, { invokedAt: 70, ackedAt: 99 })),
    [],
  );
});

test("an unacknowledged publish may be stored or not", () => {
  const stored = (of: History) => Object.assign(of.publishes[3]!, { ackedAt: null, ids: [] });
  assert.equal(
    red(({ history }) => stored(history)),
    [],
  );
  const { history, rows } = sound();
  stored(history);
  const { indeterminate, recovered }: Findings = check(history, rows);
  assert.equal([indeterminate, recovered], [1, 1]);
});

for (const [where, spoil] of Object.entries<(ids: string[]) => unknown>({
  "at the start 1": (ids) => ids.shift(),
  "between 1": (ids) => ids.splice(5, 1),
  "at the end 1": (ids) => ids.pop(),
})) {
  test(`a message that a reader was not given is missed: ${where}`, () => {
    for (const which of ["whole", "live"] as const) {
      const { history, rows } = sound();
      spoil(history.readings.find(({ name }) => name === which)!.ids);
      const [missed] = verdictsOf(check(history, rows)).filter(({ ok }) => !ok);
      assert.is(missed?.name, "deliveries missed");
      assert.match(missed?.figure ?? "", where);
    }
  });
}

test("a reader that was given nothing has missed everything", () => {
  assert.equal(
    red(({ whole }) => void whole.ids.splice(0)),
    ["deliveries missed"],
  );
});

test("what was published once a live stream was open is owed, wherever the stream said that it begins", () => {
  assert.equal(
    red(({ live }) => {
      live.live!.after = id(6);
      live.ids.splice(0, 3);
    }),
    ["deliveries missed"],
  );
});

test("a message given twice, or later than a younger one, is told", () => {
  assert.equal(
    red(({ whole }) => void whole.ids.splice(5, 0, id(4))),
    ["deliveries duplicated"],
  );
  assert.equal(
    red(({ whole }) => void whole.ids.splice(4, 2, id(5), id(4))),
    ["deliveries out of order"],
  );
});

test("other content, notices, refusals and bad replays are told", () => {
  const names = red(({ history, whole }) => {
    whole.wrong.push(id(1));
    whole.notices.push("gap {}");
    whole.refusals.push("500");
    history.oddities.badReplays = 1;
  });
  const expected = [
    "delivered with other content",
    "told of a gap or a reset that is none",
    "well-formed requests refused",
  ];
  assert.equal(names, [...expected, "replays with another answer"]);
});

test("figures of nothing keep no promise", () => {
  const nothing = { publishes: [], readings: [], oddities: { badReplays: 0, refusals: [] } };
  assert.ok(verdictsOf(check(nothing, [])).some(({ ok }) => !ok));
});

test.run();
