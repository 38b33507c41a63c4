/** What the model test of rows draws: two tables, one of which refers to the other and to itself, and commands over few values, so that they meet. */
import fc from "fast-check";
import type { Cell, Column, Row, Table } from "../../core/ports/table.ts";
import type { Aggregated, Filter, InsertRows, Order, Place } from "../../core/ports/table_rows.ts";
import { column, numeric } from "./tables_steps.ts";

export const TEAMS: readonly Column[] = [
  column("code", "text", { unique: true, nullable: false }),
  column("size", "integer"),
];

export const PEOPLE: readonly Column[] = [
  column("k", "text", { unique: true }),
  column("n", "integer"),
  numeric("d", [6, 2], { unique: true }),
  column("must", "text", { nullable: false, default: "m" }),
  column("kind", "text", { enum: ["a", "b"] }),
  column("j", "jsonb"),
  column("at", "timestamptz"),
  column("team", "text", { references: { table: "teams", column: "code" } }),
  column("boss", "bigint", { references: { table: "people", column: "id" } }),
];

const texts = ["", "a", "B", "b%", "\u00e9", "\u{1F600}", "a_\\"];
const jsons: Cell[] = [{ x: 1 }, { x: "1", y: [1, { z: null }] }, { x: null }, [1, 2.5, "x"], "x", 3, true, { x: 10 }];
/** What JSON may contain, or be contained in. */
const parts: Cell[] = [
  ...jsons,
  {},
  [],
  [[]],
  [1],
  ["x", 1, 1],
  { y: [{}] },
  { y: [{ z: null }], x: "1" },
  { y: 1 },
  1,
  null,
];

/** Cells of each column. */
const cells: { readonly [column: string]: fc.Arbitrary<Cell> } = {
  code: fc.constantFrom("x", "y", "z"),
  size: fc.constantFrom<Cell[]>(null, 0, 5),
  k: fc.constantFrom<Cell[]>(null, ...texts),
  n: fc.constantFrom<Cell[]>(null, -2_147_483_648, -1, 0, 1, 2, 10),
  d: fc.constantFrom<Cell[]>(null, "-1.50", "0.00", "2.00", "10.25", "9999.99"),
  must: fc.constantFrom<Cell[]>("m", "n", null),
  kind: fc.constantFrom<Cell[]>(null, "a", "b", "c"),
  j: fc.constantFrom<Cell[]>(null, ...jsons),
  at: fc.constantFrom<Cell[]>(null, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "0001-01-01T00:00:00Z"),
  team: fc.constantFrom<Cell[]>(null, null, "x", "y"),
  boss: fc.constantFrom<Cell[]>(null, null, null, "1", "999999999"),
};

/** A cell, a value to set, or one to compare with. */
function row(columns: readonly Column[], always: readonly string[] = []): fc.Arbitrary<Row> {
  const fields = Object.fromEntries(columns.map(({ name }) => [name, cells[name]!]));
  return fc.record(fields, { requiredKeys: [...always] }) as fc.Arbitrary<Row>;
}

const place = (name: string, ...path: string[]): Place => ({ column: name, path, asText: false });
const paths = fc.constantFrom<string[][]>(["x"], ["y", "0"], ["y", "1", "z"], ["0"], ["-1"]);

function compare(is: "eq" | "neq" | "gt" | "gte" | "lt" | "lte", at: Place, value: Cell): Filter {
  return { is, at, value };
}

const comparison = fc.constantFrom("eq", "neq", "gt", "gte", "lt", "lte");
const quantifier = fc.constantFrom("any", "all");
const equality = fc.constantFrom("eq", "neq");
const pattern = fc.constantFrom("%", "a%", "_", "%\\%", "", "B_", "%\u00e9%", "a\\_\\\\");

const leaf: fc.Arbitrary<Filter> = fc.oneof(
  ...["k", "n", "d", "must", "at"].map((name) =>
    fc.tuple(comparison, cells[name]!).map(([is, value]) => compare(is, place(name), value)),
  ),
  fc.tuple(equality, fc.constantFrom(...jsons)).map(([is, value]) => compare(is, place("j"), value)),
  fc
    .tuple(comparison, paths, fc.constantFrom(1, 2, 2.5, 10))
    .map(([is, path, value]) => compare(is, place("j", ...path), value)),
  fc
    .tuple(comparison, paths, fc.constantFrom("1", "x", '{"z": null}'))
    .map(([is, path, value]): Filter => ({ is, at: { column: "j", path, asText: true }, value })),
  fc
    .constantFrom("k", "must")
    .chain((name) => pattern.map((one): Filter => ({ is: "like", at: place(name), pattern: one }))),
  pattern.map((one): Filter => ({ is: "ilike", at: place("k"), pattern: one })),
  fc
    .array(
      cells.n!.filter((cell) => cell !== null),
      { maxLength: 3 },
    )
    .map((values): Filter => ({ is: "in", at: place("n"), values })),
  fc.array(fc.constantFrom(...parts), { maxLength: 2 }).map((values): Filter => ({ is: "in", at: place("j"), values })),
  fc
    .tuple(fc.constantFrom("contains", "within"), fc.constantFrom([], ["x"], ["y"]), fc.constantFrom(...parts))
    .map(([is, path, value]): Filter => ({ is, at: place("j", ...path), value })),
  ...["k", "n", "d", "kind", "at", "j", "team"].map((name) =>
    cells[name]!.map((value): Filter => ({ is: "distinct", at: place(name), value })),
  ),
  ...["k", "n", "d", "at"].map((name) =>
    fc
      .tuple(quantifier, comparison, fc.array(cells[name]!, { maxLength: 3 }))
      .map(([is, by, values]): Filter => ({ is, by, at: place(name), values })),
  ),
  fc
    .tuple(quantifier, equality, fc.array(fc.constantFrom(...parts), { maxLength: 2 }))
    .map(([is, by, values]): Filter => ({ is, by, at: place("j"), values })),
  fc
    .tuple(quantifier, comparison, paths, fc.array(fc.constantFrom(1, 2, 2.5, 10), { maxLength: 2 }))
    .map(([is, by, path, values]): Filter => ({ is, by, at: place("j", ...path), values })),
  fc
    .tuple(quantifier, fc.constantFrom("like", "ilike"), fc.array(pattern, { maxLength: 2 }))
    .map(([is, by, values]): Filter => ({ is, by, at: place("k"), values })),
  fc.constantFrom("k", "j", "team", "boss").map((name): Filter => ({ is: "null", at: place(name) })),
);

/** Filters over people. */
export const filters: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    leaf,
    fc.record({
      is: fc.constantFrom("and", "or"),
      of: fc.array(tie("filter"), { maxLength: 3 }),
    }) as fc.Arbitrary<Filter>,
    tie("filter").map((of): Filter => ({ is: "not", of })),
  ),
})).filter;

const order: fc.Arbitrary<Order[]> = fc
  .array(
    fc.record({
      at: fc.oneof(
        fc.constantFrom("k", "n", "d", "at", "boss", "id").map((name) => place(name)),
        paths.map((path): Place => ({ column: "j", path, asText: true })),
      ),
      descending: fc.boolean(),
      nullsFirst: fc.boolean(),
    }),
    { maxLength: 2 },
  )
  .map((terms) => [...terms, { at: place("id"), descending: false, nullsFirst: false }]);

const aggregates: readonly Aggregated[] = [
  { as: "rows", fn: "count", at: null },
  { as: "some", fn: "count", at: place("d") },
  { as: "sum", fn: "sum", at: place("d") },
  { as: "low", fn: "min", at: place("k") },
  { as: "high", fn: "max", at: place("at") },
  { as: "total", fn: "sum", at: place("n") },
  { as: "mean", fn: "avg", at: place("n") },
  { as: "middle", fn: "avg", at: place("d") },
];

/** One step of a sequence. */
export type Step =
  | { do: "insert"; into: "people" | "teams"; rows: Row[]; conflict?: NonNullable<InsertRows["conflict"]> }
  | { do: "update"; filter: Filter; set: Row }
  | { do: "delete"; filter: Filter }
  | { do: "disband"; code: string }
  | { do: "read"; filter: Filter; order: Order[]; limit: number }
  | { do: "aggregate"; filter: Filter; by: string[]; of: readonly Aggregated[]; limit: number };

function upserts(name: "k" | "d", columns: readonly string[]): fc.Arbitrary<Step> {
  const brought = PEOPLE.filter((one) => one.name === name || columns.includes(one.name));
  const rows = fc.array(
    row(
      brought,
      brought.map((one) => one.name),
    ),
    { minLength: 1, maxLength: 4 },
  );
  const distinct = rows.filter((all) => {
    const keys = all.map((one) => one[name]).filter((cell) => cell !== null);
    return new Set(keys).size === keys.length;
  });
  return fc.tuple(distinct, fc.constantFrom("merge", "ignore")).map(
    ([all, resolution]): Step => ({
      do: "insert",
      into: "people",
      rows: all,
      conflict: { column: name, resolution },
    }),
  );
}

/** The steps that sequences are made of. */
export const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .array(row(PEOPLE), { minLength: 1, maxLength: 4 })
      .map((rows): Step => ({ do: "insert", into: "people", rows })),
  },
  {
    weight: 3,
    arbitrary: fc
      .array(row(TEAMS, ["code"]), { minLength: 1, maxLength: 2 })
      .map((rows): Step => ({ do: "insert", into: "teams", rows })),
  },
  { weight: 2, arbitrary: upserts("k", ["n", "team"]) },
  { weight: 2, arbitrary: upserts("d", ["k", "j", "must"]) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        filters,
        row(PEOPLE).filter((set) => Object.keys(set).length > 0),
      )
      .map(([filter, set]): Step => ({ do: "update", filter, set })),
  },
  { weight: 2, arbitrary: filters.map((filter): Step => ({ do: "delete", filter })) },
  { weight: 1, arbitrary: cells.code!.map((code): Step => ({ do: "disband", code: code as string })) },
  {
    weight: 10,
    arbitrary: fc
      .tuple(fc.oneof(fc.constant<Filter>({ is: "and", of: [] }), filters), order, fc.integer({ min: 1, max: 4 }))
      .map(([filter, terms, limit]): Step => ({ do: "read", filter, order: terms, limit })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        filters,
        fc.subarray(["kind", "team", "n"]),
        fc.subarray([...aggregates], { minLength: 1 }),
        fc.integer({ min: 1, max: 3 }),
      )
      .map(([filter, by, of, limit]): Step => ({ do: "aggregate", filter, by, of, limit })),
  },
);

export type Tables = Record<"people" | "teams", Table>;
