/** What inserts, updates and deletes are going to store, and what callers are told of it: for the operations and for batches alike. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import type { Plan } from "../../kernel/plan.ts";
import type { Outcome } from "../../ports/database.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { type Row, TABLE_ID, type Table } from "../../ports/table.ts";
import {
  type Filter,
  type InsertRows,
  ROWS_READ_MAX,
  type RowCommand,
  type RowOutcome,
  type Violation,
} from "../../ports/table_rows.ts";
import { told } from "./changes.ts";
import { parseFilter } from "./filter.ts";
import { loadTable } from "./load.ts";
import { type NameOf, noMistakes, refuseMistakes, rowName, takeChanges, takeRows, tellRepeats } from "./taken_rows.ts";

/** What a write answers. */
export const writtenFields = {
  count: v.pipe(v.number(), v.description("How many rows were written")),
  rows: v.optional(
    v.pipe(
      v.array(v.record(v.string(), v.unknown())),
      v.description("The rows as they are stored, with return=representation"),
    ),
  ),
};

export interface Written {
  count: number;
  rows?: Row[];
}

type Return = "representation" | "minimal";

/** The field that says what a write answers. */
export const returned = (otherwise: Return) =>
  v.optional(
    v.pipe(
      v.picklist(["representation", "minimal"]),
      v.description(
        `representation: answer the rows as they are stored; minimal: only their number. Default ${otherwise}`,
      ),
    ),
    otherwise,
  );

export interface InsertInput {
  table: string;
  rows: unknown;
  on_conflict?: string | undefined;
  resolution?: "merge" | "ignore" | undefined;
  return: Return;
}

/** The plan of an insert or an upsert; throws for rows that do not fit. */
export async function insertPlan(context: Context, input: InsertInput): Promise<Plan<Written>> {
  const table = await loadTable(context, input.table);
  const sent = (Array.isArray(input.rows) ? input.rows : [input.rows]) as Json[];
  const mistakes = noMistakes();
  const rows = takeRows(table, sent, { mistakes });
  refuseMistakes(mistakes, "insert rows");
  return planOfInsert(table, {
    rows,
    conflict: conflictOf(table, input),
    returning: input.return === "representation",
  });
}

export interface Inserting {
  rows: readonly Row[];
  conflict: InsertRows["conflict"] | null;
  returning: boolean;
  /** What a row is called in a refusal. */
  nameOf?: NameOf;
}

/** The same with rows that have been taken. */
export function planOfInsert(table: Table, { rows, conflict, returning, nameOf = rowName }: Inserting): Plan<Written> {
  if (conflict) refuseUneven(rows, { ...conflict, nameOf });
  const command: InsertRows = { op: "table.insert", table, rows, returning, ...(conflict ? { conflict } : {}) };
  return planOf(command, "insert rows", nameOf);
}

/** Which unique column decides, and how; null: none, so that the same value again is a conflict. */
export function conflictOf(
  table: Table,
  { on_conflict: name, resolution }: Pick<InsertInput, "on_conflict" | "resolution">,
): InsertRows["conflict"] | null {
  if (name === undefined) {
    if (resolution === undefined) return null;
    throw new Fault(
      "invalid_input",
      `Cannot insert rows: resolution stands without on_conflict; name the unique column there`,
      {
        details: { field: "resolution" },
      },
    );
  }
  const column = table.columns.find((one) => one.name === name);
  if (column?.unique) return { column: name, resolution: resolution ?? "merge" };
  const unique = table.columns.filter((one) => one.unique).map((one) => one.name);
  const guess = nearest(name, unique);
  const what =
    name === TABLE_ID
      ? "is id, which the server gives"
      : `is ${quote(name)}, which is no unique column of ${table.name}`;
  const advice =
    unique.length === 0 ? "it has none" : guess === null ? `it has ${unique.join(", ")}` : `did you mean ${guess}?`;
  throw new Fault("invalid_input", `Cannot insert rows: on_conflict ${what}; ${advice}`, {
    details: { field: "on_conflict", ...(guess === null ? {} : { did_you_mean: guess }) },
  });
}

function refuseUneven(
  rows: readonly Row[],
  { column, resolution, nameOf }: { column: string; resolution: string; nameOf: NameOf },
): void {
  const mistakes = noMistakes();
  tellRepeats(rows, { column, nameOf, mistakes });
  refuseMistakes(mistakes, "insert rows");
  if (resolution !== "merge") return;
  const names = (row: Row) => Object.keys(row).sort().join(", ");
  const first = names(rows[0]!);
  const odd = rows.findIndex((row) => names(row) !== first);
  if (odd < 0) return;
  throw new Fault(
    "invalid_input",
    `Cannot insert rows: ${nameOf(odd)} has ${names(rows[odd]!) || "no columns"} and ${nameOf(0)} has ${first || "none"}; to merge, send the same columns in all of them`,
    { details: { errors: [{ index: odd, column: null, value: null, message: `other columns than ${nameOf(0)}` }] } },
  );
}

export interface UpdateInput {
  table: string;
  filter?: string[] | undefined;
  set: JsonObject;
  return: Return;
}

/** The plan of an update. */
export async function updatePlan(context: Context, input: UpdateInput): Promise<Plan<Written>> {
  const table = await loadTable(context, input.table);
  const filter = neededFilter(table, input.filter, "update rows");
  const set = takeChanges(table, input.set, "update rows");
  return planOf(
    { op: "table.update", table, filter, set, returning: input.return === "representation" },
    "update rows",
  );
}

export interface DeleteInput {
  table: string;
  filter?: string[] | undefined;
  return: Return;
}

/** The plan of a deletion. */
export async function deletePlan(context: Context, input: DeleteInput): Promise<Plan<Written>> {
  const table = await loadTable(context, input.table);
  const filter = neededFilter(table, input.filter, "delete rows");
  return planOf({ op: "table.delete", table, filter, returning: input.return === "representation" }, "delete rows");
}

/** A filter that is there: nobody means all rows by saying nothing. */
function neededFilter(table: Table, pairs: readonly string[] | undefined, action: string) {
  const missing = (what: string) =>
    new Fault("invalid_input", `Cannot ${action}: ${what}; send one such as id=eq.1, and id=not.is.null for all rows`, {
      details: { field: "filter" },
    });
  if (pairs === undefined || pairs.length === 0) throw missing("there is no filter");
  const filter = parseFilter(table, pairs);
  // neq(all).{} and not.in.() pass every row: what a program sends that has come to have nothing to name.
  if (hasEmptyList(filter)) throw missing("the filter has a list without values");
  return filter;
}

function hasEmptyList(filter: Filter): boolean {
  if (filter.is === "not") return hasEmptyList(filter.of);
  if (filter.is === "and" || filter.is === "or") return filter.of.some(hasEmptyList);
  return "values" in filter && filter.values.length === 0;
}

function planOf(command: RowCommand, action: string, nameOf: NameOf = rowName): Plan<Written> {
  return {
    commands: [command],
    further: ([outcome]) => told(command, written(outcome!)),
    answer([outcome]) {
      const { count, rows } = written(outcome!);
      return rows === undefined ? { count } : { count, rows };
    },
    refusal: (outcome) => refusalOf(command, outcome, { action, nameOf }),
    isOutdated: (outcome) => outcome.status === "changed",
  };
}

function written(outcome: Outcome): Extract<RowOutcome, { status: "written" }> {
  if (outcome.status !== "written") throw new Error(`a row command has the outcome ${outcome.status}`);
  return outcome;
}

/** How a refusal speaks. */
interface Speech {
  action: string;
  nameOf: NameOf;
}

function refusalOf(command: RowCommand, outcome: Outcome, speech: Speech): Fault {
  const { action } = speech;
  switch (outcome.status) {
    case "violates":
      return violated(command, outcome, speech);
    case "beyond":
      return new Fault(
        "invalid_input",
        `Cannot ${action}: ${outcome.count} rows would come back, the most is ${ROWS_READ_MAX} and 8 MiB; narrow the filter or leave out return=representation`,
        { details: { field: "return", limit: ROWS_READ_MAX } },
      );
    default:
      return new Fault(
        "conflict",
        `Cannot ${action}: the table ${command.table.name} has just been changed; try again`,
      );
  }
}

function violated(command: RowCommand, violation: Violation, { action, nameOf }: Speech): Fault {
  const { constraint, column, index, value, table } = violation;
  const where = index === undefined ? column : `${nameOf(index)}.${column}`;
  const is = value === undefined ? "" : ` is ${quote(value)},`;
  const message = `${where}${is} ${wordsOf(command, { constraint, column, table })}`;
  const error = { index: index ?? null, column, value: value === undefined ? null : quote(value), message };
  const isConflict = constraint === "unique" || constraint === "reference";
  return new Fault(isConflict ? "conflict" : "invalid_input", `Cannot ${action}: ${message}`, {
    details: { errors: [error] },
  });
}

function wordsOf(
  command: RowCommand,
  { constraint, column, table }: { constraint: Violation["constraint"]; column: string; table: string | undefined },
): string {
  switch (constraint) {
    case "unique": {
      const advice = command.op === "table.insert" ? `, or on_conflict=${column} to overwrite or ignore` : "";
      return `which another row has already; send another value${advice}`;
    }
    case "reference": {
      const own = command.table.columns.find(({ name, references }) => name === column && references !== null);
      if (own?.references?.table === table && command.op !== "table.delete")
        return `and no row of ${table} has it; put that row in first`;
      return `and rows of ${table ?? "another table"} still refer to it; change or delete those first`;
    }
    case "not_null":
      return "may not be null";
    case "enum":
      return "is not one of the values that the column may have";
  }
}
