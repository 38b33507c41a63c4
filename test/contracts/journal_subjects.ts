/**
 * What every journal promises of subjects: how they open, close, fall idle and go.
 */
import * as assert from "uvu/assert";
import { EARLIEST } from "../../core/ports/journal.ts";
import type { Keeps } from "../support/promises.ts";
import {
  appended,
  appending,
  blob,
  boundsIn,
  committed,
  entry,
  history,
  refusal,
  type StoreHarness,
} from "../support/store_harness.ts";

/** Registers the promises of subjects. */
export function keepsSubjects(keeps: Keeps<StoreHarness>): void {
  keeps("append() with ifOpen is refused with `closed` where no subject is, and makes none", async (h) => {
    const outcome = await h.database.journal.append(appending(h, "s", { ifOpen: true }));
    assert.equal(outcome, { status: "closed" });
    assert.is(await state(h, "s"), "missing");
  });

  keeps("append() without ifOpen makes a missing subject, which is then open", async (h) => {
    await appended(h, "s");
    assert.is(await state(h, "s"), "open");
    await appended(h, "s", { ifOpen: true });
    assert.equal(await committed(h, opening(h, "s")), [{ status: "exists" }]);
  });

  keeps("opening makes a subject ready for ifOpen appends", async (h) => {
    assert.equal(await committed(h, opening(h, "s")), [{ status: "opened" }]);
    await appended(h, "s", { ifOpen: true });
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("opening leaves an existing subject as it is, closed ones too", async (h) => {
    await appended(h, "s");
    await committed(h, closing(h, "s"));
    const { now: _, ...before } = await boundsIn(h, "s");
    assert.equal(await committed(h, opening(h, "s")), [{ status: "exists" }]);
    const { now, ...after } = await boundsIn(h, "s");
    assert.equal(after, before);
    assert.is(before.state, "closed");
  });

  keeps("closing is repeatable, refuses ifOpen appends and leaves the entries readable", async (h) => {
    await committed(h, opening(h, "s"));
    await appended(h, "s");
    assert.equal(await committed(h, closing(h, "s")), [{ status: "closed" }]);
    assert.equal(await committed(h, closing(h, "s"), closing(h, "s", 60_000)), [
      { status: "closed" },
      { status: "closed" },
    ]);
    assert.equal(await h.database.journal.append(appending(h, "s", { ifOpen: true })), { status: "closed" });
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("closing a missing subject is `closed` and makes none", async (h) => {
    assert.equal(await committed(h, closing(h, "s"), closing(h, "s", 1_000)), [
      { status: "closed" },
      { status: "closed" },
    ]);
    assert.is(await state(h, "s"), "missing");
  });

  keeps("append() without ifOpen goes to a closed subject, which stays closed", async (h) => {
    await committed(h, opening(h, "s"), closing(h, "s"));
    await appended(h, "s");
    assert.is(await state(h, "s"), "closed");
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("closing with ifIdleMs is `active` until the subject has had no append nor opening for as long", async (h) => {
    await committed(h, opening(h, "s"));
    assert.equal(await refusal(h, closing(h, "s", 60_000)), refusedAs("active"));
    await h.advance(45_000);
    await appended(h, "s");
    await h.advance(45_000);
    assert.equal(await refusal(h, closing(h, "s", 60_000)), refusedAs("active"));
    assert.is(await state(h, "s"), "open");
    await h.advance(20_000);
    assert.equal(await committed(h, closing(h, "s", 60_000)), [{ status: "closed" }]);
  });

  keeps("a replayed append and a repeated opening do not make a subject active", async (h) => {
    await appended(h, "s", { key: "k" });
    await h.advance(70_000);
    await appended(h, "s", { key: "k" });
    await committed(h, opening(h, "s"));
    assert.equal(await committed(h, closing(h, "s", 60_000)), [{ status: "closed" }]);
  });

  keeps("idle() returns up to `limit` subjects of the realm that are closed, or silent for long enough", async (h) => {
    await appended(h, "silent");
    await committed(h, opening(h, "opened"));
    await appended({ ...h, database: h.database, realm: `${h.realm}_2` }, "foreign");
    await h.advance(120_000);
    await appended(h, "closed");
    await appended(h, "active");
    await committed(h, closing(h, "closed"));
    assert.equal((await h.database.journal.idle(h.realm, 60_000, 10)).sort(), ["closed", "opened", "silent"]);
    assert.is((await h.database.journal.idle(h.realm, 60_000, 2)).length, 2);
  });

  keeps("remove() takes a closed subject's entries in portions, the oldest first, then the subject", async (h) => {
    const ids = (await appended(h, "s", { entries: Array.from({ length: 5 }, () => entry()) })).map(({ id }) => id);
    await committed(h, closing(h, "s"));
    assert.is(await h.database.journal.remove(h.realm, "s", 2), false);
    assert.equal(
      (await history(h, "s")).map(({ id }) => id),
      ids.slice(2),
    );
    const { now, ...between } = await boundsIn(h, "s");
    assert.equal(between, { state: "closed", lastId: ids[4], lostThrough: ids[1] });
    await removeWhole(h, "s");
    const { now: _, ...after } = await boundsIn(h, "s");
    assert.equal(after, { state: "missing", lastId: EARLIEST, lostThrough: EARLIEST });
    assert.equal(await history(h, "s"), []);
  });

  keeps("remove() queues the blobs for deletion", async (h) => {
    const blobs = [blob(`${h.realm}/1`), blob(`${h.realm}/2`)];
    await appended(h, "s", { entries: [entry("1", { blob: blobs[0]! }), entry("2"), entry("3", { blob: blobs[1]! })] });
    await committed(h, closing(h, "s"));
    await removeWhole(h, "s");
    const due = await h.database.objectDeletions.due(0, 100_000);
    for (const { key } of blobs) assert.ok(due.includes(key), key);
  });

  keeps("remove() forgets the idempotency keys: a subject made again is new", async (h) => {
    await appended(h, "s", { key: "k", fingerprint: "f" });
    await committed(h, closing(h, "s"));
    await removeWhole(h, "s");
    const outcome = await h.database.journal.append(appending(h, "s", { key: "k", fingerprint: "g" }));
    assert.is(outcome.status, "appended");
    assert.is(await state(h, "s"), "open");
  });

  keeps("remove() of an open subject takes nothing; of a missing one nothing is left", async (h) => {
    await appended(h, "s");
    assert.is(await h.database.journal.remove(h.realm, "s", 10), false);
    assert.is((await history(h, "s")).length, 1);
    assert.is(await h.database.journal.remove(h.realm, "missing", 10), true);
  });

  keeps("referenced() returns those of the keys that an entry refers to", async (h) => {
    const held = [`${h.realm}/1`, `${h.realm}/2`];
    await appended(h, "s", { entries: [entry("1", { blob: blob(held[0]!) })] });
    await appended(h, "t", { entries: [entry("2", { blob: blob(held[1]!), ttlMs: 1_000 })] });
    const asked = [`${h.realm}/0`, ...held, held[0]!];
    assert.equal((await h.database.journal.referenced(asked)).sort(), held);
    assert.equal(await h.database.journal.referenced([]), []);
  });
}

function opening({ realm }: StoreHarness, subject: string) {
  return { op: "journal.open", realm, subject } as const;
}

function closing({ realm }: StoreHarness, subject: string, ifIdleMs?: number) {
  return { op: "journal.close", realm, subject, ...(ifIdleMs === undefined ? {} : { ifIdleMs }) } as const;
}

function refusedAs(status: "active") {
  return { committed: false, failed: 0, outcome: { status } };
}

async function state(h: StoreHarness, subject: string): Promise<string> {
  return (await boundsIn(h, subject)).state;
}

async function removeWhole(h: StoreHarness, subject: string): Promise<void> {
  for (let round = 0; !(await h.database.journal.remove(h.realm, subject, 2)); round += 1) assert.ok(round < 10);
}
