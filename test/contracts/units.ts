/**
 * What every database promises of units in which several stores have a part, or whose later commands are made of the outcomes of the earlier
 * ones: all or nothing, outcomes in their places, and no deadlock.
 */
import * as assert from "uvu/assert";
import type { Command, Database, Outcome } from "../../core/ports/database.ts";
import type { NewJob } from "../../core/ports/queue.ts";
import type { Column, Row, Table } from "../../core/ports/table.ts";
import { EVERY_ROW, type Filter, type InsertRows } from "../../core/ports/table_rows.ts";
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

/** Runs the contract of mixed units over the database that `open` opens. */
export function unitsContract(name: string, open: OpenStore): void {
  promises(`units, ${name}`, open, (keeps) => {
    keepsPlaces(keeps);
    keepsAllOrNothing(keeps);
    keepsFurther(keeps);
    keepsConcurrency(keeps);
  });
}

function keepsPlaces(keeps: Keeps<StoreHarness>): void {
  keeps("outcomes stand at the places of their commands, whatever store they belong to", async (h) => {
    const kept = await makeTable(h, "kept");
    const outcomes = await committed(
      h,
      appending(h, "s", { entries: [entry("1")] }),
      push(h, "q", "1", "2"),
      put(h, "a"),
      push(h, "other", "3"),
      { op: "journal.open", realm: h.realm, subject: "t" },
      insert(kept, { title: "one" }),
      put(h, "b"),
      push(h, "q", "4"),
      insert(kept, { title: "two" }, { title: "three" }),
    );
    assert.equal(
      outcomes.map(({ status }) => status),
      ["appended", "pushed", "put", "pushed", "opened", "written", "put", "pushed", "written"],
    );
    assert.equal(
      outcomes.map((outcome) => (outcome.status === "written" ? outcome.count : 0)).filter((count) => count > 0),
      [1, 2],
    );
    assert.equal(await titles(h, kept), ["one", "two", "three"]);
    assert.equal(await waiting(h, "q"), ["1", "2", "4"]);
    assert.equal(await waiting(h, "other"), ["3"]);
    const pushed = outcomes.flatMap((outcome) => ("jobs" in outcome ? outcome.jobs.map(({ id }) => id) : []));
    assert.is(new Set(pushed).size, 4);
    for (const id of [pushed[0]!, pushed[3]!])
      assert.ok(await h.database.queue.get(h.realm, "q", id), `${id} is not in its queue`);
    assert.is((await history(h, "s")).length, 1);
  });

  keeps("rows are written in the order of the unit, so that one may refer to what came before it", async (h) => {
    const parents = await makeTable(h, "parents");
    const children = await makeTable(h, "children", { references: "parents" });
    await committed(h, insert(parents, { title: "p" }), insert(children, { title: "p" }));
    const refused = await refusal(h, insert(children, { title: "q" }), insert(parents, { title: "q" }));
    assert.is(refused.failed, 0);
    assert.is(refused.outcome.status, "violates");
    assert.equal([await titles(h, parents), await titles(h, children)], [["p"], ["p"]]);
  });

  keeps("a unit of one store alone is a unit, too", async (h) => {
    const [outcome] = await committed(h, push(h, "q", "1"));
    assert.is(outcome!.status, "pushed");
    assert.equal(await waiting(h, "q"), ["1"]);
  });
}

function keepsAllOrNothing(keeps: Keeps<StoreHarness>): void {
  keeps("a refusal among the rows takes back what all stores did, and says its place", async (h) => {
    const kept = await makeTable(h, "kept");
    await committed(h, insert(kept, { title: "here" }));
    const refused = await refusal(h, ...surrounded(h, insert(kept, { title: "new" }, { title: "here" })));
    assert.is(refused.failed, 3);
    assert.is(refused.outcome.status, "violates");
    await assertUntouched(h);
    assert.equal(await titles(h, kept), ["here"]);
  });

  keeps("rows that were written, changed and deleted are as they were after a refusal elsewhere", async (h) => {
    const kept = await makeTable(h, "kept");
    await committed(h, insert(kept, { title: "a" }, { title: "b" }));
    const refused = await refusal(
      h,
      insert(kept, { title: "c" }),
      { op: "table.update", table: kept, filter: titled("a"), set: { title: "changed" }, returning: false },
      { op: "table.delete", table: kept, filter: titled("b"), returning: false },
      appending(h, "missing", { ifOpen: true }),
    );
    assert.equal(refused, { committed: false, failed: 3, outcome: { status: "closed" } });
    assert.equal(await titles(h, kept), ["a", "b"]);
  });

  const refusals: [store: string, make: (h: StoreHarness) => Promise<Command>, status: Outcome["status"]][] = [
    ["documents", async (h) => ({ ...put(h, "x"), ifVersion: 7 }), "stale"],
    [
      "closings",
      async (h) => {
        await appended(h, "used");
        return { op: "journal.close", realm: h.realm, subject: "used", ifIdleMs: 60_000 };
      },
      "active",
    ],
    ["appends", async (h) => appending(h, "missing", { ifOpen: true }), "closed"],
    [
      "keys",
      async (h) => {
        await appended(h, "used", { key: "k", fingerprint: "f" });
        return appending(h, "used", { key: "k", fingerprint: "g" });
      },
      "mismatch",
    ],
  ];
  for (const [store, make, status] of refusals) {
    keeps(`a refusal among the ${store} takes back what all stores did, and says its place`, async (h) => {
      const refused = await refusal(h, ...surrounded(h, await make(h)));
      assert.is(refused.failed, 3);
      assert.is(refused.outcome.status, status);
      await assertUntouched(h);
    });
  }

  keeps("text that cannot be stored takes back what all stores did", async (h) => {
    const unit = surrounded(h, appending(h, "odd", { entries: [entry('"\u0000"')] }));
    // To the memory twin it is text like any other.
    const result = await h.database.commit(unit).catch((error: Error) => error.name);
    if (result === "Fault") await assertUntouched(h);
  });
}

function keepsFurther(keeps: Keeps<StoreHarness>): void {
  keeps("further commands are made of the outcomes and take effect in the same unit", async (h) => {
    const seen: string[][] = [];
    const result = await h.database.commit([push(h, "q", "1"), put(h, "a")], (outcomes) => {
      seen.push(outcomes.map(({ status }) => status));
      const [pushed, document] = outcomes;
      const told = JSON.stringify([
        pushed && "jobs" in pushed ? pushed.jobs.length : null,
        document && "version" in document ? document.version : null,
      ]);
      return [appending(h, "s", { entries: [entry(told)] }), put(h, "b", { told })];
    });
    assert.equal(seen, [["pushed", "put"]]);
    assert.ok(result.committed);
    assert.equal(
      result.outcomes.map(({ status }) => status),
      ["pushed", "put", "appended", "put"],
    );
    assert.equal(
      (await history(h, "s")).map(({ data }) => data),
      ["[1,1]"],
    );
    assert.equal((await h.database.documents.get(h.realm, "c", "b"))?.body, { told: "[1,1]" });
  });

  keeps("further commands follow documents and appends as well, and may be none", async (h) => {
    const result = await h.database.commit([put(h, "a"), appending(h, "s")], () => []);
    assert.ok(result.committed);
    assert.is(result.outcomes.length, 2);
    const again = await h.database.commit([put(h, "a")], ([outcome]) => [
      put(h, "b", { of: outcome && "version" in outcome ? outcome.version : null }),
    ]);
    assert.ok(again.committed);
    assert.equal((await h.database.documents.get(h.realm, "c", "b"))?.body, { of: 2 });
  });

  keeps("a further command that is refused takes back everything, and its place follows the others", async (h) => {
    const unit = [push(h, "q", "1"), put(h, "new"), appending(h, "new")];
    const result = await h.database.commit(unit, () => [appending(h, "implicit"), { ...put(h, "x"), ifVersion: 7 }]);
    assert.equal(result, { committed: false, failed: 4, outcome: { status: "stale", version: 0 } });
    await assertUntouched(h);
  });

  keeps("nothing further is asked for when the unit is refused", async (h) => {
    let asked = 0;
    const result = await h.database.commit([push(h, "q", "1"), { ...put(h, "x"), ifVersion: 7 }], () => {
      asked += 1;
      return [];
    });
    assert.is(result.committed, false);
    assert.is(asked, 0);
    await assertUntouched(h);
  });

  keeps("further commands that cannot be made take back everything", async (h) => {
    const mistake = new TypeError("a mistake");
    const outcome = await h.database
      .commit([push(h, "q", "1"), put(h, "new"), appending(h, "new")], () => {
        throw mistake;
      })
      .catch((error: unknown) => error);
    assert.is(outcome, mistake);
    await assertUntouched(h);
  });
}

function keepsConcurrency(keeps: Keeps<StoreHarness>): void {
  keeps("mixed units that touch the same things in opposite orders do not deadlock", async (h) => {
    const names = ["a", "b", "c"];
    const tables = new Map<string, Table>();
    for (const name of names) tables.set(name, await makeTable(h, name));
    const unitOf = (index: number): Command[] => {
      const turned = index % 2 ? names : [...names].reverse();
      return turned.flatMap((name): Command[] => [
        appending(h, name),
        put(h, name),
        { ...push(h, name, `${index}`), jobs: [job(`${index}`, `key-${name}-${index % 4}`)] },
        merge(tables.get(name)!, { title: `${index % 4}` }),
      ]);
    };
    for (let round = 0; round < 4; round += 1) {
      const results = await Promise.all(
        Array.from({ length: 24 }, (_, index) => either(h, index).commit(unitOf(index))),
      );
      assert.ok(results.every((result) => result.committed));
    }
    for (const name of names) {
      assert.is((await history(h, name)).length, 96);
      assert.is((await h.database.documents.get(h.realm, "c", name))?.version, 96);
      assert.is((await waiting(h, name)).length, 4);
      assert.is((await titles(h, tables.get(name)!)).length, 4);
    }
  });

  keeps("refused mixed units take nothing from those committed at the same time", async (h) => {
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) => {
        const unit: Command[] = [push(h, "q", `${index}`), appending(h, "s", { entries: [entry(`${index}`)] })];
        if (index % 3 === 0) unit.push({ ...put(h, `${index}`), ifVersion: 1 });
        return either(h, index).commit(unit);
      }),
    );
    for (const [index, result] of results.entries()) assert.is(result.committed, index % 3 !== 0, `unit ${index}`);
    const kept = Array.from({ length: 30 }, (_, index) => `${index}`).filter((_, index) => index % 3 !== 0);
    assert.equal((await waiting(h, "q")).sort(byNumber), kept);
    assert.equal((await history(h, "s")).map(({ data }) => data).sort(byNumber), kept);
  });
}

function byNumber(left: string, right: string): number {
  return Number(left) - Number(right);
}

function put({ realm }: StoreHarness, id: string, body = {}) {
  return { op: "document.put", realm, collection: "c", id, body } as const;
}

function job(payload: string, key?: string): NewJob {
  return { payload, ...(key === undefined ? {} : { dedup: { key, mode: "drop" } }) };
}

function push({ realm }: StoreHarness, queue: string, ...payloads: string[]) {
  return { op: "queue.push", realm, queue, jobs: payloads.map((payload) => job(payload)) } as const;
}

async function makeTable(
  { database, realm }: StoreHarness,
  name: string,
  { references }: { references?: string } = {},
): Promise<Table> {
  const title: Column = {
    ...{ name: "title", type: "text", nullable: false, unique: true },
    ...{ precision: null, scale: null, default: null, enum: null },
    references: references === undefined ? null : { table: references, column: "title" },
  };
  const made = await database.commit([{ op: "table.create", realm, name, columns: [title] }]);
  const [outcome] = made.committed ? made.outcomes : [];
  if (outcome?.status !== "created") throw new Error(`no table: ${JSON.stringify(made)}`);
  return outcome.table;
}

function insert(table: Table, ...rows: Row[]): InsertRows {
  return { op: "table.insert", table, rows, returning: false };
}

function merge(table: Table, ...rows: Row[]): InsertRows {
  return { ...insert(table, ...rows), conflict: { column: "title", resolution: "merge" } };
}

const title = { column: "title", path: [], asText: false };

function titled(value: string): Filter {
  return { is: "eq", at: title, value };
}

/** Of all rows, by id. */
async function titles({ database }: StoreHarness, table: Table): Promise<unknown[]> {
  const read = {
    table,
    select: [{ as: "title", at: title }],
    filter: EVERY_ROW,
    order: [byId],
    after: null,
    limit: 100,
  };
  return (await database.tables.read(read)).rows.map((row) => row.title);
}

const byId = { at: { column: "id", path: [], asText: false }, descending: false, nullsFirst: false };

/** The payloads of the jobs that wait, in the order in which they were pushed. */
async function waiting({ database, realm }: StoreHarness, queue: string): Promise<string[]> {
  const { jobs } = await database.queue.list(realm, queue, "waiting", { after: null, limit: 100 });
  return jobs.map(({ payload }) => payload);
}

/** The command at place 3, among others of every store that would all succeed. */
function surrounded(h: StoreHarness, command: Command): Command[] {
  const open: Command = { op: "journal.open", realm: h.realm, subject: "new" };
  return [
    appending(h, "new"),
    push(h, "q", "1"),
    open,
    command,
    put(h, "new"),
    push(h, "q", "2"),
    appending(h, "implicit"),
  ];
}

async function assertUntouched(h: StoreHarness): Promise<void> {
  for (const subject of ["new", "implicit"]) {
    assert.is((await boundsIn(h, subject)).state, "missing");
    assert.equal(await history(h, subject), []);
  }
  assert.equal(await h.database.documents.list(h.realm, "c", "", 10), []);
  assert.equal(await waiting(h, "q"), []);
}

function either(h: StoreHarness, index: number): Database {
  return index % 2 ? h.other : h.database;
}
