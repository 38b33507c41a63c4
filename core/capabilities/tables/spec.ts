/** The columns of a table as callers write them, and the columns that the store gets: names by strict pattern, types from a closed list, literals only. */
import * as v from "valibot";
import { listOf, quote } from "../../kernel/fields.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import {
  type Cell,
  COLUMN_TYPES,
  type ColumnSpec,
  type ColumnType,
  NUMERIC_PRECISION_MAX,
  TABLE_COLUMNS_MAX,
  TABLE_ENUM_MAX,
  TABLE_ID,
  TABLE_NAME,
  TABLE_NAME_RESERVED,
  UNIQUE_TEXT_MAX_BYTES,
} from "../../ports/table.ts";
import { cellOf } from "./cell.ts";

/** Names that every table of PostgreSQL has columns of already, and words of the grammar of filters. */
const TAKEN: readonly string[] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "and", "or", "not"];
const ENUM_VALUE_MOST = 200;
const TYPES = COLUMN_TYPES.map((type) => (type === "numeric" ? "numeric(p,s)" : type)).join(", ");

/** A name of a table or a column, which will be a name in SQL too. */
export function identifier(description: string) {
  return v.pipe(
    v.string(),
    v.regex(
      TABLE_NAME,
      (issue) =>
        `is ${quote(issue.input)}; send a lower-case letter and then at most 47 lower-case letters, digits and underscores`,
    ),
    v.check(
      (name) => !name.startsWith(TABLE_NAME_RESERVED),
      (issue) =>
        `is ${quote(issue.input)}; names that begin with ${TABLE_NAME_RESERVED} belong to PostgreSQL, choose another`,
    ),
    v.description(description),
  );
}

const columnName = v.pipe(
  identifier("The column's name: a lower-case letter, then lower-case letters, digits and underscores, 48 in all"),
  v.check((name) => name !== TABLE_ID, `is "${TABLE_ID}", which every table has by itself; leave it out`),
  v.check(
    (name) => !TAKEN.includes(name),
    (issue) => `is ${quote(issue.input)}, which has a meaning already, in PostgreSQL or in filters; choose another`,
  ),
);

const literal = v.union([v.string(), v.number(), v.boolean(), v.record(v.string(), v.unknown()), v.array(v.unknown())]);

const columnEntries = {
  name: columnName,
  type: v.pipe(
    v.string(),
    v.check(
      (text) => readType(text) !== null,
      (issue) =>
        `is ${quote(issue.input)}; send one of ${TYPES}, with 1 to ${NUMERIC_PRECISION_MAX} digits p, s of them after the point`,
    ),
    v.description(`One of ${TYPES}, for example numeric(10,2)`),
  ),
  nullable: v.optional(v.pipe(v.boolean(), v.description("Whether a row may have no value there; default true")), true),
  default: v.optional(
    v.pipe(
      v.nullable(literal),
      v.description("What a row gets that leaves the column out: a literal of its type; null: nothing"),
    ),
  ),
  unique: v.optional(
    v.pipe(v.boolean(), v.description("Whether no two rows may have the same value; default false")),
    false,
  ),
  enum: v.optional(
    v.nullable(
      v.pipe(
        v.array(v.pipe(v.string(), v.maxLength(ENUM_VALUE_MOST))),
        v.minLength(1, "is empty; send the values that the column may have, or leave it out"),
        v.maxLength(TABLE_ENUM_MAX),
        v.description(`Of text alone: the values it may have, at most ${TABLE_ENUM_MAX}`),
      ),
    ),
  ),
  references: v.optional(
    v.nullable(
      v.pipe(
        v.strictObject({
          table: identifier("The other table; it may be the table itself"),
          column: v.optional(
            v.pipe(identifier("A unique column of the same type there, or id (then the type is bigint)")),
            TABLE_ID,
          ),
        }),
        v.description("Every value must be in this column of another table"),
      ),
    ),
  ),
};

const renamed = v.optional(identifier("The name that the column has had: its values stay"));

const LIST = "The columns, in the order in which rows show them. The column id is there by itself";

/** The columns of a new table. */
export const columns = listOf(v.strictObject(columnEntries), TABLE_COLUMNS_MAX, LIST);

/** The columns of a table that is changed. */
export const changedColumns = listOf(
  v.strictObject({ ...columnEntries, renamed_from: renamed }),
  TABLE_COLUMNS_MAX,
  `${LIST}. A column that is not among them goes`,
);

interface SentColumn {
  name: string;
  type: string;
  nullable: boolean;
  default?: unknown;
  unique: boolean;
  enum?: readonly string[] | null | undefined;
  references?: { table: string; column: string } | null | undefined;
  renamed_from?: string | undefined;
}

/** The columns as the store wants them; throws `invalid_input` where they contradict themselves or each other. */
export function columnsOf(sent: readonly SentColumn[], action: string): ColumnSpec[] {
  const seen = new Map<string, number>();
  return sent.map((column, index) => {
    const refuse = (field: string, words: string) => wrong(action, `columns[${index}].${field}`, words);
    const first = seen.get(column.name);
    if (first !== undefined)
      throw refuse("name", `is ${quote(column.name)}, as in columns[${first}]; send each name once`);
    seen.set(column.name, index);
    return columnOf(column, refuse);
  });
}

type Refuse = (field: string, words: string) => Fault;

function columnOf(sent: SentColumn, refuse: Refuse): ColumnSpec {
  const { name, nullable, unique, renamed_from } = sent;
  const typed = readType(sent.type)!;
  const values = sent.enum ?? null;
  const references = sent.references ?? null;
  if (values !== null && typed.type !== "text")
    throw refuse("enum", `stands beside the type ${sent.type}; only text has it`);
  if (values !== null && new Set(values).size < values.length)
    throw refuse("enum", "has a value twice; send each once");
  if (typed.type === "jsonb" && unique) throw refuse("unique", "is true, and jsonb cannot be; leave it out");
  if (typed.type === "jsonb" && references !== null)
    throw refuse("references", "stands beside the type jsonb; leave it out");
  if (references?.column === TABLE_ID && typed.type !== "bigint")
    throw refuse("references", `is to an id, which is a bigint; send the type bigint instead of ${sent.type}`);
  return {
    name,
    ...typed,
    nullable,
    unique,
    default: defaultOf({ ...typed, enum: values, isIndexed: unique || references !== null }, sent.default, refuse),
    enum: values,
    references,
    ...(renamed_from === undefined ? {} : { renamedFrom: renamed_from }),
  };
}

function defaultOf(
  column: Typed & { enum: readonly string[] | null; isIndexed: boolean },
  sent: unknown,
  refuse: Refuse,
): Cell {
  if (sent === undefined || sent === null) return null;
  const taken = cellOf(column, sent as Json);
  if ("wrong" in taken) throw refuse("default", taken.wrong);
  const isText = column.isIndexed && typeof taken.cell === "string";
  if (isText && new TextEncoder().encode(String(taken.cell)).length > UNIQUE_TEXT_MAX_BYTES)
    throw refuse(
      "default",
      `has more than ${UNIQUE_TEXT_MAX_BYTES} bytes, the most where values are unique or refer to others`,
    );
  return taken.cell;
}

interface Typed {
  type: ColumnType;
  precision: number | null;
  scale: number | null;
}

/** The type that a text says, or null when there is no such one. */
export function readType(text: string): Typed | null {
  const match = /^numeric\( ?(\d{1,2}) ?(?:, ?(\d{1,2}) ?)?\)$/.exec(text);
  if (match !== null) {
    const [precision, scale] = [Number(match[1]), Number(match[2] ?? 0)];
    const fits = precision >= 1 && precision <= NUMERIC_PRECISION_MAX && scale <= precision;
    return fits ? { type: "numeric", precision, scale } : null;
  }
  const type = COLUMN_TYPES.find((one) => one === text && one !== "numeric");
  return type === undefined ? null : { type, precision: null, scale: null };
}

/** The type as callers write it. */
export function writeType({ type, precision, scale }: Typed): string {
  return type === "numeric" ? `numeric(${precision},${scale})` : type;
}

function wrong(action: string, field: string, words: string): Fault {
  return new Fault("invalid_input", `${action}: ${field} ${words}`, { details: { field } });
}
