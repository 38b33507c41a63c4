/** The feed of a table's changes: one entry for each statement that touched rows, in the same transaction. */
import type { AppendEntries } from "../../ports/journal.ts";
import type { Table } from "../../ports/table.ts";
import type { RowCommand, RowOutcome } from "../../ports/table_rows.ts";

/** The realm of these feeds. */
export const CHANGES = "tables";
/** How long changes are held, in milliseconds (48 h). */
export const CHANGES_KEPT_MS = 48 * 3_600_000;

/** Where a table's changes are told: its number, so that a table made anew under an old name begins a feed of its own. */
export function subjectOf({ number }: Pick<Table, "number">): string {
  return String(number);
}

/** What is told of one statement. */
export interface RowChange {
  /** An upsert tells of rows inserted and of rows overwritten alike. */
  op: "insert" | "upsert" | "update" | "delete" | "alter";
  count: number;
  /** The first 100 of them, ascending. */
  ids: number[];
}

/** The entries that tell of a command; none when it touched no row. */
export function told(command: RowCommand, outcome: RowOutcome): AppendEntries[] {
  if (outcome.status !== "written" || outcome.count === 0) return [];
  const change: RowChange = { op: opOf(command), count: outcome.count, ids: outcome.ids };
  const entries = [{ data: JSON.stringify(change), ttlMs: CHANGES_KEPT_MS }];
  return [{ op: "journal.append", realm: CHANGES, subject: subjectOf(command.table), entries }];
}

/** The entry that tells of a change of the table's columns. */
export function alterationTold(table: Table): AppendEntries {
  const change: RowChange = { op: "alter", count: 0, ids: [] };
  const entries = [{ data: JSON.stringify(change), ttlMs: CHANGES_KEPT_MS }];
  return { op: "journal.append", realm: CHANGES, subject: subjectOf(table), entries };
}

function opOf(command: RowCommand): RowChange["op"] {
  if (command.op === "table.insert") return command.conflict === undefined ? "insert" : "upsert";
  return command.op === "table.update" ? "update" : "delete";
}
