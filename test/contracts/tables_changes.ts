/** The contract of changes to tables that have rows: what is lost, what stands against a change, how values change their type, and references. */
import * as assert from "uvu/assert";
import type { Cell, ColumnSpec, Row } from "../../core/ports/table.ts";
import { promises } from "../support/promises.ts";
import type { OpenStore, StoreHarness } from "../support/store_harness.ts";
import {
  alter,
  alterRefused,
  column,
  create,
  createRefused,
  drop,
  dropRefused,
  insert,
  numeric,
  plan,
  rowsOf,
  tableOf,
} from "./tables_steps.ts";

export function tablesChangesContract(twin: string, open: OpenStore): void {
  promises(`tables, ${twin}: changes`, open, (keeps) => {
    keeps("rows that stand against a change are counted, and the change is refused", async (h) => {
      await create(h, "t", [column("a", "text"), column("b", "integer"), column("c", "bigint")]);
      await insert(h, "t", [
        { a: "x", b: 1, c: "2147483648" },
        { a: "x", c: "-2147483649" },
        { a: "x", b: 1, c: "1" },
        { a: "y", b: 2 },
      ]);
      const anew = [
        column("a", "text", { enum: ["y", "z"], unique: true }),
        column("b", "integer", { nullable: false, unique: true }),
        column("c", "integer"),
        column("d", "boolean", { nullable: false }),
        column("e", "integer", { unique: true, default: 5 }),
      ];
      const obstacles = [
        { column: "a", kind: "enum", rows: 3 },
        { column: "a", kind: "duplicate", rows: 2 },
        { column: "b", kind: "null", rows: 1 },
        { column: "b", kind: "duplicate", rows: 1 },
        { column: "c", kind: "range", rows: 2 },
        { column: "d", kind: "null", rows: 4 },
        { column: "e", kind: "duplicate", rows: 3 },
      ];
      assert.equal((await plan(h, "t", anew)).obstacles, obstacles);
      const refused = await alterRefused(h, "t", anew, { lossy: true });
      assert.is(refused.status, "obstructed");
      assert.equal((refused as { plan: { obstacles: unknown } }).plan.obstacles, obstacles);
      assert.is((await tableOf(h, "t")).version, 1);
      assert.is((await rowsOf(h, "t")).length, 4);
    });

    keeps("a table without rows takes any change that there is a way for", async (h) => {
      await create(h, "t", [column("a", "text"), column("b", "timestamptz")]);
      const { plan: done } = await alter(h, "t", [
        column("a", "uuid", { nullable: false, unique: true }),
        column("c", "integer", { nullable: false }),
      ]);
      assert.equal([done.losses, done.obstacles], [[], []]);
    });

    keeps("types widen without loss", async (h) => {
      await widened(h, column("v", "integer"), column("v", "bigint"), [
        [-5, "-5"],
        [null, null],
      ]);
      await widened(h, column("v", "bigint"), numeric("v", [19, 0]), [
        ["-9223372036854775808", "-9223372036854775808"],
      ]);
      await widened(h, column("v", "integer"), numeric("v", [12, 2]), [[7, "7.00"]]);
      await widened(h, numeric("v", [4, 2]), numeric("v", [8, 3]), [["-12.34", "-12.340"]]);
      await widened(h, numeric("v", [4, 2]), column("v", "text"), [["-12.30", "-12.30"]]);
      await widened(h, column("v", "integer"), column("v", "text"), [[-1, "-1"]]);
      await widened(h, column("v", "boolean"), column("v", "text"), [
        [true, "true"],
        [false, "false"],
      ]);
      await widened(h, column("v", "uuid"), column("v", "text"), [
        ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000a"],
      ]);
      await widened(h, column("v", "date"), column("v", "text"), [["0033-04-03", "0033-04-03"]]);
      await widened(h, column("v", "date"), column("v", "timestamptz"), [["2026-01-31", "2026-01-31T00:00:00Z"]]);
      await widened(h, column("v", "timestamptz"), column("v", "text"), [
        ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"],
        ["0001-01-01T00:00:00.000001Z", "0001-01-01T00:00:00.000001Z"],
        ["9999-12-31T23:59:59.25Z", "9999-12-31T23:59:59.25Z"],
      ]);
      await widened(h, column("v", "text"), column("v", "bigint"), [
        ["-12", "-12"],
        ["0", "0"],
      ]);
      await widened(h, column("v", "text"), column("v", "boolean"), [
        ["true", true],
        ["false", false],
      ]);
    });

    keeps("a type that does not hold the values as they are takes them only when that is meant", async (h) => {
      await narrowed(h, numeric("v", [5, 2]), numeric("v", [4, 1]), [
        ["1.25", "1.3"],
        ["-1.25", "-1.3"],
        ["1.20", "1.2", "same"],
      ]);
      await narrowed(h, numeric("v", [5, 2]), column("v", "integer"), [
        ["0.50", 1],
        ["-0.49", 0],
        ["3.00", 3, "same"],
      ]);
      await narrowed(h, column("v", "timestamptz"), column("v", "date"), [
        ["2026-01-31T23:59:59.9Z", "2026-01-31"],
        ["2026-01-31T00:00:00Z", "2026-01-31", "same"],
      ]);
      await narrowed(h, column("v", "text"), numeric("v", [5, 2]), [
        ["1.005", "1.01"],
        ["-7", "-7.00"],
        ["1.50", "1.50", "same"],
      ]);
      await narrowed(h, column("v", "text"), column("v", "integer"), [
        ["007", 7],
        ["-0", 0],
        ["7", 7, "same"],
      ]);
      await narrowed(h, column("v", "text"), column("v", "uuid"), [
        ["00000000-0000-0000-0000-00000000000A", "00000000-0000-0000-0000-00000000000a"],
      ]);
    });

    keeps("values beyond the new type are counted", async (h) => {
      await outside(h, column("v", "bigint"), column("v", "integer"), ["2147483648", "-2147483649"]);
      await outside(h, numeric("v", [5, 1]), numeric("v", [3, 1]), ["100.0", "-100.0", "9999.9"]);
      await outside(h, numeric("v", [5, 2]), numeric("v", [3, 1]), ["99.95"]);
      await outside(h, column("v", "text"), column("v", "integer"), [
        "",
        " 1",
        "1e3",
        "+1",
        "0x1",
        "1\n",
        "٣",
        "2147483648",
        "NaN",
      ]);
      await outside(h, column("v", "text"), column("v", "boolean"), ["t", "TRUE", "1"]);
      await outside(h, column("v", "text"), column("v", "uuid"), ["x", "{00000000-0000-0000-0000-00000000000a}"]);
      await outside(h, numeric("v", [38, 0]), column("v", "bigint"), ["9223372036854775808"]);
    });

    keeps("between other types there is no way", async (h) => {
      const pairs = [
        ["jsonb", "text"],
        ["text", "jsonb"],
        ["boolean", "integer"],
        ["text", "date"],
        ["uuid", "bigint"],
      ] as const;
      for (const [from, to] of pairs) {
        await create(h, "t", [column("v", from)]);
        assert.equal(await alterRefused(h, "t", [column("v", to)]), { status: "unconvertible", column: "v" });
        await drop(h, "t");
      }
    });

    keeps("text that is too long for an index is counted", async (h) => {
      await create(h, "t", [column("a", "text")]);
      await insert(h, "t", [{ a: "x".repeat(2_000) }, { a: "é".repeat(1_001) }]);
      const { obstacles } = await plan(h, "t", [column("a", "text", { unique: true })]);
      assert.equal(obstacles, [{ column: "a", kind: "length", rows: 1 }]);
    });

    keeps("a reference must be to a unique column of the same type, or to id as bigint", async (h) => {
      await create(h, "t", [
        column("code", "text", { unique: true }),
        column("plain", "text"),
        numeric("n", [4, 2], { unique: true }),
      ]);
      const to = (table: string, at: string) => ({ references: { table, column: at } });
      const wrong = [
        column("r", "text", to("none", "code")),
        column("r", "text", to("t", "none")),
        column("r", "text", to("t", "plain")),
        column("r", "integer", to("t", "code")),
        column("r", "integer", to("t", "id")),
        numeric("r", [5, 2], to("t", "n")),
        column("r", "text", to("u", "own")),
      ];
      for (const one of wrong) assert.equal(await createRefused(h, "u", [one]), { status: "unreferable", column: "r" });
      await create(h, "u", [
        column("r", "text", to("t", "code")),
        numeric("n", [4, 2], to("t", "n")),
        column("parent", "bigint", to("u", "id")),
        column("own", "uuid", { unique: true }),
        column("other", "uuid", to("u", "own")),
      ]);
    });

    keeps("what is referred to stays: the table, the column, its type and that it is unique", async (h) => {
      const target = [column("code", "text", { unique: true }), column("x", "text")];
      await create(h, "t", target);
      await create(h, "u", [column("r", "text", { references: { table: "t", column: "code" } })]);
      assert.equal(await dropRefused(h, "t"), { status: "referenced", column: null, by: "u" });
      const refusals = [
        [column("x", "text")],
        [column("code", "text"), column("x", "text")],
        [column("code", "uuid", { unique: true }), column("x", "text")],
      ];
      for (const columns of refusals)
        assert.equal(await alterRefused(h, "t", columns, { lossy: true }), {
          status: "referenced",
          column: "code",
          by: "u",
        });
      await drop(h, "u");
      await drop(h, "t");
    });

    keeps("who refers to a column knows its new name", async (h) => {
      await create(h, "t", [column("code", "text", { unique: true })]);
      await create(h, "u", [column("r", "text", { references: { table: "t", column: "code" } })]);
      await alter(h, "t", [column("key", "text", { unique: true, renamedFrom: "code" })]);
      const u = await tableOf(h, "u");
      assert.equal(u.columns[0]?.references, { table: "t", column: "key" });
      assert.is(u.version, 2);
      await insert(h, "t", [{ key: "a" }]);
      await insert(h, "u", [{ r: "a" }]);
    });

    keeps("a reference that is added is held against the rows that are there", async (h) => {
      await create(h, "t", [column("code", "text", { unique: true })]);
      await create(h, "u", [column("r", "text"), column("parent", "bigint")]);
      await insert(h, "t", [{ code: "a" }]);
      await insert(h, "u", [{ r: "a", parent: "1" }, { r: "b", parent: "9" }, {}]);
      const anew = [
        column("r", "text", { references: { table: "t", column: "code" } }),
        column("parent", "bigint", { references: { table: "u", column: "id" } }),
        column("s", "text", { default: "zz", references: { table: "t", column: "code" } }),
      ];
      assert.equal((await plan(h, "u", anew)).obstacles, [
        { column: "r", kind: "reference", rows: 1 },
        { column: "parent", kind: "reference", rows: 1 },
        { column: "s", kind: "reference", rows: 3 },
      ]);
      await insert(h, "t", [{ code: "b" }, { code: "zz" }]);
      await alter(h, "u", [anew[0]!, column("parent", "bigint"), anew[2]!]);
      assert.equal(
        (await rowsOf(h, "u")).map((row) => row.s),
        ["zz", "zz", "zz"],
      );
    });

    keeps("a table that refers to itself may change both ends at once", async (h) => {
      await create(h, "t", [
        column("code", "integer", { unique: true }),
        column("next", "integer", { references: { table: "t", column: "code" } }),
      ]);
      await insert(h, "t", [{ code: 1 }, { code: 2, next: 1 }]);
      await alter(h, "t", [
        column("key", "text", { unique: true, renamedFrom: "code" }),
        column("next", "text", { references: { table: "t", column: "key" } }),
      ]);
      assert.equal(await rowsOf(h, "t"), [
        { id: 1, key: "1", next: null },
        { id: 2, key: "2", next: "1" },
      ]);
      await alter(h, "t", [column("only", "boolean")], { lossy: true });
    });
  });
}

type Pair = readonly [was: Cell, is: Cell, same?: "same"];

async function through(
  h: StoreHarness,
  specs: readonly [ColumnSpec, ColumnSpec],
  pairs: readonly Pair[],
): Promise<Row[]> {
  await create(h, "t", [specs[0]]);
  await insert(
    h,
    "t",
    pairs.map(([v]) => ({ v })),
  );
  const altered = pairs.filter(([was, , same]) => same === undefined && was !== null).length;
  const planned = await plan(h, "t", [specs[1]]);
  assert.equal(planned.obstacles, []);
  const { plan: done } = await alter(h, "t", [specs[1]], { lossy: true });
  assert.equal(done, planned);
  assert.equal(
    (await rowsOf(h, "t")).map(({ v }) => v),
    pairs.map(([, v]) => v),
    `${specs[0].type} to ${specs[1].type}`,
  );
  await drop(h, "t");
  const losses = altered === 0 ? [] : [{ column: "v", kind: "narrowed", rows: altered }];
  assert.equal(planned.losses, losses, `${specs[0].type} to ${specs[1].type}`);
  return [];
}

async function widened(h: StoreHarness, was: ColumnSpec, is: ColumnSpec, pairs: readonly Pair[]): Promise<void> {
  await through(
    h,
    [was, is],
    pairs.map(([from, to]): Pair => [from, to, "same"]),
  );
}

async function narrowed(h: StoreHarness, was: ColumnSpec, is: ColumnSpec, pairs: readonly Pair[]): Promise<void> {
  await through(h, [was, is], pairs);
}

async function outside(h: StoreHarness, was: ColumnSpec, is: ColumnSpec, cells: readonly Cell[]): Promise<void> {
  await create(h, "t", [was]);
  await insert(
    h,
    "t",
    cells.map((v) => ({ v })),
  );
  const { obstacles } = await plan(h, "t", [is]);
  assert.equal(obstacles, [{ column: "v", kind: "range", rows: cells.length }], `${was.type} to ${is.type}`);
  await drop(h, "t");
}
