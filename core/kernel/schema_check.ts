/**
 * JSON Schemas that users bring (draft 2020-12): the one door to the validator. A schema is taken only when its checks take time in proportion to
 * the value's size: see `schema_guard.ts`.
 */
import { Validator } from "@cfworker/json-schema";
import { Fault } from "../ports/fault.ts";
import type { Json, JsonObject } from "../ports/json.ts";
import { guardSchema } from "./schema_guard.ts";

/** Where a value does not fit, and what is wanted there. */
export interface Misfit {
  /** The field's path, members with dots between, elements by number; empty: the value itself. */
  path: string;
  problem: string;
}

/** Says where a value does not fit a schema; an empty list: it does. */
export type SchemaCheck = (value: Json) => Misfit[];

/** No more are told of one value. */
const MISFITS_MOST = 10;
/** The most elements of a list that `uniqueItems` compares with each other. */
const UNIQUE_MOST = 1_000;
/** Errors that only say that there are others within. */
const WRAPPERS: ReadonlySet<string> = new Set([
  "properties",
  "additionalProperties",
  "unevaluatedProperties",
  "items",
  "prefixItems",
  "unevaluatedItems",
  "allOf",
  "$ref",
  "if",
  "dependentSchemas",
]);

/** The check of a schema; throws `invalid_input` for one that is not valid or not taken. It does not change the schema. */
export function schemaCheck(schema: Json): SchemaCheck {
  const { uniqueItems } = guardSchema(schema);
  // The validator marks what it is given.
  const { $schema: _, $id: __, ...own } = structuredClone(schema) as JsonObject;
  const validator = new Validator(own, "2020-12", false);
  return (value) => {
    if (uniqueItems) refuseLongLists(value);
    try {
      const { valid, errors } = validator.validate(value);
      return valid ? [] : misfits(errors);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return [{ path: "", problem: "has more errors than can be told; send a smaller value" }];
    }
  };
}

interface ValidatorError {
  keyword: string;
  instanceLocation: string;
  error: string;
}

function misfits(errors: readonly ValidatorError[]): Misfit[] {
  const told = errors.filter(({ keyword }) => !WRAPPERS.has(keyword));
  return (told.length === 0 ? errors : told).slice(0, MISFITS_MOST).map(({ keyword, instanceLocation, error }) => ({
    path: pathOf(instanceLocation),
    problem: keyword === "false" ? "is not allowed" : error.replace(/\.$/, ""),
  }));
}

/** `#/owner/names/0` as `owner.names.0`. */
function pathOf(pointer: string): string {
  const parts = pointer.replace(/^#\/?/, "").split("/");
  return parts
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .join(".")
    .slice(0, 200);
}

function refuseLongLists(value: Json): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value) && value.length > UNIQUE_MOST)
    throw new Fault(
      "invalid_input",
      `A list of the value has ${value.length} elements; where the schema says uniqueItems, the most is ${UNIQUE_MOST}`,
    );
  for (const inner of Object.values(value)) refuseLongLists(inner);
}
