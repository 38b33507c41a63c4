/** Plans: carried out alone, made again when they are outdated, and joined so that each sees and answers for its own commands only. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Context } from "../../core/kernel/context.ts";
import { carryOut, joined, type Plan } from "../../core/kernel/plan.ts";
import type { Command, Outcome } from "../../core/ports/database.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryHouse } from "../support/memory_house.ts";

const test = suite("kernel/plan");

const put = (id: string, more: { ifVersion?: number } = {}): Command => ({
  op: "document.put",
  realm: "r",
  collection: "c",
  id,
  body: {},
  ...more,
});

const words = (outcomes: readonly Outcome[]) => outcomes.map(({ status }) => status).join(" ");

/** A plan that says of itself what it was given. */
function plan(name: string, commands: Command[], more: Partial<Plan<string>> = {}): Plan<string> {
  return {
    commands,
    answer: (outcomes) => `${name}: ${words(outcomes)}`,
    refusal: (outcome, index) => new Fault("conflict", `${name}, command ${index}: ${outcome.status}`),
    ...more,
  };
}

function house() {
  const made = memoryHouse();
  return { house: made, context: made as unknown as Context };
}

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => "it was carried out",
    (reason: unknown) => reason,
  );
  assert.instance(error, Fault, String(error));
  return (error as Fault).message;
}

test("carryOut() commits, knocks and answers", async () => {
  const { house: made, context } = house();
  const heard: unknown[] = [];
  made.knocks.onEvery((subjects) => heard.push(subjects));
  const answer = await carryOut(context, async () => plan("one", [put("a"), put("b")], { knocks: ["x"] }));
  assert.is(answer, "one: put put");
  assert.equal(heard, [["x"]]);
});

test("carryOut() takes back what a refused plan prepared, makes an outdated one again, and gives up in the end", async () => {
  const { context } = house();
  let made = 0;
  let discarded = 0;
  const stale = async (isOutdated: boolean) => {
    made += 1;
    const discard = async () => {
      discarded += 1;
    };
    return plan("stale", [put("a", { ifVersion: 7 })], { discard, isOutdated: () => isOutdated });
  };
  assert.is(await refused(carryOut(context, () => stale(false))), "stale, command 0: stale");
  assert.equal([made, discarded], [1, 1]);
  assert.is(await refused(carryOut(context, () => stale(true))), "stale, command 0: stale");
  assert.equal([made, discarded], [6, 6]);
});

test("joined() gives each plan the outcomes of its own commands", async () => {
  const { context } = house();
  const seen: string[] = [];
  const noting = (name: string, further: Command[]) => ({
    further: (outcomes: readonly Outcome[]) => {
      seen.push(`${name}: ${words(outcomes)}`);
      return further;
    },
  });
  const remove: Command = { op: "document.remove", realm: "r", collection: "c", id: "missing" };
  const whole = joined(
    [
      plan("one", [put("a"), remove], noting("one", [put("d")])),
      plan("none", []),
      plan("two", [put("b"), put("c")], noting("two", [])),
    ],
    (fault) => fault,
  );
  assert.equal(await carryOut(context, async () => whole), ["one: put absent", "none: ", "two: put put"]);
  assert.equal(seen, ["one: put absent", "two: put put"]);
  assert.ok(await context.database.documents.get("r", "c", "d"));
});

test("joined() lays a refusal at the door of its plan, further commands included", async () => {
  const bad = put("x", { ifVersion: 7 });
  const further = (...commands: Command[]) => ({ further: () => commands });
  const cases: [plans: Plan<string>[], says: string][] = [
    [[plan("one", [put("a")]), plan("two", [put("b"), bad])], "1: two, command 1: stale"],
    [[plan("one", [bad]), plan("two", [put("b")])], "0: one, command 0: stale"],
    [
      [plan("one", [put("a")], further(put("b"))), plan("two", [put("c")], further(put("d"), bad))],
      "1: two, command 2: stale",
    ],
    [[plan("one", [put("a")], further(bad)), plan("two", [put("c")])], "0: one, command 1: stale"],
  ];
  for (const [plans, says] of cases) {
    const { context } = house();
    const blame = (fault: Fault, at: number) => new Fault(fault.code, `${at}: ${fault.message}`);
    assert.is(await refused(carryOut(context, async () => joined(plans, blame))), says);
    assert.equal(await context.database.documents.list("r", "c", "", 10), []);
  }
});

test("joined() is outdated when the plan that was refused is", async () => {
  const outdated = { isOutdated: () => true };
  const whole = joined([plan("one", [put("a")], outdated), plan("two", [put("b")])], (fault) => fault);
  const stale: Outcome = { status: "stale", version: 1 };
  assert.equal([whole.isOutdated!(stale, 0), whole.isOutdated!(stale, 1)], [true, false]);
});

test.run();
