/** The schemas of a batch: what it takes, made of what its operations take, and what it answers. */
import * as v from "valibot";
import type { JsonObject } from "../ports/json.ts";
import { quote } from "./fields.ts";
import { idempotencyKey } from "./idempotency.ts";

/** The most operations of a batch. */
export const OPERATIONS_MAX = 1_000;

/** Operations as objects of any shape, whose fields are held against their own schemas later; `schemas` are those for the documentation. */
export function batchInput(schemas: JsonObject[]) {
  const item = v.pipe(
    v.custom<JsonObject>(isObject, (issue) => `is ${quote(issue.input)}; send an object with op and its fields`),
    v.metadata({ type: "object", oneOf: schemas }),
  );
  return v.strictObject({
    operations: v.pipe(
      v.array(item),
      v.minLength(1, `is empty; send 1 to ${OPERATIONS_MAX} operations`),
      v.maxLength(OPERATIONS_MAX),
      v.description("What is to be done, all of it or nothing"),
    ),
    idempotency_key: v.optional(
      idempotencyKey(
        "Makes a retry safe: the same key with the same operations within 48 h carries them out once and answers the same again",
      ),
    ),
  });
}

export const batchOutput = v.object({
  results: v.pipe(v.array(v.unknown()), v.description("What each operation answers, in the order sent")),
});

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
