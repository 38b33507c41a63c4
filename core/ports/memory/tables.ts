/**
 * The tables store in memory: the reference model of `core/ports/tables.ts`. Structure in `tables/structure.ts`, rows in `tables/rows.ts`.
 */
import type { Clock } from "../clock.ts";
import type { TableCommand, TableOutcome, Tables } from "../tables.ts";
import { memoryTableRows } from "./tables/rows.ts";
import { tableStore } from "./tables/store.ts";
import { applyStructure, planned } from "./tables/structure.ts";
import { applyRows } from "./tables/written.ts";

export interface MemoryTables {
  readonly tables: Tables;
  /** Carries out one command and adds to `undo` what takes it back. */
  apply(command: TableCommand, undo: (() => void)[]): TableOutcome;
}

/** An empty store whose times are the clock's. */
export function memoryTables(clock: Clock): MemoryTables {
  const store = tableStore();
  return {
    tables: {
      ...memoryTableRows(store),
      get: async (realm, name) => store.byName(realm, name)?.table ?? null,
      async list(realm, after, limit) {
        const later = store.all(realm).filter(({ table }) => table.name > after);
        return later.slice(0, limit).map(({ table, rows }) => ({ table, rows: rows.size }));
      },
      size: async (table) => store.byName(table.realm, table.name)?.rows.size ?? 0,
      plan: async (alter) => planned(alter, store),
    },
    apply(command, undo) {
      switch (command.op) {
        case "table.create":
        case "table.alter":
        case "table.drop":
          return applyStructure(command, { store, clock, undo });
        default:
          return applyRows(store, command, undo);
      }
    },
  };
}
