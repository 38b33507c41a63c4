/** The files that the caller has put, newest first: what takes room in its quota. */
import * as v from "valibot";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields, pageOf, readCursor } from "../../kernel/page.ts";
import { fileFields, fileJson } from "./file.ts";

export const list = call({
  summary: "List your temporary files.",
  details:
    "Newest first. A token sees the files that it has put, the service token all. The secrets cannot be shown again; with a token that may read files their ids do.",
  http: "GET /files/temp",
  tool: "file_temp_list",
  // Names of files were written by their senders.
  openWorld: true,
  needs: { scope: "files", access: "read" },
  limit: "data",
  input: v.strictObject(pageFields),
  output: v.object({
    files: v.array(
      v.object({
        ...fileFields,
        downloads: v.pipe(v.number(), v.description("How often it has been downloaded")),
      }),
    ),
    next_cursor: nextCursor,
  }),
  examples: [
    {
      after: [["files.put", 0]],
      input: { limit: 1 },
      output: {
        files: [
          {
            id: "$FILE_ID",
            name: "notes.txt",
            content_type: "text/plain",
            size: 6,
            sha256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            created_at: "$TIME",
            expires_at: "$TIME",
            max_downloads: 3,
            downloads: 0,
          },
        ],
        next_cursor: null,
      },
    },
  ],
  async handle({ database, principal }, { limit, cursor }) {
    const owner = principal!.kind === "service" ? null : principal!.id;
    const before = readCursor(cursor, v.pipe(v.string(), v.uuid())) ?? null;
    const found = await database.files.list(owner, before, limit + 1);
    const { rows, next } = pageOf(found, limit, ({ id }) => id);
    return { files: rows.map((file) => ({ ...fileJson(file), downloads: file.downloads })), next_cursor: next };
  },
});
