/** Files: bytes that are kept for a while, put with a token and downloaded by whoever has the URL. */
import type { Capability } from "../../kernel/capability.ts";
import { jsonSchema } from "../../kernel/json_schema.ts";
import { download } from "./download.ts";
import { duties } from "./duties.ts";
import { fileShape } from "./file.ts";
import { list } from "./list.ts";
import { manual } from "./manual.ts";
import { put, putSmall } from "./put.ts";
import { remove } from "./remove.ts";

export const files: Capability = {
  name: "files",
  title: "Files",
  about:
    "A file is put as it comes, of any size up to the server's limit, and kept for a while. The answer has its URL with a secret in it: whoever has that can download and delete the file. Downloads may be counted out.",
  operations: { put, putSmall, list, download, remove },
  duties,
  mode: {
    name: "file",
    root: "/files",
    shape: jsonSchema(fileShape, "output"),
    note: "Temporary files: put bytes of any size by curl -T, get a URL with a secret in it, downloaded with ranges and a checksum until they expire or have been downloaded often enough.",
    manual,
  },
};
