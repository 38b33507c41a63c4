/**
 * Cursors of rows: the place of the last row in its order, as cells. A cursor goes with the order it was made for; what comes back is read again as
 * strictly as a filter, since anyone can write one.
 */
import * as v from "valibot";
import { readCursor, writeCursor } from "../../kernel/page.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import type { Cell } from "../../ports/table.ts";
import type { Aggregated, Direction } from "../../ports/table_rows.ts";
import { cellOf, type Typed } from "./cell.ts";
import { type Found, ID } from "./place.ts";

/** A term of an order as a cursor sees it. */
export interface Keyed extends Direction {
  /** What it is by, as text: a cursor made for another order is told by it. */
  name: string;
  type: Typed | "id";
}

const shape = v.strictObject({ o: v.string(), k: v.array(v.custom<Json>((value) => value !== undefined)) });

/** The cursor for the place, null when there are no more rows. */
export function cursorOf(terms: readonly Keyed[], next: readonly Cell[] | null): string | null {
  return next === null ? null : writeCursor({ o: nameOf(terms), k: [...next] });
}

/** The cells of a cursor for this order; null without a cursor. Throws `invalid_input`. */
export function placeAfter(terms: readonly Keyed[], cursor: string | undefined): Cell[] | null {
  const read = readCursor(cursor, shape);
  if (read === undefined) return null;
  if (read.o !== nameOf(terms) || read.k.length !== terms.length)
    throw wrongCursor(
      "belongs to another order or selection; send it with those of the page before, or begin again without it",
    );
  return terms.map((term, index) => keyOf(term, read.k[index]!));
}

function keyOf({ type }: Keyed, value: Json): Cell {
  if (value === null) return null;
  const taken = cellOf(type === "id" ? ID : type, value);
  if ("wrong" in taken) throw wrongCursor("was not written by this server");
  if (type !== "id") return taken.cell;
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw wrongCursor("was not written by this server");
}

function wrongCursor(words: string): Fault {
  return new Fault("invalid_input", `cursor ${words}`, { details: { field: "cursor" } });
}

function nameOf(terms: readonly Keyed[]): string {
  return terms
    .map(({ name, descending, nullsFirst }) => `${name}${descending ? "-" : "+"}${nullsFirst ? "f" : "l"}`)
    .join(",");
}

/** How a place is keyed. */
export function keyedPlace({ place, kind, column }: Found): Pick<Keyed, "name" | "type"> {
  const name = [place.column, ...place.path].join("/");
  if (kind === "id") return { name, type: "id" };
  if (column === null || kind === "text") return { name, type: { type: "text" } };
  return { name, type: column };
}

/** How an aggregate of a place is keyed. */
export function keyedAggregate({ as, fn }: Aggregated, found: Found | null): Pick<Keyed, "name" | "type"> {
  if (fn === "count") return { name: as, type: "id" };
  // Sums may be beyond any bigint.
  if (fn === "sum" || fn === "avg") return { name: as, type: { type: "numeric" } };
  return { name: as, type: found === null ? "id" : keyedPlace(found).type };
}
