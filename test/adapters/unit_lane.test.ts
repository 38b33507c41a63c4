/** The group commit of units: what waits goes together, and nobody is harmed by company. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gathering } from "../../adapters/postgres/unit_lane.ts";
import type { Command, Committed, Outcome } from "../../core/ports/database.ts";
import { Fault } from "../../core/ports/fault.ts";

const test = suite("unit_lane");

function check(id: string): Command {
  return { op: "document.check", realm: "r", collection: "c", id, ifVersion: 0 };
}

/** A commit that notes what it was given, and answers each command with its id; `x` is refused, `!` throws. */
function noting() {
  const batches: string[][] = [];
  const commit = async (unit: readonly Command[]): Promise<Committed> => {
    const ids = unit.map((command) => ("id" in command ? command.id : command.op));
    batches.push(ids);
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (ids.includes("!")) throw new Error("bad text");
    if (ids.includes("?")) throw new Fault("unavailable", "away");
    const failed = ids.indexOf("x");
    if (failed !== -1) return { committed: false, failed, outcome: { status: "changed", version: 1 } };
    return { committed: true, outcomes: ids.map((id) => ({ status: id }) as unknown as Outcome) };
  };
  return { batches, commit };
}

const statuses = (result: Committed) => (result.committed ? result.outcomes.map(({ status }) => status as string) : []);

test("units that come while others are stored go together, and each gets its own outcomes", async () => {
  const { batches, commit } = noting();
  const lane = gathering(commit);
  const unit = (id: string) => [check("s"), { ...check(id), collection: "d" }] as Command[];
  const first = lane(unit("a"));
  await Promise.resolve();
  await Promise.resolve();
  const rest = ["b", "c", "d"].map((id) => lane(unit(id)));
  assert.equal((await Promise.all([first, ...rest])).map(statuses), [
    ["s", "a"],
    ["s", "b"],
    ["s", "c"],
    ["s", "d"],
  ]);
  assert.equal(batches, [
    ["s", "a"],
    ["s", "b", "s", "c", "s", "d"],
  ]);
});

test("a refused unit is refused alone, with the place in itself", async () => {
  const { commit } = noting();
  const lane = gathering(commit);
  const results = await Promise.all([lane([check("s")]), lane([check("s"), check("x")]), lane([check("s")])]);
  assert.equal(
    results.map(({ committed }) => committed),
    [true, false, true],
  );
  assert.equal(results[1], { committed: false, failed: 1, outcome: { status: "changed", version: 1 } });
});

test("a unit that cannot be stored fails alone; a database that is away fails all, once", async () => {
  const { batches, commit } = noting();
  const lane = gathering(commit);
  const bad = await Promise.allSettled([lane([check("s")]), lane([check("s"), check("!")]), lane([check("s")])]);
  assert.equal(
    bad.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  batches.length = 0;
  const away = await Promise.allSettled([lane([check("s")]), lane([check("s"), check("?")]), lane([check("s")])]);
  assert.equal(
    away.map(({ status }) => status),
    ["rejected", "rejected", "rejected"],
  );
  assert.is(batches.length, 1);
  assert.ok((await lane([check("s")])).committed, "the lane goes on");
});

test("large units, and those that open or close a subject, go their own way at once", async () => {
  const { batches, commit } = noting();
  const lane = gathering(commit);
  const large = Array.from({ length: 9 }, () => check("s"));
  const open: Command = { op: "journal.open", realm: "r", subject: "s" };
  await Promise.all([lane([check("s")]), lane(large), lane([open]), lane([])]);
  assert.is(batches.length, 4);
});

test.run();
