/**
 * A table sent back as it was shown: beside the columns come members that the server alone writes. They say which table, and which state of it, was read,
 * so they are conditions of the change.
 */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { instant, quote, whole } from "../../kernel/fields.ts";
import { Fault } from "../../ports/fault.ts";
import type { AlterTable } from "../../ports/tables.ts";
import { loadTable } from "./load.ts";

/** The members of a table as it is shown, but for its columns. */
export const shownFields = {
  name: v.optional(v.pipe(v.string(), v.description("As it was shown: the table's name, which stays"))),
  version: v.optional(whole(1, Number.MAX_SAFE_INTEGER, "As it was shown, and then the same as if_version")),
  created_at: v.optional(instant("As it was shown: change the table only if it is the one made then")),
  updated_at: v.optional(instant("As it was shown: change it only if that is when it was last changed")),
  rows: v.optional(whole(0, Number.MAX_SAFE_INTEGER, "As it was shown; not looked at")),
};

interface Shown {
  table: string;
  if_version?: number | undefined;
  name?: string | undefined;
  version?: number | undefined;
  created_at?: string | undefined;
  updated_at?: string | undefined;
}

/** Which table, and which version of it, the change is meant for. Throws where what was sent is not the table as it is. */
export async function meantTable(context: Context, sent: Shown): Promise<Pick<AlterTable, "ifVersion" | "ifNumber">> {
  const { table: name, if_version: wanted, version = wanted } = sent;
  if (sent.name !== undefined && sent.name !== name)
    throw mistake(name, "name", `is ${quote(sent.name)}; a table keeps its name, so send ${name} or leave it out`);
  if (version !== wanted && wanted !== undefined)
    throw mistake(name, "version", `is ${version} and if_version is ${wanted}; send one of them`);
  const only = version === undefined ? {} : { ifVersion: version };
  if (sent.created_at === undefined && sent.updated_at === undefined) return only;
  const table = await loadTable(context, name);
  // Said by the command itself, in the words of if_version.
  if (version !== undefined && version !== table.version) return only;
  refuseOther(name, { field: "created_at", sent: sent.created_at, is: table.createdAt, version: table.version });
  refuseOther(name, { field: "updated_at", sent: sent.updated_at, is: table.updatedAt, version: table.version });
  return { ifVersion: table.version, ifNumber: table.number };
}

function mistake(table: string, field: string, words: string): Fault {
  return new Fault("invalid_input", `Cannot change the table ${table}: ${field} ${words}`, { details: { field } });
}

function refuseOther(
  table: string,
  { field, sent, is, version }: { field: string; sent: string | undefined; is: Date; version: number },
): void {
  if (sent === undefined || Date.parse(sent) === is.getTime()) return;
  throw new Fault(
    "precondition_failed",
    `Cannot change the table ${table}: its ${field} is ${is.toISOString()}, not ${sent}; read it again, the server alone writes it`,
    { details: { field, current_version: version } },
  );
}
