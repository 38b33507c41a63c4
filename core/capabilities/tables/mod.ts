/** Tables: real, typed tables of PostgreSQL that users define, and their rows, read by PostgREST's grammar of filters. */
import type { Capability } from "../../kernel/capability.ts";
import { alter, drop } from "./alter.ts";
import { deleteRows, updateRows } from "./change.ts";
import { create, get, listTables } from "./create.ts";
import { exportCsv, exportNdjson } from "./export.ts";
import { followChanges, readChanges } from "./follow.ts";
import { importRows } from "./import.ts";
import { insertRows } from "./insert.ts";
import { listRows } from "./list.ts";
import { manual } from "./manual.ts";

export const tables: Capability = {
  name: "tables",
  title: "Tables",
  about:
    "Typed tables that a request defines, and rows that a request puts, filters, changes and follows. Behind them are tables of PostgreSQL, in a schema and under roles of their own.",
  operations: {
    create,
    listTables,
    get,
    alter,
    insertRows,
    listRows,
    updateRows,
    deleteRows,
    importRows,
    exportCsv,
    exportNdjson,
    followChanges,
    readChanges,
    drop,
  },
  duties: [],
  mode: {
    name: "sql",
    root: "/sql",
    note: "Typed tables with unique keys, references and filters: create a table by naming its columns, then put and read rows.",
    shape: {
      type: "object",
      properties: { id: { type: "integer", description: "Given by the server, counting up" } },
      required: ["id"],
      additionalProperties: { description: "One member for each column of the table" },
    },
    manual,
  },
};
