/**
 * What every database promises of units: all or nothing, in the order that its port states. Leases, the queue of object
 * deletions and readiness have their own file and run in the same suite.
 */
import * as assert from "uvu/assert";
import type { Command, Committed, Database } from "../../core/ports/database.ts";
import { type Keeps, promises } from "../support/promises.ts";
import {
  appended,
  appending,
  boundsIn,
  committed,
  entry,
  history,
  type OpenStore,
  refusal,
  type StoreHarness,
} from "../support/store_harness.ts";
import { keepsDuties } from "./database_duties.ts";

/** Runs the contract of units, leases and object deletions over the database that `open` opens. */
export function databaseContract(name: string, open: OpenStore): void {
  promises(`database, ${name}`, open, (keeps) => {
    keepsUnits(keeps);
    keepsRefusals(keeps);
    keepsConcurrentUnits(keeps);
    keepsDuties(keeps);
  });
}

function keepsUnits(keeps: Keeps<StoreHarness>): void {
  keeps("commit() of nothing succeeds", async (h) => {
    assert.equal(await h.database.commit([]), { committed: true, outcomes: [] });
  });

  keeps("commit() returns an outcome at the place of each command", async (h) => {
    const outcomes = await committed(
      h,
      appending(h, "s", { entries: [entry("1"), entry("2")] }),
      put(h, "a"),
      { op: "journal.open", realm: h.realm, subject: "t" },
      { op: "document.remove", realm: h.realm, collection: "c", id: "missing" },
      appending(h, "s", { entries: [entry("3")] }),
      { op: "journal.close", realm: h.realm, subject: "t" },
      put(h, "b"),
    );
    assert.equal(
      outcomes.map(({ status }) => status),
      ["appended", "put", "opened", "absent", "appended", "closed", "put"],
    );
    const receipts = outcomes.flatMap((outcome) => ("entries" in outcome ? outcome.entries : []));
    const stored = await history(h, "s");
    assert.equal(
      stored.map(({ data }) => data),
      ["1", "2", "3"],
    );
    assert.equal(
      stored.map(({ id }) => id),
      receipts.map(({ id }) => id),
    );
  });

  keeps("commit() opens before it appends, wherever the opening stands", async (h) => {
    const open: Command = { op: "journal.open", realm: h.realm, subject: "s" };
    const outcomes = await committed(h, appending(h, "s", { ifOpen: true }), open);
    assert.equal(
      outcomes.map(({ status }) => status),
      ["appended", "opened"],
    );
  });

  keeps("commit() closes before it appends, wherever the closing stands", async (h) => {
    await appended(h, "s");
    const close: Command = { op: "journal.close", realm: h.realm, subject: "s" };
    const refused = await refusal(h, appending(h, "s", { ifOpen: true }), close);
    assert.equal(refused, { committed: false, failed: 0, outcome: { status: "closed" } });
    assert.is((await boundsIn(h, "s")).state, "open");
    await committed(h, appending(h, "s", { entries: [entry('"the last"')] }), close);
    assert.is((await boundsIn(h, "s")).state, "closed");
    assert.is((await history(h, "s")).length, 2);
  });

  keeps("commit() carries out commands of one kind in the order of the unit", async (h) => {
    const keyed = appending(h, "s", { key: "k", fingerprint: "f" });
    const [open, close] = (["journal.open", "journal.close"] as const).map((op) => ({
      op,
      realm: h.realm,
      subject: "t",
    }));
    const remove: Command = { op: "document.remove", realm: h.realm, collection: "c", id: "a" };
    const outcomes = await committed(
      h,
      ...[{ ...put(h, "a"), ifVersion: 0 }, { ...put(h, "a"), ifVersion: 1 }, remove, put(h, "a", { is: "the last" })],
      ...[open!, close!, open!],
      ...[keyed, keyed],
    );
    assert.equal(
      outcomes.map((outcome) => (outcome.status === "put" ? outcome.version : outcome.status)),
      [1, 2, "removed", 1, "opened", "closed", "exists", "appended", "replayed"],
    );
    assert.equal((await h.database.documents.get(h.realm, "c", "a"))?.body, { is: "the last" });
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("commit() takes a replayed append as a success: the rest of the unit takes effect", async (h) => {
    const append = appending(h, "s", { key: "k", fingerprint: "f" });
    await appended(h, "s", append);
    const outcomes = await committed(h, append, put(h, "a"), appending(h, "t"));
    assert.equal(
      outcomes.map(({ status }) => status),
      ["replayed", "put", "appended"],
    );
    assert.ok(await h.database.documents.get(h.realm, "c", "a"));
    assert.is((await history(h, "s")).length, 1);
  });
}

function keepsRefusals(keeps: Keeps<StoreHarness>): void {
  keeps("commit() with a stale document takes no effect at all", async (h) => {
    const stale = { ...put(h, "a"), ifVersion: 3 };
    const refused = await refusal(h, ...surrounded(h, stale));
    assert.equal(refused, { committed: false, failed: 3, outcome: { status: "stale", version: 0 } });
    await assertUntouched(h);
  });

  keeps("commit() with a key used for something else takes no effect at all", async (h) => {
    await appended(h, "used", { key: "k", fingerprint: "f" });
    const refused = await refusal(h, ...surrounded(h, appending(h, "used", { key: "k", fingerprint: "g" })));
    assert.equal(refused, { committed: false, failed: 3, outcome: { status: "mismatch" } });
    await assertUntouched(h);
  });

  keeps("commit() that would close an active subject takes no effect at all", async (h) => {
    await appended(h, "used");
    const close: Command = { op: "journal.close", realm: h.realm, subject: "used", ifIdleMs: 60_000 };
    assert.equal(await refusal(h, ...surrounded(h, close)), {
      committed: false,
      failed: 3,
      outcome: { status: "active" },
    });
    await assertUntouched(h);
  });

  keeps("commit() that appends to a closed subject with ifOpen takes no effect at all", async (h) => {
    const refused = await refusal(h, ...surrounded(h, appending(h, "missing", { ifOpen: true })));
    assert.equal(refused, { committed: false, failed: 3, outcome: { status: "closed" } });
    await assertUntouched(h);
  });

  keeps("a refused unit leaves documents, subjects and ids that were there as they were", async (h) => {
    await committed(h, put(h, "a", { was: "here" }), put(h, "b"));
    await appended(h, "s");
    const before = await seen(h);
    await refusal(
      h,
      put(h, "a", { is: "changed" }),
      { op: "document.remove", realm: h.realm, collection: "c", id: "b" },
      { op: "journal.close", realm: h.realm, subject: "s" },
      appending(h, "s"),
      { ...put(h, "x"), ifVersion: 7 },
    );
    await refusal(
      h,
      ...[put(h, "a", { is: "changed" }), put(h, "a", { is: "changed again" })],
      ...[appending(h, "s"), appending(h, "s"), appending(h, "missing", { ifOpen: true })],
    );
    assert.equal(await seen(h), before);
  });

  keeps("a refused unit uses up no idempotency key", async (h) => {
    const append = appending(h, "s", { key: "k", fingerprint: "f" });
    await appended(h, "s");
    await refusal(h, append, { ...put(h, "a"), ifVersion: 1 });
    await refusal(h, append, appending(h, "missing", { ifOpen: true }));
    assert.is((await h.database.journal.append({ ...append, fingerprint: "g" })).status, "appended");
  });
}

function keepsConcurrentUnits(keeps: Keeps<StoreHarness>): void {
  keeps("a refused unit takes nothing from those committed at the same time", async (h) => {
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, index) => {
        const unit: Command[] = [appending(h, "s", { entries: [entry(`${index}`)] })];
        if (index % 3 === 0) unit.push({ ...put(h, `${index}`), ifVersion: 1 });
        return either(h, index).commit(unit);
      }),
    );
    for (const [index, result] of results.entries()) assert.is(result.committed, index % 3 !== 0, `unit ${index}`);
    const stored = (await history(h, "s")).map(({ data }) => Number(data));
    assert.is(stored.length, 40);
    assert.not.ok(stored.some((index) => index % 3 === 0));
  });

  keeps("of units that put one version at once exactly one commits, with its appends", async (h) => {
    for (const ifVersion of [0, 1, 2]) {
      const results: Committed[] = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          either(h, index).commit([{ ...put(h, "a", { index }), ifVersion }, appending(h, "s")]),
        ),
      );
      const stale = { committed: false, failed: 0, outcome: { status: "stale", version: ifVersion + 1 } };
      assert.is(results.filter(({ committed }) => committed).length, 1);
      for (const result of results) if (!result.committed) assert.equal(result, stale);
      const winner = results.findIndex(({ committed }) => committed);
      assert.equal((await h.database.documents.get(h.realm, "c", "a"))?.body, { index: winner });
    }
    assert.is((await history(h, "s")).length, 3);
  });

  keeps("units that touch the same subjects and documents in other orders do not deadlock", async (h) => {
    const names = ["a", "b", "c", "d"];
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, index) => {
        const turned = [...names.slice(index % 4), ...names.slice(0, index % 4)];
        if (index % 2) turned.reverse();
        const unit = turned.flatMap((name): Command[] => [appending(h, name), put(h, name)]);
        return either(h, index).commit(unit);
      }),
    );
    assert.ok(results.every(({ committed }) => committed));
    for (const name of names) {
      assert.is((await history(h, name)).length, 60);
      assert.is((await h.database.documents.get(h.realm, "c", name))?.version, 60);
    }
  });
}

function put({ realm }: StoreHarness, id: string, body = {}) {
  return { op: "document.put", realm, collection: "c", id, body } as const;
}

/** The command at place 3, among others that would all succeed. */
function surrounded(h: StoreHarness, command: Command): Command[] {
  const open: Command = { op: "journal.open", realm: h.realm, subject: "new" };
  return [appending(h, "new"), put(h, "new"), open, command, appending(h, "implicit"), put(h, "newer")];
}

async function assertUntouched(h: StoreHarness): Promise<void> {
  for (const subject of ["new", "implicit"]) {
    assert.is((await boundsIn(h, subject)).state, "missing");
    assert.equal(await history(h, subject), []);
  }
  assert.equal(await h.database.documents.list(h.realm, "c", "", 10), []);
}

async function seen(h: StoreHarness): Promise<unknown> {
  const { now, ...bounds } = await boundsIn(h, "s");
  return [await h.database.documents.list(h.realm, "c", "", 10), await history(h, "s"), bounds];
}

function either(h: StoreHarness, index: number): Database {
  return index % 2 ? h.other : h.database;
}
