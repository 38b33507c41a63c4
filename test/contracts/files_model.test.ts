/** The files model on every twin. */
import { postgresFiles } from "../../adapters/postgres/files.ts";
import { postgresObjectDeletions } from "../../adapters/postgres/object_deletions.ts";
import { onEveryModel } from "../support/model_schema.ts";
import { filesModel } from "./files_model.ts";

onEveryModel<"files" | "objectDeletions">(
  {
    over: (pool) => ({ files: postgresFiles(pool), objectDeletions: postgresObjectDeletions(pool) }),
    tables: ["files", "file_usage", "object_deletions"],
  },
  filesModel,
);
