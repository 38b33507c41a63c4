/** Export as NDJSON: written page by page as the reader takes it. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { text } from "../../kernel/fields.ts";
import { content } from "../../kernel/operation.ts";
import { USER } from "../../kernel/realm.ts";
import type { Position } from "../../ports/documents.ts";
import { namespace } from "./namespace.ts";
import { expiryOf, KEY_MAX_BYTES } from "./record.ts";

const PAGE_DOCUMENTS = 500;
const PAGE_BYTES = 1_048_576;

export const exportLines = content({
  summary: "Export a namespace as NDJSON.",
  details:
    "One document on each line, with key, version, created_at, expires_at if it has one, and payload, by key in byte order. It is written as it is read; what is put or deleted meanwhile may or may not be in it. When it breaks off, go on with after, the last key you have. The import takes what comes out.",
  http: "GET /document-namespaces/:namespace/export",
  needs: { scope: "documents", access: "read", of: "namespace" },
  limit: "data",
  input: v.strictObject({
    namespace,
    after: v.optional(text(KEY_MAX_BYTES, "Only keys after this one, which need not exist")),
    prefix: v.optional(text(KEY_MAX_BYTES, "Only keys that begin so")),
  }),
  produces: "application/x-ndjson",
  async handle(context, { namespace, after, prefix }) {
    return {
      headers: {
        "Content-Type": "application/x-ndjson; charset=utf-8",
        "Content-Disposition": `attachment; filename="${namespace}.ndjson"`,
      },
      body: linesFrom(context, { namespace, prefix, after: after === undefined ? null : { value: "", id: after } }),
    };
  },
});

function linesFrom(
  { database, signal }: Context,
  { namespace, prefix, after: begin }: { namespace: string; prefix: string | undefined; after: Position | null },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let after = begin;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (signal.aborted) return controller.close();
        const page = await database.documents.page({
          realm: USER,
          collection: namespace,
          prefix,
          after,
          limit: PAGE_DOCUMENTS,
          bodyBytes: PAGE_BYTES,
        });
        const lines = page.documents.map((document) => {
          const { id: key, version, updatedAt, body } = document;
          const line = {
            key,
            version,
            created_at: updatedAt.toISOString(),
            ...expiryOf(document),
            payload: body!.payload,
          };
          return `${JSON.stringify(line)}\n`;
        });
        if (lines.length > 0) controller.enqueue(encoder.encode(lines.join("")));
        if (page.next === null) controller.close();
        else after = page.next;
      },
    },
    { highWaterMark: 0 },
  );
}
