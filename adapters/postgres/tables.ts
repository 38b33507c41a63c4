/**
 * The tables store in PostgreSQL: real tables in a schema of their own (see migrations/0011_tables.sql), structure in `tables/structure.ts`, rows in
 * `tables/rows.ts`.
 */
import type { RowCommand } from "../../core/ports/table_rows.ts";
import type { StructureCommand, TableCommand, TableOutcome, Tables } from "../../core/ports/tables.ts";
import type { UnitStore } from "./mixed_unit.ts";
import type { Pool } from "./pool.ts";
import { tableLocks } from "./tables/locks.ts";
import { tableFault } from "./tables/refusals.ts";
import { listRegistered, registered, sizeOf } from "./tables/registry.ts";
import { applyRows, postgresTableRows } from "./tables/rows.ts";
import { applyStructure, planned } from "./tables/structure.ts";

/** The tables over a pool. */
export function postgresTables(pool: Pool): Tables {
  return {
    ...postgresTableRows(pool),
    get: (realm, name) => registered(pool.query, realm, name),
    list: (realm, after, limit) => listRegistered(pool.query, { realm, after, limit }),
    size: (table) => sizeOf(pool.query, table),
    plan: (alter) => planned(pool, alter).catch(refuse),
  };
}

/** What the tables do with their commands of a unit. */
export const tableUnits: UnitStore<TableCommand> = {
  ops: ["table.create", "table.alter", "table.drop", "table.insert", "table.update", "table.delete"],
  locks: tableLocks,
  async apply(query, commands) {
    const outcomes: TableOutcome[] = [];
    for (const command of commands) {
      const outcome = await (isStructure(command) ? applyStructure(query, command) : applyRows(query, command)).catch(
        refuse,
      );
      outcomes.push(outcome);
      if (!SUCCESSES.has(outcome.status)) break;
    }
    return outcomes;
  },
};

const SUCCESSES: ReadonlySet<TableOutcome["status"]> = new Set(["created", "altered", "dropped", "written"]);

function isStructure(command: StructureCommand | RowCommand): command is StructureCommand {
  return command.op === "table.create" || command.op === "table.alter" || command.op === "table.drop";
}

function refuse(error: unknown): never {
  throw tableFault(error);
}
