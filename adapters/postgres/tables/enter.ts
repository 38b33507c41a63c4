/**
 * How a transaction turns towards users' tables and back: role, schema, timeouts and planner, by the functions of migrations/0011_tables.sql. Whatever
 * reads or writes rows of users MUST do so between `inTable` and `leaveTables`.
 */
import { Fault } from "../../../core/ports/fault.ts";
import type { Table } from "../../../core/ports/table.ts";
import type { Pool, Statement } from "../pool.ts";
import { tableFault } from "./refusals.ts";

const ENTER: Statement = { name: "table_enter", text: "SELECT table_enter($1, $2, $3) AS entered" };

// Our functions cannot be reached from there. The role comes back first, since a lesser one may not set everything back.
const LEAVE: Statement = {
  name: "table_leave",
  text: `SELECT CASE WHEN set_config('role', l.settings->>'role', true) IS NOT NULL THEN (
      SELECT count(set_config(s.key, s.value, true)) FROM jsonb_each_text(l.settings - 'role') s
    ) END FROM (SELECT current_setting('millrace.left')::jsonb AS settings) l`,
};

/**
 * Lets the transaction work on the table's rows: in the role that may write or the one that may only read, `READ ONLY` then, with the schema of users'
 * tables alone to search. False: the table is no longer what it was, and the transaction is where it stood.
 */
export async function inTable(query: Pool["query"], table: Table, access: "read" | "write"): Promise<boolean> {
  const [row] = await query<{ entered: boolean }>(ENTER, [table.number, table.version, access === "read"]);
  return row!.entered;
}

/** Turns the transaction back to our own tables and rights. */
export async function leaveTables(query: Pool["query"]): Promise<void> {
  await query(LEAVE, []);
}

/** One read of the table's rows in a transaction of its own; throws the Fault `conflict` when the table has changed. */
export async function reading<T>(pool: Pool, table: Table, work: (query: Pool["query"]) => Promise<T>): Promise<T> {
  try {
    return await pool.transaction(async (query) => {
      if (!(await inTable(query, table, "read"))) throw changed(table);
      return await work(query);
    });
  } catch (error) {
    throw tableFault(error);
  }
}

/** The Fault for work on a table that is no longer as it was loaded. */
export function changed({ name }: Table): Fault {
  return new Fault("conflict", `The table ${name} has just been changed; try again`, { details: { table: name } });
}
