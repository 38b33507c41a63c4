/** Asks the rows of a table what a change of structure would lose and what stands against it: one statement that reads the table once. */
import type { Column, Table } from "../../../core/ports/table.ts";
import { TABLE_ID, UNIQUE_TEXT_MAX_BYTES } from "../../../core/ports/table.ts";
import type { Alteration, Change } from "../../../core/ports/table_change.ts";
import type { Question } from "../../../core/ports/table_questions.ts";
import { cast, identifier, inQuotes, literal, typeOf } from "../../../core/ports/table_sql.ts";
import type { Pool } from "../pool.ts";

interface Weighing {
  alteration: Alteration;
  relationOf: (table: string) => string;
}

/** A count for each question. The transaction has the schema of users' tables before it. */
export async function countsOf(
  query: Pool["query"],
  questions: readonly Question[],
  weighing: Weighing,
): Promise<number[]> {
  if (questions.length === 0) return [];
  const counts = questions.map((question, index) => `(${countOf(question, weighing)})::float8 AS "n${index}"`);
  const text = `SELECT ${counts.join(",\n  ")}\nFROM ${identifier(weighing.alteration.table.relation)} r`;
  const [row] = await query<Record<string, number>>({ name: "", text }, []);
  return questions.map((_, index) => row![`n${index}`]!);
}

function countOf({ kind, change }: Question, weighing: Weighing): string {
  const where = (condition: string) => `count(*) FILTER (WHERE ${condition})`;
  if (change.kind === "drop") return `count(r.${identifier(change.was.name)})`;
  const { is } = change;
  const value = valueAfter(change, "r");
  switch (kind) {
    case "null":
      return change.kind === "add" ? "count(*)" : where(`r.${identifier(change.was.name)} IS NULL`);
    case "range":
      return where(unfit(change));
    case "narrowed":
      return where(altered(change));
    case "enum":
      return where(`${value} NOT IN (${(is.enum ?? []).map(inQuotes).join(", ")})`);
    case "duplicate":
      return `count(${value}) - count(DISTINCT ${value})`;
    case "length":
      return where(`octet_length(${value}) > ${UNIQUE_TEXT_MAX_BYTES}`);
    case "reference":
      return where(`${value} IS NOT NULL AND NOT EXISTS (${referred(is, value, weighing)})`);
    default:
      throw new Error(`no count for ${kind}`);
  }
}

/** What the column has in a row of `alias` after the change; null where the new type cannot hold it. */
function valueAfter(change: Exclude<Change, { kind: "drop" }>, alias: string): string {
  const { is } = change;
  if (change.kind === "add")
    return is.default === null ? `NULL::${typeOf(is)}` : `(${literal(is, is.default)})::${typeOf(is)}`;
  const { was, differs } = change;
  const old = `${alias}.${identifier(was.name)}`;
  if (!differs.type) return old;
  return `CASE WHEN ${fits(was, is, old)} THEN ${cast(was, is, old)} END`;
}

function unfit(change: Change): string {
  if (change.kind !== "keep") return "false";
  const old = `r.${identifier(change.was.name)}`;
  return `${old} IS NOT NULL AND NOT (${fits(change.was, change.is, old)})`;
}

/** Whether a value that fits would not be the same when taken back. */
function altered(change: Change): string {
  if (change.kind !== "keep") return "false";
  const { was, is } = change;
  const old = `r.${identifier(was.name)}`;
  return `CASE WHEN ${fits(was, is, old)} THEN ${cast(is, was, `(${cast(was, is, old)})`)} IS DISTINCT FROM ${old} END`;
}

/** Whether the new type has room for a value of the old one; the cast is tried on no other. */
function fits(was: Column, is: Column, value: string): string {
  if (is.type === "integer" || is.type === "bigint" || is.type === "numeric") {
    const within = `round(${value}::numeric, ${is.scale ?? 0}) BETWEEN ${bounds(is)}`;
    return was.type === "text"
      ? `CASE WHEN ${value} ~ '^-?[0-9]{1,40}([.][0-9]{1,40})?$' THEN ${within} ELSE false END`
      : within;
  }
  if (was.type !== "text") return "true";
  if (is.type === "boolean") return `${value} IN ('true', 'false')`;
  if (is.type === "uuid") return `${value} ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'`;
  return "true";
}

function bounds({ type, precision, scale }: Column): string {
  if (type === "integer") return "-2147483648 AND 2147483647";
  if (type === "bigint") return "-9223372036854775808 AND 9223372036854775807";
  const whole = "9".repeat((precision ?? 0) - (scale ?? 0)) || "0";
  const most = scale ? `${whole}.${"9".repeat(scale)}` : whole;
  return `-${most} AND ${most}`;
}

/** A subquery for the rows that the value refers to, as they are after the change. */
function referred({ references }: Column, value: string, { alteration, relationOf }: Weighing): string {
  const { table, column } = references!;
  const own = table === alteration.table.name;
  const change = own ? alteration.changes.find((one) => one.kind !== "drop" && one.is.name === column) : undefined;
  const target =
    change && change.kind !== "drop"
      ? valueAfter(change, "t")
      : `t.${identifier(column === TABLE_ID ? TABLE_ID : column)}`;
  return `SELECT FROM ${identifier(own ? alteration.table.relation : relationOf(table))} t WHERE ${target} = ${value}`;
}

/** Gives the relations of tables by their names. */
export function relationsOf(tables: readonly Table[]): (table: string) => string {
  const relations = new Map(tables.map(({ name, relation }) => [name, relation]));
  return (name) => {
    const relation = relations.get(name);
    if (relation === undefined) throw new Error(`no table ${name}`);
    return relation;
  };
}
