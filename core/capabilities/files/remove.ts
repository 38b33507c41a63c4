/** Deleting a file before its time. */
import * as v from "valibot";
import { fileKind } from "../../kernel/credential.ts";
import { call } from "../../kernel/operation.ts";
import { notFound } from "../../kernel/permit.ts";
import { fileId, fileSecret, openFile } from "./file.ts";

export const remove = call({
  summary: "Delete a temporary file.",
  details:
    "With the file's secret in the URL (or as X-File-Secret), or with a token that may write files. It is gone at once, and its bytes soon after; who is downloading it now still gets them.",
  http: "DELETE /files/temp/:id",
  tool: "file_temp_delete",
  needs: { scope: "files", access: "write", unless: "secret" },
  limit: "data",
  input: v.strictObject({ id: fileId, secret: v.optional(fileSecret) }),
  headers: { secret: fileKind.header },
  output: v.object({ id: v.string(), deleted: v.literal(true) }),
  faults: ["not_found"],
  examples: [{ input: { id: "$FILE_ID" }, output: { id: "$FILE_ID", deleted: true } }],
  async handle(context, input) {
    const { id } = await openFile(context, input);
    if (!(await context.database.files.remove(id))) throw notFound("file", id);
    return { id, deleted: true as const };
  },
});
