/** Documents: JSON under namespace and key, with versions, conditions, schemas, filters, a feed of changes, and NDJSON in and out. */
import type { Capability } from "../../kernel/capability.ts";
import { buildDuty, expireDuty } from "./backfill.ts";
import { changes, readChanges } from "./changes.ts";
import { declare, getDeclared, removeDeclared } from "./declare.ts";
import { exportLines } from "./export.ts";
import { importLines } from "./import.ts";
import { mode } from "./manual.ts";
import { patch } from "./patch.ts";
import { put, replace } from "./put.ts";
import { get, history, list } from "./read.ts";
import { remove } from "./remove.ts";

export const documents: Capability = {
  name: "documents",
  title: "Documents",
  about:
    "A document is any JSON value under a namespace and a key. Each put makes a new version; a namespace may declare a schema and indexed fields, and tells its changes as a feed.",
  operations: {
    put,
    replace,
    get,
    list,
    history,
    patch,
    remove,
    changes,
    readChanges,
    declare,
    getDeclared,
    removeDeclared,
    exportLines,
    importLines,
  },
  duties: [buildDuty, expireDuty],
  mode,
};
