/** Lists in pages: `limit` and an opaque keyset cursor, never an offset, so that a page is as quick as the first and stays true under writes. */
import * as v from "valibot";
import { Fault } from "../ports/fault.ts";
import type { Json } from "../ports/json.ts";
import { quote, whole } from "./fields.ts";

export const PAGE_DEFAULT = 100;
export const PAGE_MOST = 1_000;

/** The input fields of every list. */
export const pageFields = {
  limit: v.optional(whole(1, PAGE_MOST, "how many at most on a page"), PAGE_DEFAULT),
  cursor: v.optional(v.pipe(v.string(), v.maxLength(2_000), v.description("next_cursor of the page before"))),
};

/** The output field of every list. */
export const nextCursor = v.pipe(v.nullable(v.string()), v.description("Where the next page begins; null on the last"));

/** What stands in the cursor is for us alone; it is no secret. */
export function writeCursor(place: Json): string {
  const bytes = new TextEncoder().encode(JSON.stringify(place));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The place that a cursor names, of the given shape; undefined when there is no cursor. Throws `invalid_input` for one that we did not write. */
export function readCursor<S extends v.GenericSchema>(
  cursor: string | undefined,
  shape: S,
): v.InferOutput<S> | undefined {
  if (cursor === undefined) return undefined;
  const parsed = v.safeParse(shape, decoded(cursor));
  if (parsed.success) return parsed.output;
  throw new Fault("invalid_input", `cursor is ${quote(cursor)}; send next_cursor as the page before gave it`, {
    details: { field: "cursor" },
  });
}

function decoded(cursor: string): unknown {
  try {
    const binary = atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))),
    );
  } catch {
    return null;
  }
}

/** A page out of one row more than it may hold: that row only says that there is a next page. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  placeOf: (last: T) => Json,
): { rows: T[]; next: string | null } {
  if (rows.length <= limit) return { rows: [...rows], next: null };
  const kept = rows.slice(0, limit);
  return { rows: kept, next: writeCursor(placeOf(kept[limit - 1]!)) };
}
