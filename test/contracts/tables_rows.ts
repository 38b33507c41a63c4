/** What every tables store promises about writing rows: all of a command or nothing, and no row that its table does not allow. */
import * as assert from "uvu/assert";
import type { Row } from "../../core/ports/table.ts";
import type { Filter } from "../../core/ports/table_rows.ts";
import { type Keeps, promises } from "../support/promises.ts";
import { committed, type OpenStore, refusal, type StoreHarness } from "../support/store_harness.ts";
import { at, EVERY_TYPE, FULL, idsWhere, read, refused, write } from "./tables_row_steps.ts";
import { alter, column, create, insert, numeric, rowsOf, tableOf } from "./tables_steps.ts";

/** Runs the contract of writes over the database that `open` opens. */
export function tablesRowsContract(name: string, open: OpenStore): void {
  promises(`rows of tables, ${name}`, open, (keeps) => {
    keepsInserts(keeps);
    keepsUpserts(keeps);
    keepsChanges(keeps);
    keepsVersions(keeps);
  });
}

function keepsInserts(keeps: Keeps<StoreHarness>): void {
  keeps("insert keeps a value of every type as it was put, and gives back what is stored", async (h) => {
    const table = await create(h, "t", EVERY_TYPE);
    const empty = Object.fromEntries(EVERY_TYPE.map(({ name }) => [name, null]));
    const outcome = await write(h, { op: "table.insert", table, rows: [FULL, {}], returning: true });
    assert.equal(outcome, {
      status: "written",
      count: 2,
      ids: [1, 2],
      rows: [
        { id: 1, ...FULL },
        { id: 2, ...empty },
      ],
    });
    assert.equal(await rowsOf(h, "t"), outcome.rows);
  });

  keeps("insert gives a column that is left out its default, and null where null is sent", async (h) => {
    const table = await create(h, "t", [
      column("a", "integer", { default: 7 }),
      column("b", "jsonb", { default: { x: [1] } }),
      numeric("c", [5, 2], { default: "1.50" }),
    ]);
    const { rows } = await write(h, {
      op: "table.insert",
      table,
      rows: [{}, { a: null }, { b: null, c: "2.00" }],
      returning: true,
    });
    assert.equal(rows, [
      { id: 1, a: 7, b: { x: [1] }, c: "1.50" },
      { id: 2, a: null, b: { x: [1] }, c: "1.50" },
      { id: 3, a: 7, b: null, c: "2.00" },
    ]);
  });

  keeps("insert without returning tells how many rows and the ids of the first 100", async (h) => {
    const table = await create(h, "t", [column("n", "integer")]);
    const rows = Array.from({ length: 250 }, (_, n) => ({ n }));
    const outcome = await write(h, { op: "table.insert", table, rows, returning: false });
    assert.is(outcome.count, 250);
    assert.equal(
      outcome.ids,
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    assert.is(outcome.rows, undefined);
  });

  keeps("one row that may not be keeps all of its command out, with its column, index and value", async (h) => {
    await create(h, "teams", [column("code", "text", { unique: true })]);
    await insert(h, "teams", [{ code: "x" }]);
    const table = await create(h, "t", [
      column("n", "integer", { unique: true }),
      column("must", "text", { nullable: false, default: "m" }),
      column("kind", "text", { enum: ["a", "b"] }),
      column("team", "text", { references: { table: "teams", column: "code" } }),
    ]);
    await insert(h, "t", [{ n: 1, team: "x", kind: "a" }]);
    const put = (...rows: Row[]) => refused(h, { op: "table.insert", table, rows, returning: false });
    assert.equal(await put({ n: 2 }, { n: 1 }), {
      status: "violates",
      constraint: "unique",
      column: "n",
      value: "1",
      index: 1,
    });
    assert.equal(await put({ n: 3 }, { n: 4 }, { n: 3 }), {
      status: "violates",
      constraint: "unique",
      column: "n",
      value: "3",
      index: 2,
    });
    const missing = await put({ n: 5 }, { n: 6, team: "y" });
    assert.equal(
      { ...missing, index: 1 },
      { status: "violates", constraint: "reference", column: "team", value: "y", table: "teams", index: 1 },
    );
    assert.is(((await put({ n: 7, must: null })) as { constraint: string }).constraint, "not_null");
    assert.is(((await put({ n: 8, kind: "c" })) as { constraint: string }).constraint, "enum");
    assert.is((await rowsOf(h, "t")).length, 1);
  });

  keeps("rows that one unit writes to several tables see each other, and are all there or none", async (h) => {
    const teams = await create(h, "teams", [column("code", "text", { unique: true })]);
    const people = await create(h, "people", [
      column("team", "text", { references: { table: "teams", column: "code" } }),
    ]);
    await committed(
      h,
      { op: "table.insert", table: teams, rows: [{ code: "x" }], returning: false },
      { op: "table.insert", table: people, rows: [{ team: "x" }], returning: false },
    );
    const { failed } = await refusal(
      h,
      { op: "table.insert", table: teams, rows: [{ code: "y" }], returning: false },
      { op: "table.insert", table: people, rows: [{ team: "z" }], returning: false },
    );
    assert.is(failed, 1);
    assert.equal([(await rowsOf(h, "teams")).length, (await rowsOf(h, "people")).length], [1, 1]);
  });
}

function keepsUpserts(keeps: Keeps<StoreHarness>): void {
  const columns = [
    column("k", "text", { unique: true }),
    column("a", "integer", { default: 5 }),
    column("b", "integer"),
  ];

  keeps("merge overwrites the columns that the rows bring, and inserts what is not there", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", [{ k: "x", a: 1, b: 1 }]);
    const outcome = await write(h, {
      op: "table.insert",
      table,
      rows: [
        { k: "y", b: 2 },
        { k: "x", b: 3 },
        { k: null, b: 4 },
      ],
      conflict: { column: "k", resolution: "merge" },
      returning: true,
    });
    const stored = (await rowsOf(h, "t")).map(({ k, a, b }) => [k, a, b]);
    assert.equal(stored, [
      ["x", 1, 3],
      ["y", 5, 2],
      [null, 5, 4],
    ]);
    assert.equal(
      outcome.rows!.map(({ k }) => k),
      ["y", "x", null],
    );
    assert.is(outcome.count, 3);
    assert.is(outcome.ids.length, 3);
  });

  keeps("ignore leaves stored rows as they are and does not tell of them", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", [{ k: "x", a: 1, b: 1 }]);
    const conflict = { column: "k", resolution: "ignore" } as const;
    const outcome = await write(h, {
      op: "table.insert",
      table,
      rows: [{ k: "x", a: 9 }, { k: "y" }],
      conflict,
      returning: true,
    });
    assert.is(outcome.count, 1);
    assert.equal(
      outcome.rows!.map(({ k }) => k),
      ["y"],
    );
    assert.equal(
      (await rowsOf(h, "t")).map(({ k, a }) => [k, a]),
      [
        ["x", 1],
        ["y", 5],
      ],
    );
  });

  keeps(
    "upserts at once of the same rows in opposite orders all take effect, without waiting in a circle",
    async (h) => {
      const table = await create(h, "t", columns);
      const keys = Array.from({ length: 200 }, (_, n) => `k${n}`);
      const conflict = { column: "k", resolution: "merge" } as const;
      const upsert = (database: StoreHarness["database"], b: number) => {
        const rows = (b % 2 === 0 ? keys : keys.toReversed()).map((k) => ({ k, b }));
        return database.commit([{ op: "table.insert", table, rows, conflict, returning: false }]);
      };
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, b) => upsert(b % 3 === 0 ? h.other : h.database, b)),
      );
      assert.ok(results.every(({ committed }) => committed));
      const values = new Set((await rowsOf(h, "t")).map(({ b }) => b));
      assert.is(values.size, 1, "one of them was the last for all rows");
    },
  );

  keeps("an upsert still fails at another unique column", async (h) => {
    const table = await create(h, "t", [
      column("k", "text", { unique: true }),
      column("u", "integer", { unique: true }),
    ]);
    await insert(h, "t", [
      { k: "x", u: 1 },
      { k: "y", u: 2 },
    ]);
    const conflict = { column: "k", resolution: "merge" } as const;
    const outcome = await refused(h, {
      op: "table.insert",
      table,
      rows: [{ k: "x", u: 2 }],
      conflict,
      returning: false,
    });
    assert.equal([outcome.status, (outcome as { column: string }).column], ["violates", "u"]);
  });
}

function keepsChanges(keeps: Keeps<StoreHarness>): void {
  keeps("update sets columns where the filter passes and nowhere else", async (h) => {
    const table = await create(h, "t", EVERY_TYPE);
    await insert(h, "t", [{ integer_: 1 }, { integer_: 2 }, { integer_: 3 }]);
    const filter: Filter = { is: "gte", at: at("integer_"), value: 2 };
    const outcome = await write(h, { op: "table.update", table, filter, set: FULL, returning: true });
    assert.equal(outcome, {
      status: "written",
      count: 2,
      ids: [2, 3],
      rows: [
        { id: 2, ...FULL },
        { id: 3, ...FULL },
      ],
    });
    assert.equal(
      (await rowsOf(h, "t")).map(({ text_ }) => text_),
      [null, FULL.text_, FULL.text_],
    );
  });

  keeps("delete takes away what passes the filter and nothing else", async (h) => {
    const table = await create(h, "t", [column("n", "integer")]);
    await insert(h, "t", [{ n: 1 }, { n: 2 }, { n: null }]);
    const filter: Filter = { is: "neq", at: at("n"), value: 1 };
    const outcome = await write(h, { op: "table.delete", table, filter, returning: true });
    assert.equal(outcome, { status: "written", count: 1, ids: [2], rows: [{ id: 2, n: 2 }] });
    assert.equal(
      (await rowsOf(h, "t")).map(({ n }) => n),
      [1, null],
    );
    const none = await write(h, { op: "table.delete", table, filter, returning: false });
    assert.equal(none, { status: "written", count: 0, ids: [] });
  });

  keeps("what others refer to can neither be deleted nor changed away", async (h) => {
    const teams = await create(h, "teams", [column("code", "text", { unique: true })]);
    await create(h, "people", [column("team", "text", { references: { table: "teams", column: "code" } })]);
    await insert(h, "teams", [{ code: "x" }, { code: "y" }]);
    await insert(h, "people", [{ team: "x" }]);
    const filter: Filter = { is: "eq", at: at("code"), value: "x" };
    const deleted = await refused(h, { op: "table.delete", table: teams, filter, returning: false });
    assert.equal(deleted, { status: "violates", constraint: "reference", column: "code", value: "x", table: "people" });
    const changed = await refused(h, {
      op: "table.update",
      table: teams,
      filter,
      set: { code: "z" },
      returning: false,
    });
    assert.equal(changed, deleted);
    const other: Filter = { is: "eq", at: at("code"), value: "y" };
    assert.is((await write(h, { op: "table.delete", table: teams, filter: other, returning: false })).count, 1);
  });

  keeps("more rows than 1000 do not come back from an update, and are not updated then", async (h) => {
    const table = await create(h, "t", [column("n", "integer")]);
    await insert(
      h,
      "t",
      Array.from({ length: 1_001 }, () => ({ n: 1 })),
    );
    const filter: Filter = { is: "and", of: [] };
    const outcome = await refused(h, { op: "table.update", table, filter, set: { n: 2 }, returning: true });
    assert.equal(outcome, { status: "beyond", count: 1_001, most: 1_000 });
    assert.equal(await idsWhere(h, table, { is: "eq", at: at("n"), value: 2 }), []);
    assert.is((await write(h, { op: "table.update", table, filter, set: { n: 2 }, returning: false })).count, 1_001);
  });
}

function keepsVersions(keeps: Keeps<StoreHarness>): void {
  keeps("a table that has changed meanwhile is told, and nothing is written or read", async (h) => {
    const old = await create(h, "t", [column("a", "integer"), column("b", "integer")]);
    await alter(h, "t", [column("a", "integer"), column("b", "integer"), column("c", "integer")]);
    const changed = { status: "changed" };
    assert.equal(await refused(h, { op: "table.insert", table: old, rows: [{ a: 1 }], returning: false }), changed);
    const filter: Filter = { is: "and", of: [] };
    assert.equal(
      await refused(h, { op: "table.update", table: old, filter, set: { a: 1 }, returning: false }),
      changed,
    );
    assert.equal(await refused(h, { op: "table.delete", table: old, filter, returning: false }), changed);
    assert.is(await read(h, old).catch(({ code }) => code), "conflict");
    assert.equal((await read(h, await tableOf(h, "t"))).rows, []);
  });
}
