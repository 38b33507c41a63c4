/**
 * What PostgreSQL's errors mean when they come from users' tables: refusals of a row command, or Faults in words for the caller. What it says itself is
 * never passed on, only what can be taken from it safely: the column, and the value that the caller sent.
 */
import { Fault, type FaultCode } from "../../../core/ports/fault.ts";
import type { Table } from "../../../core/ports/table.ts";
import type { RowOutcome } from "../../../core/ports/table_rows.ts";

/** What the driver reports; its fields come from the protocol, not from text. */
interface Reported {
  code: string;
  table?: string;
  column?: string;
  constraint?: string;
  detail?: string;
}

const VALUE_MOST = 100;

/** What the rows of a command ran into, or null when the error is none of theirs. */
export function tableRefusal(error: unknown, table: Table): RowOutcome | null {
  const reported = reportedBy(error);
  if (!reported) return null;
  const { code, constraint = "", detail = "" } = reported;
  const value = /\)=\(([\s\S]*)\)/.exec(detail)?.[1];
  const told = value === undefined ? {} : { value: value.slice(0, VALUE_MOST) };
  switch (code) {
    case "23502":
      return { status: "violates", constraint: "not_null", column: reported.column ?? "" };
    case "23505":
      return { status: "violates", constraint: "unique", column: constraint.replace(/^t\d+_|_key$/g, ""), ...told };
    case "23514":
      return { status: "violates", constraint: "enum", column: constraint.replace(/_check$/, "") };
    case "23503":
      return { status: "violates", constraint: "reference", ...referenceIn(reported, table), ...told };
    case "42P01":
    case "42703":
      return { status: "changed" };
    default:
      return null;
  }
}

/** The column at fault, and the table on the other side of the reference. */
function referenceIn(
  { table: at, constraint = "", detail = "" }: Reported,
  table: Table,
): { column: string; table?: string } {
  const column = constraint.replace(/_fkey$/, "");
  const other = table.columns.find(({ name }) => name === column)?.references;
  // Reported at the table that refers, whichever side was written; of a table that refers to itself only the words tell the side.
  if (at === table.relation && !(other?.table === table.name && /still referenced/.test(detail))) {
    return { column, ...(other ? { table: other.table } : {}) };
  }
  return { column: /\(([a-z0-9_]+)\)=/.exec(detail)?.[1] ?? "id", table: (at ?? "").replace(/^(sql|t\d+)_/, "") };
}

const FAULTS: Readonly<Record<string, readonly [FaultCode, string]>> = {
  "21000": ["invalid_input", "Two of the rows have the same value where rows are matched; send each once"],
  "22001": ["invalid_input", "A value is too long for its column"],
  "22003": ["invalid_input", "A number is beyond what its column can hold"],
  "22007": ["invalid_input", "A time is not one that its column can hold"],
  "22008": ["invalid_input", "A time is beyond what its column can hold"],
  "22012": ["invalid_input", "The request divides by zero"],
  "22021": ["invalid_input", "Text may not contain the character U+0000, and must be valid Unicode"],
  "22P02": ["invalid_input", "A value is not of its column's type"],
  "22P05": ["invalid_input", "Text may not contain the character U+0000, and must be valid Unicode"],
  "42804": ["invalid_input", "A value is not of its column's type"],
  "42P07": ["conflict", "There is a table of this name already"],
  "53400": ["too_large", "The request needs too much space to sort or group; narrow it with a filter"],
  "54000": ["too_large", "A value is too large for its column; in a unique column 2000 bytes of text are the most"],
  "54001": ["too_large", "The request is nested too deeply; send a flatter one"],
  "54011": ["invalid_input", "The table would have too many columns"],
  "54023": ["too_large", "The request has too many values; send it in parts"],
  "57014": ["timeout", "The tables did not answer in time; narrow the request with a filter, or ask for less"],
};

/** The Fault for an error from users' tables; errors that are not the request's fault stay as they are. */
export function tableFault(error: unknown): unknown {
  const known = FAULTS[reportedBy(error)?.code ?? ""];
  return known ? new Fault(known[0], known[1], { cause: error }) : error;
}

/** The driver's error, which the pool's Faults carry as their cause. */
function reportedBy(error: unknown): Reported | null {
  const inner = error instanceof Fault ? error.cause : error;
  return inner instanceof Error && "code" in inner && typeof inner.code === "string"
    ? (inner as Error & Reported)
    : null;
}
