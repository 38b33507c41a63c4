import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nextTicks } from "../../core/capabilities/queues/cron.ts";
import { tickDue } from "../../core/capabilities/queues/duties.ts";
import { memoryPorts, memoryTown } from "../support/memory_house.ts";
import { openQueued, refusal } from "../support/queued.ts";

const test = suite("queues: schedules");

const NIGHTLY = "/queue-schedules/work/nightly";
const BERLIN = "Europe/Berlin";

/** The ticks from a moment on, as the clock on the wall of Berlin and UTC show them. */
function ticks(cron: string, from: string, count: number): string[] {
  const wall = new Intl.DateTimeFormat("sv-SE", { timeZone: BERLIN, dateStyle: "short", timeStyle: "short" });
  return nextTicks(cron, BERLIN, { after: new Date(from), count }).map(
    (at) => `${wall.format(at)} = ${at.toISOString().slice(11, 16)}Z`,
  );
}

// Clocks go from 02:00 to 03:00 on 29 March 2026, which is 01:00 UTC.
test("a named time in the hour that spring leaves out ticks once, at the first moment after it", () => {
  assert.equal(ticks("30 2 * * *", "2026-03-28T00:00:00Z", 3), [
    "2026-03-28 02:30 = 01:30Z",
    "2026-03-29 03:00 = 01:00Z",
    "2026-03-30 02:30 = 00:30Z",
  ]);
});

test("named times of a list are each kept in spring", () => {
  assert.equal(ticks("30 2,14 * * *", "2026-03-29T00:00:00Z", 3), [
    "2026-03-29 03:00 = 01:00Z",
    "2026-03-29 14:30 = 12:30Z",
    "2026-03-30 02:30 = 00:30Z",
  ]);
});

test("what goes by steps has no ticks in the hour that spring leaves out", () => {
  assert.equal(ticks("*/30 * * * *", "2026-03-29T00:00:00Z", 4), [
    "2026-03-29 01:30 = 00:30Z",
    "2026-03-29 03:00 = 01:00Z",
    "2026-03-29 03:30 = 01:30Z",
    "2026-03-29 04:00 = 02:00Z",
  ]);
});

// Clocks go from 03:00 back to 02:00 on 25 October 2026, which is 01:00 UTC.
test("a named time that autumn has twice ticks once, at the first of the two", () => {
  for (const cron of ["30 2 * * *", "30 2-2 * * *"])
    assert.equal(
      ticks(cron, "2026-10-24T12:00:00Z", 2),
      ["2026-10-25 02:30 = 00:30Z", "2026-10-26 02:30 = 01:30Z"],
      cron,
    );
});

test("what goes by steps ticks in both of the hours that autumn has alike", () => {
  assert.equal(ticks("*/30 * * * *", "2026-10-24T23:45:00Z", 6), [
    "2026-10-25 02:00 = 00:00Z",
    "2026-10-25 02:30 = 00:30Z",
    "2026-10-25 02:00 = 01:00Z",
    "2026-10-25 02:30 = 01:30Z",
    "2026-10-25 03:00 = 02:00Z",
    "2026-10-25 03:30 = 02:30Z",
  ]);
});

test("the next tick is after the moment, not at it", () => {
  assert.equal(ticks("0 12 * * *", "2026-06-01T10:00:00Z", 1), ["2026-06-02 12:00 = 10:00Z"]);
  assert.equal(ticks("0 12 * * *", "2026-06-01T09:59:59.999Z", 1), ["2026-06-01 12:00 = 10:00Z"]);
});

test("a schedule is made, shown, changed, listed and deleted", async () => {
  const { ask } = openQueued();
  const asked = { cron: "30 2 * * 1-5", time_zone: BERLIN, payload: { report: 1 }, priority: 3, dedup_key: "nightly" };
  const made = await ask("PUT", NIGHTLY, asked);
  assert.is(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.body.job, { payload: { report: 1 }, priority: 3, dedup_key: "nightly", dedup_mode: "drop" });
  assert.equal(
    [made.body.next_at, ...made.body.then_at],
    ["01-01", "01-02", "01-05", "01-06"].map((day) => `2026-${day}T01:30:00.000Z`),
  );
  const changed = await ask("PUT", NIGHTLY, { ...asked, cron: "0 4 * * *", time_zone: "UTC" });
  assert.equal([changed.status, changed.body.next_at], [200, "2026-01-01T04:00:00.000Z"]);
  assert.equal((await ask("GET", NIGHTLY)).body, changed.body);
  assert.equal((await ask("GET", "/queue-schedules/work")).body, { schedules: [changed.body], next_cursor: null });
  assert.is((await ask("DELETE", NIGHTLY)).status, 200);
  for (const method of ["GET", "DELETE"]) assert.equal(refusal(await ask(method, NIGHTLY)), [404, "not_found"]);
});

test("what is no cron expression, no time zone or never comes is refused", async () => {
  const { ask } = openQueued();
  const wrong: Record<string, unknown>[] = [
    ...[
      "",
      "* * * *",
      "* * * * * *",
      "61 * * * *",
      "* * * * mon-",
      "@daily",
      "a b c d e",
      "0 0 30 2 *",
      "*  * * * *",
    ].map((cron) => ({ cron })),
    ...["Mars/Olympus", "+02:00", "", "Europe/Berlin ", "../../etc"].map((time_zone) => ({ time_zone })),
  ];
  for (const fields of wrong) {
    const refused = await ask("PUT", NIGHTLY, { cron: "0 4 * * *", payload: 1, ...fields });
    assert.equal(refusal(refused), [400, "invalid_input"], JSON.stringify(fields));
    assert.is(refused.body.error.details.field, Object.keys(fields)[0]);
  }
});

test("each tick makes one job at its time, by the duty, and wakes whoever waits", async () => {
  const server = openQueued();
  await server.ask("PUT", NIGHTLY, { cron: "*/5 * * * *", payload: "tick", group: "g" });
  server.app.start();
  await server.advance(280_000);
  const waiting = await server.begin("POST", "/queue/work/claim", { wait_seconds: 30 });
  await server.advance(19_000);
  assert.is(waiting.reply, undefined);
  await server.advance(3_000);
  assert.is(waiting.reply!.body.jobs[0].payload, "tick");
  const { body } = await server.ask("GET", NIGHTLY);
  assert.equal(
    [body.last_at, body.next_at, body.last_job_id],
    ["2026-01-01T00:05:00.000Z", "2026-01-01T00:10:00.000Z", waiting.reply!.body.jobs[0].id],
  );
  await server.advance(3_600_000);
  assert.is((await server.ask("GET", "/queue/work")).body.minutes.length > 3, true);
  await server.stop();
});

test("however many processes look, a tick makes one job", async () => {
  const town = memoryTown();
  const houses = [1, 2, 3].map((seed) => memoryPorts(town, seed));
  const server = openQueued({ ports: houses[0]! });
  await server.ask("PUT", NIGHTLY, { cron: "* * * * *", payload: "tick" });
  const { signal } = new AbortController();
  let made = 0;
  for (let minute = 1; minute <= 10; minute += 1) {
    await town.clock.advance(60_000);
    const counts = await Promise.all(houses.map((house) => tickDue(house, signal)));
    made += counts.reduce((sum, count) => sum + count, 0);
  }
  assert.is(made, 10);
  assert.is((await server.claim({ limit: 100 })).length, 10);
});

test("ticks that were missed are made up for by one", async () => {
  const server = openQueued();
  await server.ask("PUT", NIGHTLY, { cron: "*/10 * * * *", payload: "tick" });
  await server.advance(7_205_000);
  const { signal } = new AbortController();
  assert.is(await tickDue(server.ports, signal), 1);
  assert.is(await tickDue(server.ports, signal), 0);
  assert.is((await server.claim({ limit: 100 })).length, 1);
  assert.is((await server.ask("GET", NIGHTLY)).body.next_at, "2026-01-01T02:10:00.000Z");
});

test("a paused schedule does not tick, and one that goes on does not make up for its pause", async () => {
  const server = openQueued();
  const asked = { cron: "*/10 * * * *", payload: "tick" };
  await server.ask("PUT", NIGHTLY, { ...asked, paused: true });
  const { signal } = new AbortController();
  await server.advance(3_600_000);
  assert.is(await tickDue(server.ports, signal), 0);
  await server.ask("PUT", NIGHTLY, asked);
  assert.is(await tickDue(server.ports, signal), 0);
  await server.advance(600_000);
  assert.is(await tickDue(server.ports, signal), 1);
});

test("a schedule whose jobs have a key does not pile them up while nobody works", async () => {
  const server = openQueued();
  await server.ask("PUT", NIGHTLY, { cron: "* * * * *", payload: "tick", dedup_key: "one" });
  const { signal } = new AbortController();
  for (let minute = 0; minute < 5; minute += 1) {
    await server.advance(60_000);
    await tickDue(server.ports, signal);
  }
  assert.is((await server.claim({ limit: 100 })).length, 1);
});

test.run();
