/** Deleting documents. */
import * as v from "valibot";
import { call } from "../../kernel/operation.ts";
import { carryOut } from "../../kernel/plan.ts";
import { namespace } from "./namespace.ts";
import { deletePlan } from "./plan.ts";
import { ifMatch } from "./precondition.ts";
import { ifVersion, key } from "./record.ts";

export const remove = call({
  summary: "Delete a document.",
  details:
    "All its versions go. Put again, it counts on from where it ended, so that no version comes twice while somebody may still know it (30 days).",
  http: "DELETE /document/:namespace/:key",
  tool: "document_delete",
  needs: { scope: "documents", access: "write", of: "namespace" },
  limit: "data",
  input: v.strictObject({ namespace, key, if_version: v.optional(ifVersion), if_match: v.optional(ifMatch) }),
  headers: { if_match: "If-Match" },
  output: v.object({
    namespace: v.string(),
    key: v.string(),
    deleted: v.literal(true),
    version: v.pipe(v.number(), v.description("The newest version there was")),
  }),
  faults: ["not_found", "precondition_failed"],
  batch: { op: "document.delete", plan: deletePlan },
  examples: [
    {
      input: { namespace: "orders", key: "1043" },
      output: { namespace: "orders", key: "1043", deleted: true, version: 1 },
      after: [["documents.put", 2]],
    },
  ],
  handle: (context, input) => carryOut(context, () => deletePlan(context, input)),
});
