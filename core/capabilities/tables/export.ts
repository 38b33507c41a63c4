/** Giving rows out as CSV or NDJSON, streamed in pages by `id`: whatever the size, a page at a time is held, and no connection for a slow reader. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { type Content, content } from "../../kernel/operation.ts";
import type { Cell, Row, Table } from "../../ports/table.ts";
import { ROWS_READ_MAX } from "../../ports/table_rows.ts";
import { csvLine } from "./csv.ts";
import { tableName, withTable } from "./load.ts";
import type { Kind } from "./place.ts";
import { misread } from "./query_text.ts";
import { type ReadInput, type RowsRead, readRows } from "./read_rows.ts";
import { besideFilters, filter, select } from "./row_fields.ts";
import { parseSelect } from "./select.ts";

const common = {
  needs: { scope: "tables", access: "read", of: "table" },
  limit: "data",
  rest: "filter",
  faults: ["not_found", "conflict", "unavailable", "timeout"],
} as const;

const WORDS =
  "All rows that pass the filter, in order of id, as long as the connection takes them. They are read a page at a time: a row that is written meanwhile comes as it was before or after, and none comes twice. An answer that breaks off is not whole.";

export const exportCsv = content({
  ...common,
  summary: "Export rows as CSV.",
  details: `${WORDS} CSV as of RFC 4180 in UTF-8, with the columns' names in the first line; a field with nothing in it is no value, "" is empty text, jsonb is JSON. It can be imported as it is. Text is given as it is stored; with formulas=escape a ' is put before what a spreadsheet would take for a formula.`,
  http: "GET /sql/tables/:table/rows.csv",
  produces: "text/csv",
  input: v.strictObject({
    table: tableName,
    select,
    filter,
    formulas: besideFilters(
      "formulas",
      v.optional(
        v.pipe(
          v.picklist(["keep", "escape"]),
          v.description(
            "What becomes of text that begins with =, +, -, @, a tab or a return: kept, or a ' put before it. Default keep",
          ),
        ),
        "keep",
      ),
    ),
  }),
  handle: async (context, { formulas, ...input }) => {
    const field = formulas === "escape" ? (cell: Cell, kind: Kind) => harmless(fieldOf(cell, kind), kind) : fieldOf;
    return exported(context, input, {
      type: "text/csv; charset=utf-8; header=present",
      ending: "csv",
      head: (columns) => csvLine(columns.map(({ name }) => name)),
      line: (row, columns) => csvLine(columns.map(({ name, kind }) => field(row[name]!, kind))),
    });
  },
});

export const exportNdjson = content({
  ...common,
  summary: "Export rows as NDJSON.",
  details: `${WORDS} One JSON object in each line. It can be imported as it is.`,
  http: "GET /sql/tables/:table/rows.ndjson",
  produces: "application/x-ndjson",
  input: v.strictObject({ table: tableName, select, filter }),
  handle: async (context, input) =>
    exported(context, input, {
      type: "application/x-ndjson; charset=utf-8",
      ending: "ndjson",
      head: () => "",
      line: (row) => `${JSON.stringify(row)}\n`,
    }),
});

/** How rows are written. */
interface Form {
  type: string;
  ending: string;
  head(columns: readonly Shown[]): string;
  line(row: Row, columns: readonly Shown[]): string;
}

/** A value of the answer. */
interface Shown {
  name: string;
  kind: Kind;
}

interface ExportInput extends Pick<ReadInput, "select" | "filter"> {
  table: string;
}

async function exported(context: Context, input: ExportInput, form: Form): Promise<Content> {
  const read = (cursor: string | undefined) =>
    withTable(context, input.table, (table) => readRows(context, table, { ...input, limit: ROWS_READ_MAX, cursor }));
  // The first page and what may be wrong with the request before the head of the answer.
  const columns = await withTable(context, input.table, async (table) => columnsOf(table, input.select));
  const first = await read(undefined);
  return {
    headers: {
      "Content-Type": form.type,
      "Content-Disposition": `attachment; filename="${input.table}.${form.ending}"`,
    },
    body: streamed({ first, read, columns, form }),
  };
}

function columnsOf(table: Table, text: string | undefined): readonly Shown[] {
  const { of, names, found } = parseSelect(table, text);
  if (of !== null) throw misread("select", "has aggregates, which an export does not give; list rows instead");
  return names.map((name) => ({ name, kind: found.get(name)!.kind }));
}

interface Streaming {
  first: RowsRead;
  read(cursor: string): Promise<RowsRead>;
  columns: readonly Shown[];
  form: Form;
}

function streamed({ first, read, columns, form }: Streaming): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let page: RowsRead | null = first;
  let head = form.head(columns);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { rows, next_cursor: next } = page!;
        const text = head + rows.map((row) => form.line(row, columns)).join("");
        head = "";
        if (text !== "") controller.enqueue(encoder.encode(text));
        page = null;
        if (next === null) return controller.close();
        page = await read(next);
      },
    },
    { highWaterMark: 0 },
  );
}

function fieldOf(cell: Cell, kind: Kind): string | null {
  if (cell === null) return null;
  return kind === "json" ? JSON.stringify(cell) : String(cell);
}

/** Text that a spreadsheet takes for nothing but text. */
function harmless(field: string | null, kind: Kind): string | null {
  return kind === "text" && field !== null && /^[=+\-@\t\r]/.test(field) ? `'${field}` : field;
}
