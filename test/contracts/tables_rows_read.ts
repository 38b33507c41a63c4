/** What every tables store promises about reading rows: filters with three values of truth, orders with one place for each row, exact sums. */
import * as assert from "uvu/assert";
import type { Cell, Row } from "../../core/ports/table.ts";
import type { Filter, Order, RowPage } from "../../core/ports/table_rows.ts";
import { type Keeps, promises } from "../support/promises.ts";
import type { OpenStore, StoreHarness } from "../support/store_harness.ts";
import { at, by, EVERY_TYPE, idsWhere, read, textAt } from "./tables_row_steps.ts";
import { column, create, insert, numeric } from "./tables_steps.ts";

/** Runs the contract of reads over the database that `open` opens. */
export function tablesReadContract(name: string, open: OpenStore): void {
  promises(`reads of rows, ${name}`, open, (keeps) => {
    keepsFilters(keeps);
    keepsOrders(keeps);
    keepsAggregates(keeps);
  });
}

function keepsFilters(keeps: Keeps<StoreHarness>): void {
  keeps("comparisons go by the column's type, and null is neither true nor false", async (h) => {
    const table = await create(h, "t", EVERY_TYPE);
    await insert(h, "t", [
      {
        text_: "B",
        integer_: 2,
        bigint_: "10",
        numeric_: "2.50",
        boolean_: true,
        time_: "2026-01-01T00:00:00.5Z",
        date_: "2026-01-02",
      },
      {
        text_: "a",
        integer_: 10,
        bigint_: "-9",
        numeric_: "10.00",
        boolean_: false,
        time_: "2026-01-01T00:00:00Z",
        date_: "2025-12-31",
      },
      {},
    ]);
    const where = (filter: Filter) => idsWhere(h, table, filter);
    assert.equal(await where({ is: "lt", at: at("text_"), value: "a" }), [1], "by bytes");
    assert.equal(await where({ is: "gt", at: at("integer_"), value: 2 }), [2]);
    assert.equal(await where({ is: "gte", at: at("bigint_"), value: "10" }), [1]);
    assert.equal(await where({ is: "gt", at: at("numeric_"), value: "2.499" }), [1, 2]);
    assert.equal(await where({ is: "eq", at: at("numeric_"), value: "10" }), [2]);
    assert.equal(await where({ is: "gt", at: at("time_"), value: "2026-01-01T00:00:00Z" }), [1]);
    assert.equal(await where({ is: "lte", at: at("date_"), value: "2025-12-31" }), [2]);
    assert.equal(await where({ is: "true", at: at("boolean_") }), [1]);
    assert.equal(await where({ is: "not", of: { is: "true", at: at("boolean_") } }), [2, 3]);
    assert.equal(await where({ is: "neq", at: at("integer_"), value: 2 }), [2]);
    assert.equal(await where({ is: "not", of: { is: "eq", at: at("integer_"), value: 2 } }), [2]);
    assert.equal(await where({ is: "null", at: at("integer_") }), [3]);
    assert.equal(await where({ is: "in", at: at("integer_"), values: [2, 3] }), [1]);
    assert.equal(await where({ is: "not", of: { is: "in", at: at("integer_"), values: [2, 3] } }), [2]);
    assert.equal(await where({ is: "not", of: { is: "in", at: at("integer_"), values: [] } }), [1, 2, 3]);
    assert.equal(
      await where({
        is: "or",
        of: [
          { is: "eq", at: at("id"), value: 3 },
          { is: "eq", at: at("integer_"), value: 2 },
        ],
      }),
      [1, 3],
    );
    assert.equal(await where({ is: "or", of: [] }), []);
  });

  keeps("patterns take %, _ and what stands behind a backslash; ilike folds A to Z alone", async (h) => {
    const table = await create(h, "t", [column("s", "text")]);
    const texts = ["abc", "a%c", "ABC", "\u00c4", "\u00e4", "a\u{1F600}c", "", null];
    await insert(
      h,
      "t",
      texts.map((s) => ({ s })),
    );
    const like = (pattern: string) => idsWhere(h, table, { is: "like", at: at("s"), pattern });
    assert.equal(await like("a_c"), [1, 2, 6]);
    assert.equal(await like("a\\%c"), [2]);
    assert.equal(await like("%b%"), [1]);
    assert.equal(await like("%"), [1, 2, 3, 4, 5, 6, 7]);
    assert.equal(await idsWhere(h, table, { is: "ilike", at: at("s"), pattern: "aBc" }), [1, 3]);
    assert.equal(await idsWhere(h, table, { is: "ilike", at: at("s"), pattern: "\u00e4" }), [5]);
  });

  keeps("places inside jsonb are compared as JSON or as text, and read as they are", async (h) => {
    const table = await create(h, "t", [column("j", "jsonb")]);
    const values: Cell[] = [
      { n: 2, s: "x", l: [1, { k: true }], z: null },
      { n: 10, s: "y", o: { bb: 1, a: 1e-7 } },
      { n: "2", l: "no list" },
      [5, 6],
      "text",
      7,
      null,
    ];
    await insert(
      h,
      "t",
      values.map((j) => ({ j })),
    );
    const where = (filter: Filter) => idsWhere(h, table, filter);
    assert.equal(await where({ is: "gt", at: at("j", "n"), value: 2 }), [2]);
    assert.equal(await where({ is: "eq", at: at("j", "n"), value: 2 }), [1]);
    assert.equal(await where({ is: "eq", at: textAt("j", "n"), value: "2" }), [1, 3]);
    assert.equal(await where({ is: "eq", at: at("j", "l"), value: [1, { k: true }] }), [1]);
    assert.equal(await where({ is: "true", at: at("j", "l", "1", "k") }), [1]);
    assert.equal(await where({ is: "eq", at: at("j", "-1"), value: 6 }), [4]);
    assert.equal(await where({ is: "null", at: at("j", "z") }), [1, 2, 3, 4, 5, 6, 7]);
    assert.equal(await where({ is: "eq", at: at("j"), value: "text" }), [5]);
    assert.equal(await where({ is: "gt", at: at("j"), value: 6 }), [6]);
    assert.equal(await where({ is: "like", at: textAt("j", "s"), pattern: "x%" }), [1]);
    const select = [
      { as: "o", at: textAt("j", "o") },
      { as: "n", at: at("j", "n") },
      { as: "i", at: textAt("j", "-3") },
    ];
    const { rows } = await read(h, table, { select });
    assert.equal(rows[0], { o: null, n: 2, i: null });
    assert.equal(rows[1], { o: '{"a": 0.0000001, "bb": 1}', n: 10, i: null });
    assert.equal(rows[2], { o: null, n: "2", i: null });
  });
}

function keepsOrders(keeps: Keeps<StoreHarness>): void {
  const columns = [column("t", "text"), column("n", "integer"), column("j", "jsonb")];
  const rows: Row[] = [
    { t: "b", n: 2, j: { k: "z" } },
    { t: "a", n: null, j: { k: "\u00e9" } },
    { t: null, n: 1, j: null },
    { t: "B", n: 2, j: { k: "Z" } },
    { t: "\u{1F600}", n: null, j: { k: null } },
    { t: "\uffee", n: 1, j: { k: "z" } },
  ];

  keeps("every order gives each row one place, and its pages follow each other without gap or repeat", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", rows);
    const orders: [Order[], number[]][] = [
      [[by(at("id"))], [1, 2, 3, 4, 5, 6]],
      [[by(at("id"), true)], [6, 5, 4, 3, 2, 1]],
      [
        [by(at("t")), by(at("id"))],
        [4, 2, 1, 6, 5, 3],
      ],
      [
        [by(at("t"), true, false), by(at("id"))],
        [5, 6, 1, 2, 4, 3],
      ],
      [
        [by(at("n"), false, true), by(at("t"), true, true), by(at("id"))],
        [5, 2, 3, 6, 1, 4],
      ],
      [
        [by(at("n"), true, true), by(at("id"), true)],
        [5, 2, 4, 1, 6, 3],
      ],
      [
        [by(textAt("j", "k")), by(at("id"))],
        [4, 1, 6, 2, 3, 5],
      ],
    ];
    for (const [order, ids] of orders) {
      for (const limit of [1, 2, 4, 6, 7]) {
        const found: Cell[] = [];
        let after: Cell[] | null = null;
        do {
          const page: RowPage = await read(h, table, { order, after, limit });
          assert.ok(page.rows.length <= limit);
          found.push(...page.rows.map(({ id }) => id!));
          after = page.next;
        } while (after !== null);
        assert.equal(found, ids, JSON.stringify(order));
      }
    }
  });

  keeps("select gives what is asked for under the names given", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", rows);
    const select = [
      { as: "z", at: at("n") },
      { as: "a", at: textAt("j", "k") },
      { as: "again", at: at("n") },
    ];
    const page = await read(h, table, { select, limit: 1 });
    assert.is(JSON.stringify(page.rows), '[{"z":2,"a":"z","again":2}]');
  });

  keeps("a page never ends before its first row, and its cursor goes on where it ended", async (h) => {
    const table = await create(h, "t", [column("t", "text")]);
    const large = "x".repeat(3 * 1024 * 1024);
    for (let n = 0; n < 4; n += 1) await insert(h, "t", [{ t: `${n}${large}` }]);
    const found: string[] = [];
    let after: Cell[] | null = null;
    do {
      const page: RowPage = await read(h, table, { after, limit: 10 });
      assert.ok(page.rows.length > 0);
      found.push(...page.rows.map(({ t }) => (t as string).slice(0, 1)));
      after = page.next;
    } while (after !== null);
    assert.equal(found, ["0", "1", "2", "3"]);
  });

  keeps("count is exact when it shall be", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", rows);
    const filter: Filter = { is: "eq", at: at("n"), value: 1 };
    assert.is(await h.database.tables.count({ table, filter, how: "exact" }), 2);
    const estimated = await h.database.tables.count({ table, filter, how: "estimated" });
    assert.ok(Number.isInteger(estimated) && estimated >= 0);
  });
}

function keepsAggregates(keeps: Keeps<StoreHarness>): void {
  const columns = [
    column("g", "text"),
    column("i", "integer"),
    column("b", "bigint"),
    numeric("d", [10, 2]),
    column("t", "timestamptz"),
  ];

  keeps("aggregates over groups are exact, skip nulls, and come in order and in pages", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", [
      { g: "x", i: 1, b: "9223372036854775807", d: "0.10", t: "2026-01-01T00:00:00Z" },
      { g: "x", i: 2, b: "9223372036854775807", d: "0.20", t: "2026-01-01T00:00:00.25Z" },
      { g: "y", i: null, b: null, d: null, t: null },
      { g: null, i: 5, b: "-1", d: "3.00", t: null },
    ]);
    const of = [
      { as: "rows", fn: "count", at: null },
      { as: "some", fn: "count", at: at("i") },
      { as: "i", fn: "sum", at: at("i") },
      { as: "b", fn: "sum", at: at("b") },
      { as: "d", fn: "sum", at: at("d") },
      { as: "mean", fn: "avg", at: at("i") },
      { as: "first", fn: "min", at: at("t") },
      { as: "last", fn: "max", at: at("t") },
    ] as const;
    const groups = { table, filter: { is: "and", of: [] } as Filter, by: [{ as: "g", at: at("g") }], of };
    const ascending = { as: "g", descending: false, nullsFirst: false };
    const first = await h.database.tables.aggregate({ ...groups, order: [ascending], after: null, limit: 2 });
    assert.equal(first.rows, [
      {
        g: "x",
        rows: 2,
        some: 2,
        i: "3",
        b: "18446744073709551614",
        d: "0.30",
        mean: "1.5",
        first: "2026-01-01T00:00:00Z",
        last: "2026-01-01T00:00:00.25Z",
      },
      { g: "y", rows: 1, some: 0, i: null, b: null, d: null, mean: null, first: null, last: null },
    ]);
    const rest = await h.database.tables.aggregate({ ...groups, order: [ascending], after: first.next, limit: 2 });
    assert.equal(
      rest.rows.map(({ g, d }) => [g, d]),
      [[null, "3.00"]],
    );
    assert.is(rest.next, null);
    const bySum = [{ as: "d", descending: true, nullsFirst: false }, ascending];
    const ordered = await h.database.tables.aggregate({ ...groups, order: bySum, after: ["0.30", "x"], limit: 9 });
    assert.equal(
      ordered.rows.map(({ g }) => g),
      ["y"],
    );
  });

  keeps("aggregates without groups are one row, also of no rows", async (h) => {
    const table = await create(h, "t", columns);
    const of = [
      { as: "n", fn: "count", at: null },
      { as: "s", fn: "sum", at: at("d") },
    ] as const;
    const asked = { table, filter: { is: "and", of: [] } as Filter, by: [], of, order: [], after: null, limit: 10 };
    assert.equal(await h.database.tables.aggregate(asked), { rows: [{ n: 0, s: null }], next: null });
  });
}
