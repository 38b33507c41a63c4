/** Reading a page of rows, or of groups of rows: from the text of a request to the question that the store is asked. */
import type { Context } from "../../kernel/context.ts";
import type { Row, Table } from "../../ports/table.ts";
import { EVERY_ROW, type Filter } from "../../ports/table_rows.ts";
import { parseFilter } from "./filter.ts";
import { cursorOf, type Keyed, keyedAggregate, keyedPlace, placeAfter } from "./keyset.ts";
import { parseGroupOrder, parseOrder } from "./order.ts";
import { misread } from "./query_text.ts";
import { parseSelect, type Selection } from "./select.ts";

export interface ReadInput {
  select?: string | undefined;
  filter?: readonly string[] | undefined;
  order?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

export interface RowsRead {
  rows: Row[];
  /** Null: no more. */
  next_cursor: string | null;
}

/** The filter of a request; every row where there is none. */
export function filterOf(table: Table, pairs: readonly string[] | undefined): Filter {
  return pairs === undefined || pairs.length === 0 ? EVERY_ROW : parseFilter(table, pairs);
}

/** The page that is asked for; throws `invalid_input` for what cannot be read. */
export async function readRows(context: Context, table: Table, input: ReadInput): Promise<RowsRead> {
  const selection = parseSelect(table, input.select);
  const filter = filterOf(table, input.filter);
  if (selection.of !== null) return readGroups(context, table, { ...input, filter, selection });
  const order = parseOrder(table, input.order);
  const terms = order.map((term): Keyed => ({ ...term, ...keyedPlace(term.found) }));
  const page = await context.database.tables.read({
    table,
    select: selection.by,
    filter,
    order: order.map(({ at, descending, nullsFirst }) => ({ at, descending, nullsFirst })),
    after: placeAfter(terms, input.cursor),
    limit: input.limit,
  });
  return { rows: page.rows, next_cursor: cursorOf(terms, page.next) };
}

async function readGroups(
  context: Context,
  table: Table,
  { selection, filter, ...input }: Omit<ReadInput, "filter"> & { selection: Selection; filter: Filter },
): Promise<RowsRead> {
  const { by, found, names } = selection;
  const of = selection.of ?? [];
  const json = by.find(({ as }) => found.get(as)!.kind === "json");
  if (json !== undefined)
    throw misread(
      "select",
      `groups by ${json.as}, which is JSON; end the path with ->> to group by text, or leave it out`,
    );
  const order = parseGroupOrder(selection, input.order);
  const terms = order.map((term): Keyed => {
    const number = of.find(({ as }) => as === term.as);
    const at = found.get(term.as) ?? null;
    return { ...term, ...(number === undefined ? keyedPlace(at!) : keyedAggregate(number, at)), name: term.as };
  });
  const page = await context.database.tables.aggregate({
    table,
    filter,
    by,
    of,
    order,
    after: placeAfter(terms, input.cursor),
    limit: input.limit,
  });
  const rows = page.rows.map((row): Row => Object.fromEntries(names.map((name) => [name, row[name]!])));
  return { rows, next_cursor: cursorOf(terms, page.next) };
}
