/** The documents model on every twin. */
import { postgresDocuments } from "../../adapters/postgres/documents.ts";
import { postgresJournal } from "../../adapters/postgres/journal.ts";
import { commitUnit } from "../../adapters/postgres/unit.ts";
import { onEveryModel } from "../support/model_schema.ts";
import { documentsModel } from "./documents_model.ts";

onEveryModel<"commit" | "documents" | "journal">(
  {
    over: (pool) => ({
      commit: (unit) => commitUnit(pool, unit),
      documents: postgresDocuments(pool),
      journal: postgresJournal({ pool, appends: pool, lanes: 1 }).journal,
    }),
    tables: [
      ...["documents", "document_versions", "document_keys", "document_tombstones"],
      ...["journal_entries", "journal_subjects"],
    ],
  },
  documentsModel,
);
