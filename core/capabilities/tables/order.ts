/**
 * Orders in PostgREST's grammar: `order=born.desc.nullslast,name`. Ascending puts nulls last and descending first unless it is said otherwise; `id` breaks
 * ties, so that every row has one place.
 */
import { quote } from "../../kernel/fields.ts";
import { nearest } from "../../kernel/nearest.ts";
import { TABLE_ID, type Table } from "../../ports/table.ts";
import type { Direction, Order } from "../../ports/table_rows.ts";
import { type Found, takePlace } from "./place.ts";
import { misread, need, needEnd, type Reader, reader, take, takeMatch, takeQuoted } from "./query_text.ts";
import type { Selection } from "./select.ts";

const TERMS_MOST = 8;
const WORD = /[a-z]+/y;
const NAME = /[A-Za-z0-9_]+/y;

/** One term, with what its cells are. */
export type RowTerm = Order & { found: Found };

/** The order of rows; throws `invalid_input`. */
export function parseOrder(table: Table, text: string | undefined): RowTerm[] {
  const terms: RowTerm[] = [];
  if (text !== undefined) {
    const from = reader("order", text);
    do {
      const found = takePlace(from, table);
      if (found.kind === "json")
        throw misread("order", `is by ${found.place.column}, which is JSON; end the path with ->> to order by text`);
      terms.push({ at: found.place, found, ...takeDirection(from) });
    } while (take(from, ","));
    needEnd(from);
    refuseMany(terms);
  }
  if (terms.some(({ found }) => found.kind === "id")) return terms;
  // As the term before it goes, so that an index can be read in one direction.
  const descending = terms.at(-1)?.descending ?? false;
  const found: Found = { place: { column: TABLE_ID, path: [], asText: false }, kind: "id", column: null };
  return [...terms, { at: found.place, found, descending, nullsFirst: descending }];
}

/** One term of an order of groups; `found` is null for an aggregate. */
export interface GroupTerm extends Direction {
  as: string;
}

/** The order of groups, by names of the answer; throws `invalid_input`. */
export function parseGroupOrder({ names, by }: Selection, text: string | undefined): GroupTerm[] {
  const terms: GroupTerm[] = [];
  if (text !== undefined) {
    const from = reader("order", text);
    do {
      const as = takeQuoted(from) ?? takeMatch(from, NAME) ?? "";
      if (!names.includes(as)) {
        const guess = nearest(as, names);
        const advice = guess === null ? `it has ${names.join(", ")}` : `did you mean ${guess}?`;
        throw misread("order", `is by ${quote(as)}, which is not in select; ${advice}`);
      }
      terms.push({ as, ...takeDirection(from) });
    } while (take(from, ","));
    needEnd(from);
    refuseMany(terms);
  }
  const rest = by.filter(({ as }) => !terms.some((term) => term.as === as));
  return [...terms, ...rest.map(({ as }) => ({ as, descending: false, nullsFirst: false }))];
}

function takeDirection(from: Reader): Direction {
  let direction: boolean | null = null;
  let nulls: boolean | null = null;
  while (from.text[from.at] === ".") {
    need(from, ".");
    const word = takeMatch(from, WORD);
    if ((word === "asc" || word === "desc") && direction === null && nulls === null) direction = word === "desc";
    else if ((word === "nullsfirst" || word === "nullslast") && nulls === null) nulls = word === "nullsfirst";
    else
      throw misread(
        "order",
        `has ${quote(from.text)}; after a column may stand .asc or .desc, then .nullsfirst or .nullslast`,
      );
  }
  const descending = direction ?? false;
  return { descending, nullsFirst: nulls ?? descending };
}

function refuseMany(terms: readonly unknown[]): void {
  if (terms.length > TERMS_MOST) throw misread("order", `has ${terms.length} terms, the most is ${TERMS_MOST}`);
}
