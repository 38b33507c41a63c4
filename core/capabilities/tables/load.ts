/** The table that a request names, and work that goes on with it as it is: made again when the table has changed meanwhile. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { quote } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/permit.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import { TABLE_NAME, type Table } from "../../ports/table.ts";

/** The field that names a table. */
export const tableName = v.pipe(
  v.string(),
  v.regex(
    TABLE_NAME,
    (issue) => `is ${quote(issue.input)}; a table has a name of 1 to 48 of a-z, 0-9 and _, with a letter first`,
  ),
  v.description("The table's name"),
);

/** The table of that name; throws `not_found`. */
export async function loadTable({ database }: Pick<Context, "database">, name: string): Promise<Table> {
  const table = await database.tables.get(USER, name);
  if (table === null) throw notFound("table", name);
  return table;
}

/** How often work is begun in all. */
const TRIES = 3;

/** Does work on the table that only reads; again, with the table as it is then, when it was changed meanwhile. */
export async function withTable<T>(context: Context, name: string, work: (table: Table) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work(await loadTable(context, name));
    } catch (error) {
      const isChanged = error instanceof Fault && error.code === "conflict";
      if (!isChanged || tries === TRIES) throw error;
    }
  }
}
