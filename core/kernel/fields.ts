/** Input fields that several operations share, with messages that say the value and what to send instead. */
import * as v from "valibot";

/** A lower-case canonical UUID, the only spelling of an id, so that equal ids are equal strings: as part of a pattern. */
export const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
export const UUID_PATTERN = new RegExp(`^${UUID}$`);

export function uuid(what: string) {
  return v.pipe(
    v.string(),
    v.regex(UUID_PATTERN, (issue) => `is ${quote(issue.input)}, which is not an id; send ${what} as a lower-case UUID`),
    v.description(`${what}, a lower-case UUID`),
  );
}

/** One line of text for people: no control characters, 1 to `most` characters. */
export function line(most: number, description: string) {
  return v.pipe(
    v.string(),
    v.check((text) => text.trim() !== "", "is empty; send at least one visible character"),
    atMost(most),
    v.metadata({ maxLength: most }),
    v.regex(/^[^\p{Cc}]*$/u, "contains control characters; send one line of text"),
    v.description(description),
  );
}

/** Text of several lines, up to `most` characters. */
export function text(most: number, description: string) {
  return v.pipe(v.string(), atMost(most), v.metadata({ maxLength: most }), v.description(description));
}

/** Counts code points, as JSON Schema does. */
function atMost(most: number) {
  return v.check<string, (issue: v.CheckIssue<string>) => string>(
    (value) => value.length <= most || [...value].length <= most,
    (issue) => `has ${[...issue.input].length} characters, the most is ${most}`,
  );
}

/** A whole number from `least` to `most`; `unit` explains the most, for example "48 h". */
export function whole(least: number, most: number, description: string, unit = "") {
  const note = unit === "" ? "" : ` (${unit})`;
  return v.pipe(
    v.number(),
    v.integer((issue) => `is ${issue.input}; send a whole number`),
    v.minValue(least, (issue) => `is ${issue.input}, the least is ${least}`),
    v.maxValue(most, (issue) => `is ${issue.input}, the most is ${most}${note}`),
    v.description(description),
  );
}

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** An instant of RFC 3339, kept as it was sent. */
export function instant(description: string) {
  return v.pipe(
    v.string(),
    v.check(
      (value) => RFC3339.test(value) && !Number.isNaN(Date.parse(value)) && isCalendarDay(value),
      (issue) => `is ${quote(issue.input)}; send a time of RFC 3339, for example 2030-01-31T12:00:00Z`,
    ),
    v.metadata({ format: "date-time" }),
    v.description(description),
  );
}

/** False for days that `Date.parse` would roll over, such as 30 February. */
function isCalendarDay(value: string): boolean {
  const [year, month, day] = value.slice(0, 10).split("-").map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

/** A body that is read as it comes in: see `BodyRule.stream`. */
export function bytesStream(description: string) {
  return v.pipe(
    v.unknown(),
    v.check((value) => value instanceof ReadableStream, "is no body; send the bytes as the body of the request"),
    v.transform((value) => value as ReadableStream<Uint8Array>),
    v.metadata({ format: "binary" }),
    v.description(description),
  );
}

export type Entry = v.ObjectEntries[string];

type ItemSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/** A list of 1 to `most` closed objects, each of which is taken like an input of its own: see `input.ts`. */
export function listOf<const S extends ItemSchema>(item: S, most: number, description: string) {
  return v.pipe(
    v.array(item),
    v.minLength(1, `is empty; send 1 to ${most} items`),
    v.maxLength(most),
    v.description(description),
  );
}

/** What a field made by `listOf` holds; null for any other field. */
export function listIn(entry: Entry): { item: ItemSchema; most: number } | null {
  const { wrapped, item, pipe } = entry as {
    wrapped?: Entry;
    item?: ItemSchema;
    pipe?: { requirement?: number; type: string }[];
  };
  if (wrapped !== undefined) return listIn(wrapped);
  const most = pipe?.find(({ type }) => type === "max_length")?.requirement;
  return item?.type === "strict_object" && most !== undefined ? { item, most } : null;
}

/** The most items of a field that may be a list, whatever the items are; null where no list with a bound is declared. */
export function mostItemsOf(entry: Entry): number | null {
  const { wrapped, options, type, pipe } = entry as {
    wrapped?: Entry;
    options?: Entry[];
    type: string;
    pipe?: { requirement?: number; type: string }[];
  };
  if (wrapped !== undefined) return mostItemsOf(wrapped);
  if (type === "union") return (options ?? []).map(mostItemsOf).find((most) => most !== null) ?? null;
  return type === "array" ? (pipe?.find((step) => step.type === "max_length")?.requirement ?? null) : null;
}

/** A value for a message: quoted and cut, so that no error repeats a book. */
export function quote(value: unknown): string {
  const whole = JSON.stringify(value) ?? String(value);
  return whole.length <= 60 ? whole : `${whole.slice(0, 57)}..."`;
}
