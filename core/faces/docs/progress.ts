/** What the documentation says of answers that tell how far the work is: the same words and schemas in OpenAPI and in the reference. */
import { jsonSchema } from "../../kernel/json_schema.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { JsonObject } from "../../ports/json.ts";

const STREAM =
  "With `Accept: text/event-stream` the answer is a stream of Server-Sent Events while the work goes on: `progress` as it changes (the newest only, for a slow reader), and last `result` with the usual answer or `error` with the usual error; comments keep it alive meanwhile. What ends before the first progress is answered as without it.";

/** In words; null for an operation that tells no progress. */
export function progressWords(operation: Operation): string | null {
  return operation.kind === "call" && operation.progress !== undefined ? STREAM : null;
}

/** The event stream as a content of the answer 200, with the schema of the data by event; empty for an operation that tells no progress. */
export function progressContent(operation: Operation): { "text/event-stream"?: JsonObject } {
  if (operation.kind !== "call" || operation.progress === undefined) return {};
  const events = {
    progress: jsonSchema(operation.progress, "output"),
    result: jsonSchema(operation.output, "output"),
    error: { $ref: "#/components/schemas/Error" },
  };
  return { "text/event-stream": { schema: { type: "string", description: STREAM }, "x-events": events } };
}
