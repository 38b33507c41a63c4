/** The structure of tables keeps its contract on every twin; and on PostgreSQL a few promises about roles, locks and names of its own. */
import { onEveryTwin, openMemory } from "../support/table_stores.ts";
import { tablesChangesContract } from "./tables_changes.ts";
import { tableErrors } from "./tables_errors.ts";
import { tablesStructureContract } from "./tables_structure.ts";
import { tablesAgree } from "./tables_structure_model.ts";
import { tablesOnPostgres } from "./tables_structure_postgres.ts";

onEveryTwin(
  (twin, open) => {
    tablesStructureContract(twin, open);
    tablesChangesContract(twin, open);
  },
  (schema) => {
    tablesOnPostgres(schema);
    tableErrors(schema);
    tablesAgree(openMemory, schema.open);
  },
);
