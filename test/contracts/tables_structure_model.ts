/**
 * Both twins of the tables are given the same sequences of creations, changes, drops and rows, and must agree on every outcome, plan and row. What is
 * drawn is a list of numbers; each decides something, so that what fails shrinks to little.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { Cell, Column, ColumnSpec, ColumnType, Row } from "../../core/ports/table.ts";
import type { TableCommand } from "../../core/ports/tables.ts";
import { runModel } from "../support/model_runs.ts";
import type { OpenStore, StoreHarness } from "../support/store_harness.ts";
import { column, numeric, rowsOf } from "./tables_steps.ts";

const TABLES = ["t", "u"];
const NAMES = ["a", "b", "c"];
const TYPES: readonly ColumnType[] = ["text", "integer", "bigint", "numeric", "boolean", "date", "timestamptz", "uuid"];
const WORDS = ["", "1", "-7", "007", "1.5", "true", "00000000-0000-0000-0000-00000000000A", "it's", "2147483648"];
const CELLS: Readonly<Record<ColumnType, readonly Cell[]>> = {
  text: WORDS,
  integer: [0, 1, -7, 2_147_483_647],
  bigint: ["1", "-7", "2147483648", "9223372036854775807"],
  numeric: ["0", "1", "-7", "15"],
  boolean: [true, false],
  date: ["2026-01-31", "0001-01-01"],
  timestamptz: ["2026-01-31T00:00:00Z", "2026-01-31T12:00:00.5Z"],
  uuid: ["00000000-0000-0000-0000-00000000000a"],
  jsonb: [{ a: 1 }],
};

/** Takes the drawn numbers one after the other; zeros when they are used up. */
function drawing(numbers: readonly number[]) {
  let at = 0;
  const below = (count: number) => (numbers[at++] ?? 0) % count;
  return {
    below,
    of: <T>(list: readonly T[]): T => list[below(list.length)]!,
    one: (times: number) => below(times) === times - 1,
  };
}

type Draw = ReturnType<typeof drawing>;

function cellFor({ type, scale }: Column, draw: Draw): Cell {
  const cell = draw.of(CELLS[type]);
  return type === "numeric" && scale ? `${String(cell)}.${draw.of(["0", "5"]).padEnd(scale, "0")}` : cell;
}

function typed(name: string, draw: Draw): ColumnSpec {
  const type = draw.of(TYPES);
  return type === "numeric"
    ? numeric(
        name,
        draw.of([
          [2, 0],
          [3, 1],
          [12, 2],
          [25, 0],
        ]),
      )
    : column(name, type);
}

function specFor(name: string, draw: Draw): ColumnSpec {
  const spec = typed(name, draw);
  const references = draw.one(4) ? { table: draw.of(TABLES), column: draw.of([...NAMES, "id"]) } : null;
  const unique = draw.one(3);
  return {
    ...spec,
    ...(references?.column === "id" ? { type: "bigint", precision: null, scale: null } : {}),
    nullable: !draw.one(3),
    unique,
    references,
    enum: spec.type === "text" && references === null && draw.one(2) ? [...WORDS.slice(draw.below(4))] : null,
  };
}

function columnsFor(draw: Draw): ColumnSpec[] {
  const columns = NAMES.slice(0, 1 + draw.below(3)).map((name) => specFor(name, draw));
  return columns.map((spec) => (draw.one(4) && spec.enum === null ? { ...spec, default: cellFor(spec, draw) } : spec));
}

/** Most columns as they are, some with a new type or name, some new ones, and some left out. */
function changeOf(columns: readonly Column[], draw: Draw): ColumnSpec[] {
  const kept = columns
    .filter(() => !draw.one(6))
    .map((before): ColumnSpec => {
      if (draw.one(5)) return { ...specFor(before.name, draw), name: before.name };
      if (!draw.one(3)) return { ...before, unique: draw.one(2) ? !before.unique : before.unique };
      return { ...before, ...typed(before.name, draw), nullable: before.nullable, unique: before.unique };
    });
  const free = NAMES.filter((name) => !kept.some((spec) => spec.name === name));
  const renamed = kept.map((spec) => {
    const name = draw.one(4) ? free.pop() : undefined;
    return name === undefined ? spec : { ...spec, name, renamedFrom: spec.name };
  });
  const added = free.filter(() => draw.one(3)).map((name) => specFor(name, draw));
  return [...renamed, ...added].length === 0 ? [specFor("a", draw)] : [...renamed, ...added];
}

async function nextCommand(h: StoreHarness, draw: Draw): Promise<TableCommand> {
  const name = draw.of(TABLES);
  const table = await h.database.tables.get(h.realm, name);
  const realm = h.realm;
  if (table === null) return { op: "table.create", realm, name, columns: columnsFor(draw) };
  const kind = draw.below(12);
  if (kind === 11) return { op: "table.drop", realm, name };
  if (kind > 6) return { op: "table.alter", realm, name, columns: changeOf(table.columns, draw), lossy: draw.one(2) };
  const row: Row = {};
  for (const one of table.columns)
    if (!draw.one(4)) row[one.name] = one.references?.column === "id" ? String(1 + draw.below(3)) : cellFor(one, draw);
  return { op: "table.insert", table, rows: [row], returning: false };
}

/** Carries out the command on one twin, and tells all that can be seen of it, without numbers and times. */
async function seen(h: StoreHarness, command: TableCommand): Promise<unknown> {
  const own = { ...command, ...("realm" in command ? { realm: h.realm } : {}) } as TableCommand;
  if ("table" in own) own.table = (await h.database.tables.get(h.realm, own.table.name))!;
  const planned = own.op === "table.alter" ? await h.database.tables.plan(own) : null;
  const result = await h.database.commit([own]);
  const outcome = result.committed ? result.outcomes[0]! : result.outcome;
  const told = outcome.status === "written" || outcome.status === "violates" ? { status: outcome.status } : outcome;
  const rows = await Promise.all(
    TABLES.map(async (name) => {
      const table = await h.database.tables.get(h.realm, name);
      return table && [table.version, table.columns, await rowsOf(h, name)];
    }),
  );
  const text = JSON.stringify([told, planned, rows], (key, value) =>
    /^(number|realm|createdAt|updatedAt)$/.test(key) ? null : value,
  );
  return JSON.parse(text.replace(/\bt\d+_/g, "t_"));
}

/** Runs the model against what `openReal` opens. */
export function tablesAgree(openModel: OpenStore, openReal: OpenStore): void {
  let round = 0;
  runModel({
    name: "changes of tables, postgres",
    of: "commands",
    few: 10,
    sequences: fc.array(fc.array(fc.nat(719), { maxLength: 60 }), { minLength: 4, maxLength: 16 }),
    async open() {
      const [model, real] = await Promise.all([openModel(), openReal()]);
      return { model, real, close: async () => void (await Promise.all([model.close(), real.close()])) };
    },
    async holds(steps, { model, real }, counted) {
      round += 1;
      const [m, r] = [ofRound(model, round), ofRound(real, round)];
      for (const step of steps) {
        counted.steps += 1;
        const command = await nextCommand(m, drawing(step));
        const [expected, actual] = [await seen(m, command), await seen(r, command)];
        assert.equal(
          actual,
          expected,
          `${JSON.stringify(command)}\nmodel ${JSON.stringify(expected)}\nreal  ${JSON.stringify(actual)}`,
        );
      }
    },
    wanted: () => ({ kinds: [], times: 0 }),
  });
}

/** The harness, with a realm of this round's own. */
function ofRound(harness: StoreHarness, round: number): StoreHarness {
  return { ...harness, database: harness.database, realm: `${harness.realm}_${round}` };
}
