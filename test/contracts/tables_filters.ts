/** What every tables store promises of the filters that take JSON, null or several values, and of averages. */
import * as assert from "uvu/assert";
import type { Cell } from "../../core/ports/table.ts";
import type { Aggregated, Comparison, Filter, Place, RowPage } from "../../core/ports/table_rows.ts";
import { type Keeps, promises } from "../support/promises.ts";
import type { OpenStore, StoreHarness } from "../support/store_harness.ts";
import { at, EVERY_TYPE, FULL, idsWhere, textAt } from "./tables_row_steps.ts";
import { column, create, insert, numeric } from "./tables_steps.ts";

/** Runs the contract over the database that `open` opens. */
export function tablesFiltersContract(name: string, open: OpenStore): void {
  promises(`filters and averages, ${name}`, open, (keeps) => {
    keepsContainment(keeps);
    keepsDistinct(keeps);
    keepsQuantified(keeps);
    keepsAverages(keeps);
  });
}

/** Each with whether the first contains the second, as PostgreSQL's documentation and its own tests have it. */
const CONTAINMENT: readonly [Cell, Cell, boolean][] = [
  ["foo", "foo", true],
  ["foo", "bar", false],
  [[1, 2, 3], [1, 3], true],
  [[1, 2, 3], [3, 1, 3], true],
  [[1, 2], [1, 4], false],
  [[1, 2, [1, 3]], [1, 3], false],
  [[1, 2, [1, 3]], [[1, 3]], true],
  [[1, 2, [1, 3]], [[3]], true],
  [[1, [2]], 1, true],
  [[1, [2]], 2, false],
  [1, [1], false],
  [1, [], false],
  [[1], [], true],
  [[], [], true],
  [[[1]], [[]], true],
  [[{}], [[]], false],
  [{ a: 1 }, {}, true],
  [{ a: 1 }, [], false],
  [[], {}, false],
  [{ a: 1, b: "x" }, { a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: { b: 1, c: 2 } }, { a: { c: 2 } }, true],
  [{ foo: { bar: "baz" } }, { bar: "baz" }, false],
  [{ a: [1, 2] }, { a: 1 }, false],
  [{ a: [1, 2] }, { a: [2] }, true],
  [{ a: null }, { a: null }, true],
  [{ a: 1 }, { a: null }, false],
  [[null], [null], true],
  [[{ a: 1, b: 2 }, 7], [{ a: 1 }], true],
  [true, true, true],
  [1.5, 1.5, true],
];

function keepsContainment(keeps: Keeps<StoreHarness>): void {
  keeps("JSON contains and is contained as in PostgreSQL, and null neither does nor does not", async (h) => {
    const table = await create(h, "t", [column("j", "jsonb")]);
    await insert(h, "t", [...CONTAINMENT.map(([left, right]) => ({ j: { left, right } })), { j: null }, { j: {} }]);
    const holds = async (index: number, filter: Filter) => {
      const row: Filter = { is: "eq", at: at("id"), value: index + 1 };
      return (await idsWhere(h, table, { is: "and", of: [row, filter] })).length === 1;
    };
    for (const [index, [left, right, contains]] of CONTAINMENT.entries()) {
      const words = `${JSON.stringify(left)} @> ${JSON.stringify(right)}`;
      assert.is(await holds(index, { is: "contains", at: at("j", "left"), value: right }), contains, words);
      assert.is(await holds(index, { is: "within", at: at("j", "right"), value: left }), contains, `turned, ${words}`);
      assert.ok(await holds(index, { is: "contains", at: at("j"), value: { left } }), `whole, ${words}`);
    }
    for (const is of ["contains", "within"] as const) {
      for (const index of [CONTAINMENT.length, CONTAINMENT.length + 1]) {
        const filter: Filter = { is, at: at("j", "left"), value: [] };
        assert.not(await holds(index, filter), is);
        assert.not(await holds(index, { is: "not", of: filter }), `not ${is}`);
      }
    }
  });
}

function keepsDistinct(keeps: Keeps<StoreHarness>): void {
  keeps("distinct takes null for a value like any other, in a column of any type", async (h) => {
    const table = await create(h, "t", EVERY_TYPE);
    await insert(h, "t", [FULL, {}]);
    for (const { name } of EVERY_TYPE) {
      const distinct = (value: Cell): Filter => ({ is: "distinct", at: at(name), value });
      assert.equal(await idsWhere(h, table, distinct(FULL[name]!)), [2], name);
      assert.equal(await idsWhere(h, table, { is: "not", of: distinct(FULL[name]!) }), [1], name);
      assert.equal(await idsWhere(h, table, distinct(null)), [1], name);
    }
    assert.equal(await idsWhere(h, table, { is: "distinct", at: at("id"), value: 1 }), [2]);
    assert.equal(await idsWhere(h, table, { is: "distinct", at: at("numeric_"), value: "-9999999999.900" }), [2]);
    assert.equal(await idsWhere(h, table, { is: "distinct", at: at("json_", "b", "0"), value: 1 }), [2]);
    assert.equal(await idsWhere(h, table, { is: "distinct", at: textAt("json_", "b", "0"), value: "1" }), [2]);
  });
}

function keepsQuantified(keeps: Keeps<StoreHarness>): void {
  type Quantified = Extract<Filter, { is: "any" | "all" }>;
  const columns = [column("n", "integer"), column("s", "text"), column("j", "jsonb"), numeric("d", [6, 2])];

  keeps("any and all join what is said of each value; of none, any is false and all is true", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", [
      { n: 1, s: "Olson", j: 1, d: "1.50" },
      { n: 2, s: "Parker", j: { k: 2 }, d: "2.00" },
      { n: 3, s: "oban", j: "x", d: "3.25" },
      {},
    ]);
    const cases: [Quantified["by"], Place, Cell[], number[], number[]][] = [
      ["eq", at("n"), [1, 3], [1, 3], []],
      ["eq", at("n"), [2, 2], [2], [2]],
      ["neq", at("n"), [1, 2], [1, 2, 3], [3]],
      ["gt", at("n"), [1, 2], [2, 3], [3]],
      ["lte", at("n"), [1, 2], [1, 2], [1]],
      ["gte", at("d"), ["2", "3.25"], [2, 3], [3]],
      ["lt", at("s"), ["P", "o"], [1, 2], [1]],
      ["like", at("s"), ["O%", "P%"], [1, 2], []],
      ["like", at("s"), ["O%", "%n"], [1, 3], [1]],
      ["ilike", at("s"), ["O%", "%N"], [1, 3], [1, 3]],
      ["eq", at("j"), [1, "x"], [1, 3], []],
      ["neq", at("j"), [1, { k: 2 }], [1, 2, 3], [3]],
      ["gt", at("j"), [0, 1], [1], []],
      ["lt", at("j", "k"), [3, 4], [2], [2]],
      ["eq", textAt("j", "k"), ["2", "3"], [2], []],
      ["eq", at("id"), [1, 4], [1, 4], []],
      ...(["eq", "gt", "like"] as const).map((by): (typeof cases)[number] => [by, at("s"), [], [], [1, 2, 3, 4]]),
    ];
    for (const [by, place, values, any, all] of cases) {
      const words = `${by} ${JSON.stringify(place)} ${JSON.stringify(values)}`;
      const ids = (is: "any" | "all") => idsWhere(h, table, { is, by, at: place, values });
      assert.equal([await ids("any"), await ids("all")], [any, all], words);
    }
  });

  keeps("a null among several values leaves open what no other value decides", async (h) => {
    const table = await create(h, "t", columns);
    await insert(h, "t", [{ j: 1 }, { j: 2 }]);
    const where = (filter: Filter) => idsWhere(h, table, filter);
    for (const filter of [
      { is: "in", at: at("j"), values: [1, null] },
      { is: "any", by: "eq", at: at("j"), values: [1, null] },
    ] as Filter[]) {
      assert.equal(await where(filter), [1]);
      assert.equal(await where({ is: "not", of: filter }), [], "neither is known to be another");
    }
    const all = { is: "all", by: "eq" as Comparison, at: at("j"), values: [1, null] } as const;
    assert.equal([await where(all), await where({ is: "not", of: all })], [[], [2]]);
  });
}

function keepsAverages(keeps: Keeps<StoreHarness>): void {
  const columns = [
    column("i", "integer"),
    column("b", "bigint"),
    numeric("d", [10, 2]),
    numeric("w", [38, 10]),
    numeric("f", [38, 38]),
  ];
  type Values = readonly (Cell | undefined)[];
  const cases: [string, Values, string | null][] = [
    [
      "w",
      ["1234567890123456789012345678.0123456789", "-617283945061728394506172839.0061728394"],
      "308641972530864197253086419.50308641975",
    ],
    [
      "w",
      ["9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"],
      "9999999999999999999999999999.9999999999",
    ],
    ["b", ["9223372036854775807", "9223372036854775806"], "9223372036854775806.5"],
    ["i", [2, 4], "3"],
    ["i", [1, 2, 2], "1.6666666666666667"],
    ["i", [-1, -2, -2], "-1.6666666666666667"],
    ["i", [0, 0, 1], "0.3333333333333333"],
    ["i", [-1, 1], "0"],
    ["d", ["0.10", "0.20"], "0.15"],
    ["d", ["0.10", "0.30"], "0.20"],
    ["d", ["0.01", "0.00", "0.00"], "0.003333333333333333"],
    [
      "f",
      [`0.${"0".repeat(37)}1`, `0.${"0".repeat(38)}`, `0.${"0".repeat(38)}`],
      `0.${"0".repeat(38)}3333333333333333`,
    ],
    ["i", [null, null], null],
  ];

  keeps(
    "an average is the exact sum divided by the number, rounded once and far behind the column's decimals",
    async (h) => {
      const table = await create(h, "t", [column("g", "integer"), ...columns]);
      const of: Aggregated[] = [{ as: "mean", fn: "avg", at: at("i") }];
      for (const [g, [name, values, mean]] of cases.entries()) {
        await insert(
          h,
          "t",
          values.map((value) => ({ g, [name]: value ?? null })),
        );
        const filter: Filter = { is: "eq", at: at("g"), value: g };
        const asked = { table, filter, by: [], of: [{ ...of[0]!, at: at(name) }], order: [], after: null, limit: 1 };
        assert.equal((await h.database.tables.aggregate(asked)).rows, [{ mean }], `${name} ${JSON.stringify(values)}`);
      }
    },
  );

  keeps("groups ordered by an average come by its value, page after page", async (h) => {
    const table = await create(h, "t", [column("g", "text"), ...columns]);
    await insert(h, "t", [
      { g: "a", i: 10 },
      { g: "b", i: 9 },
      { g: "b", i: 10 },
      { g: "c", i: 1 },
      { g: "c", i: 2 },
      { g: "c", i: 2 },
      { g: "d" },
    ]);
    const asked = {
      table,
      filter: { is: "and", of: [] } as Filter,
      by: [{ as: "g", at: at("g") }],
      of: [{ as: "mean", fn: "avg", at: at("i") }] as Aggregated[],
      order: ["mean", "g"].map((as) => ({ as, descending: false, nullsFirst: false })),
      limit: 1,
    };
    const seen: [Cell, Cell][] = [];
    let after: Cell[] | null = null;
    do {
      const page: RowPage = await h.database.tables.aggregate({ ...asked, after });
      seen.push(...page.rows.map(({ g, mean }): [Cell, Cell] => [g!, mean!]));
      after = page.next;
    } while (after !== null);
    assert.equal(seen, [
      ["c", "1.6666666666666667"],
      ["b", "9.5"],
      ["a", "10"],
      ["d", null],
    ]);
  });
}
