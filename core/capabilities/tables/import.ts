/** Taking rows in from CSV or NDJSON, streamed: whatever the size, a batch at a time is held and written. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { bytesStream, quote, whole } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { carryOut } from "../../kernel/plan.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { TABLE_ID, type Table } from "../../ports/table.ts";
import { type Batch, badLine, csvBatches, ndjsonBatches } from "./batches.ts";
import { cellOf, cellOfText } from "./cell.ts";
import { loadTable, tableName } from "./load.ts";
import { columnOf } from "./place.ts";
import { noMistakes, refuseMistakes, type Take, takeRows } from "./taken_rows.ts";
import { conflictOf, planOfInsert } from "./written.ts";

type Format = "csv" | "ndjson";

const TYPES: { readonly [type: string]: Format } = {
  "text/csv": "csv",
  "application/csv": "csv",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
};

interface ImportInput {
  table: string;
  body: ReadableStream<Uint8Array>;
  format?: Format | undefined;
  content_type?: string | undefined;
  on_conflict?: string | undefined;
  resolution?: "merge" | "ignore" | undefined;
  skip_rows: number;
}

interface Done {
  rows_done: number;
  rows_written: number;
}

const counts = {
  rows_done: v.pipe(v.number(), v.description("How many rows were read, those skipped too")),
  rows_written: v.pipe(v.number(), v.description("How many were written; those ignored are not")),
};

export const importRows = call({
  summary: "Import rows from CSV or NDJSON.",
  details:
    "The body is read as it comes in, and written 1,000 rows at a time: each such batch all or none. The first line that does not fit ends the import with its number and how many rows were done before: send the same file again, put right, with the rows_done of the error's details as skip_rows, or with on_conflict. CSV is that of RFC 4180 in UTF-8, with the columns' names in the first line; a field with nothing in it is no value (or the default, where a column must have one), \"\" is empty text. A column id is passed over, since ids are given by the server.",
  http: "POST /sql/tables/:table/import",
  tool: false,
  needs: { scope: "tables", access: "write", of: "table" },
  limit: "data",
  input: v.strictObject({
    table: tableName,
    body: bytesStream("CSV with a first line of names, or one JSON object in each line"),
    format: v.optional(
      v.pipe(v.picklist(["csv", "ndjson"]), v.description("What the body is, when its Content-Type does not say so")),
    ),
    content_type: v.optional(v.pipe(v.string(), v.description("text/csv or application/x-ndjson"))),
    on_conflict: v.optional(
      v.pipe(v.string(), v.maxLength(48), v.description("A unique column, as for inserting rows")),
    ),
    resolution: v.optional(v.pipe(v.picklist(["merge", "ignore"]), v.description("As for inserting rows"))),
    skip_rows: v.optional(
      whole(
        0,
        Number.MAX_SAFE_INTEGER,
        "Pass over so many rows at the beginning: rows_done of an import that broke off. The line of names in CSV is read all the same and not counted, nor are empty lines",
      ),
      0,
    ),
  }),
  headers: { content_type: "Content-Type" },
  body: { stream: "body" },
  status: 201,
  progress: v.object(counts),
  output: v.object(counts),
  faults: ["not_found", "conflict", "unavailable"],
  examples: [
    {
      after: [["tables.create", 0]],
      input: { table: "people", body: "name,email,age\nAda,ada@example.org,36\nBob,,\n", content_type: "text/csv" },
      output: { rows_done: 2, rows_written: 2 },
    },
  ],
  handle: async (context, input) => importAll(context, input),
});

async function importAll(context: Context, input: ImportInput): Promise<Done> {
  const format = formatOf(input);
  const table = await loadTable(context, input.table);
  conflictOf(table, input);
  const batches =
    format === "ndjson" ? ndjsonBatches(input.body) : csvBatches(input.body, (header) => namesIn(header, table));
  const done = { rows_done: 0, rows_written: 0 };
  try {
    for await (const batch of batches) {
      const rest = without(batch, input.skip_rows - done.rows_done);
      if (rest.values.length > 0) done.rows_written += await importBatch(context, { ...input, format }, rest);
      done.rows_done += batch.values.length;
      context.progress({ ...done });
    }
  } catch (error) {
    throw afterwards(error, done, input.skip_rows);
  }
  return done;
}

/** The batch without its first rows: those that an earlier request has stored. */
function without(batch: Batch, count: number): Batch {
  return count <= 0 ? batch : { values: batch.values.slice(count), lines: batch.lines.slice(count) };
}

async function importBatch(context: Context, input: ImportInput & { format: Format }, batch: Batch): Promise<number> {
  const nameOf = (index: number) => `line ${batch.lines[index]}`;
  const { count } = await carryOut(context, async () => {
    const table = await loadTable(context, input.table);
    const mistakes = noMistakes();
    const values = batch.values.map((value) => prepared(value, { table, format: input.format }));
    const rows = takeRows(table, values, { mistakes, nameOf, take: TAKES[input.format] });
    refuseMistakes(mistakes, "import rows");
    return planOfInsert(table, { rows, conflict: conflictOf(table, input), returning: false, nameOf });
  });
  return count;
}

/** Without `id`, and in CSV without fields that have no value where the column must have one: they take its default. */
function prepared(value: Json, { table, format }: { table: Table; format: Format }): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).filter(([name, cell]) => {
    if (name === TABLE_ID) return false;
    return format === "ndjson" || cell !== null || table.columns.find((column) => column.name === name)?.nullable;
  });
  return Object.fromEntries(kept);
}

const TAKES: { readonly [format in Format]: Take } = {
  ndjson: cellOf,
  csv: (column, value) => (typeof value === "string" ? cellOfText(column, value) : cellOf(column, value)),
};

function namesIn(header: readonly (string | null)[], table: Table): string[] {
  const names = header.map((name) => name ?? "");
  for (const [index, name] of names.entries()) {
    columnOf(table, name, "line 1");
    if (names.indexOf(name) < index) throw badLine(1, `names ${quote(name)} twice`);
  }
  return names;
}

function formatOf({ format, content_type: type = "" }: ImportInput): Format {
  const said = TYPES[type.split(";")[0]!.trim().toLowerCase()];
  const found = format ?? said;
  if (found !== undefined) return found;
  throw new Fault(
    "invalid_input",
    `Cannot import rows: Content-Type is ${quote(type)}; send text/csv or application/x-ndjson, or format=csv or ndjson in the query`,
    { details: { field: "content_type" } },
  );
}

/** The same fault with what is stored by now; what was skipped is. */
function afterwards(error: unknown, { rows_done, rows_written }: Done, skipped: number): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, message, details, headers, cause } = error;
  const done = Math.max(rows_done, skipped);
  const kept =
    done === skipped
      ? "nothing was stored"
      : `the ${done - skipped} rows before were stored, go on with skip_rows=${done}`;
  const more: JsonObject = { ...details, rows_done: done, rows_written };
  return new Fault(code, `${message}; ${kept}`, { details: more, headers, ...(cause === undefined ? {} : { cause }) });
}
