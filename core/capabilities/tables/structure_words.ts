/** Why a structure was refused, in words. */

import type { Outcome } from "../../ports/database.ts";
import { Fault } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";
import { TABLES_PER_REALM_MAX } from "../../ports/table.ts";
import type { Plan, StructureRefusal } from "../../ports/tables.ts";
import { planJson } from "./table_json.ts";

/** What was to be done: `Cannot change the table`, and to which. */
export interface Doing {
  action: string;
  table: string;
}

/** The Fault for a refusal of the store. */
export function structureFault(outcome: Outcome, doing: Doing): Fault {
  switch (outcome.status) {
    case "lossy":
      return lossyFault(doing, (outcome as { plan: Plan }).plan);
    case "obstructed":
      return obstructedFault(doing, (outcome as { plan: Plan }).plan);
    default:
      return refusalFault(outcome as StructureRefusal, doing);
  }
}

/** The Fault for a structure that cannot be. */
export function refusalFault(refusal: StructureRefusal, { action, table }: Doing): Fault {
  const fault = (
    code: "conflict" | "invalid_input" | "not_found" | "precondition_failed",
    words: string,
    details: JsonObject,
  ) => new Fault(code, `${action} ${table}: ${words}`, { details });
  switch (refusal.status) {
    case "taken":
      return fault("conflict", "there is a table of this name; choose another, or change its columns by PUT", {
        table,
      });
    case "missing":
      return new Fault("not_found", `There is no table ${table}`, { details: { table } });
    case "stale":
      return fault(
        "precondition_failed",
        `its version is ${refusal.version}; read it again and send that as if_version`,
        { current_version: refusal.version },
      );
    case "full": {
      const whose = refusal.most === TABLES_PER_REALM_MAX ? "this server's owner" : "this server";
      return fault("conflict", `${whose} has ${refusal.most} tables already, which is the most; drop one first`, {
        limit: refusal.most,
      });
    }
    case "unreferable":
      return fault(
        "invalid_input",
        `what ${refusal.column} refers to is not there, not unique, or of another type; send a unique column of the same type, or id`,
        { column: refusal.column },
      );
    case "referenced": {
      const what = refusal.column === null ? "it" : refusal.column;
      return fault("conflict", `the table ${refusal.by} refers to ${what}; change ${refusal.by} first`, {
        column: refusal.column,
        referenced_by: refusal.by,
      });
    }
    case "unconvertible":
      return fault(
        "invalid_input",
        `there is no way from the type that ${refusal.column} has to the one sent; add a column of that type and drop this one`,
        { column: refusal.column },
      );
    case "unknown_column":
      return fault(
        "invalid_input",
        `renamed_from is ${refusal.column}, and there is no such column; read the table again`,
        {
          column: refusal.column,
        },
      );
  }
}

function lossyFault({ action, table }: Doing, plan: Plan): Fault {
  const lost = plan.losses.map(({ column, kind, rows }) =>
    kind === "dropped" ? `${column} goes with ${counted(rows)}` : `${column} would be altered in ${counted(rows)}`,
  );
  return new Fault(
    "conflict",
    `${action} ${table}: values would be lost (${lost.join("; ")}); if that is meant, send the table's name as confirm`,
    { details: { ...planJson(plan), confirm: table } },
  );
}

function obstructedFault({ action, table }: Doing, plan: Plan): Fault {
  const words = plan.obstacles.map(({ column, kind, rows }) => `${column} ${OBSTACLES[kind](counted(rows))}`);
  return new Fault("conflict", `${action} ${table}: ${words.join("; ")}. Change these rows first`, {
    details: planJson(plan),
  });
}

const OBSTACLES: Readonly<Record<Plan["obstacles"][number]["kind"], (rows: string) => string>> = {
  null: (rows) => `has no value in ${rows}`,
  duplicate: (rows) => `repeats the value of another row in ${rows}`,
  enum: (rows) => `has a value beyond the enum in ${rows}`,
  reference: (rows) => `refers to nothing in ${rows}`,
  range: (rows) => `has a value that the new type cannot hold in ${rows}`,
  length: (rows) => `is too long to be unique or to refer in ${rows}`,
};

function counted(rows: number): string {
  return rows === 1 ? "1 row" : `${rows} rows`;
}
