/** The shots of a fuzz: an operation, how its caller stands to the channel, an input that fits or is broken, and small choices by number. */
import fc from "fast-check";
import * as v from "valibot";
import { capabilities } from "../../core/capabilities/mod.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { jsonSchema } from "../../core/kernel/json_schema.ts";
import { type Operation, pollOf, scopeNeedOf } from "../../core/kernel/operation.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { type Standing, standings } from "./fuzz_world.ts";
import { type Broken, breaks, fitting } from "./schema_values.ts";

export interface Shot {
  operation: Operation;
  standing: Standing;
  input: JsonObject;
  /** Null: the input fits. */
  broken: Broken | null;
  pick: number;
}

/** Every operation that is declared. */
/** The data modes have a fuzz of their own. */
export const declared: readonly Operation[] = operationsOf(capabilities).filter(
  ({ needs, kind }) => scopeNeedOf(needs) === null && kind !== "content",
);

/** The forms of feeds that answer once; they may wait before they do. */
export const polls: readonly Operation[] = declared.flatMap((operation) => pollOf(operation)?.operation ?? []);

/** Shots at the operations, with more of those whose input has fields. */
export function shots(operations: readonly Operation[]): fc.Arbitrary<Shot> {
  const weighted = operations.map((operation) => ({
    weight: 1 + 2 * Object.keys(operation.input.entries).length,
    arbitrary: shotAt(operation),
  }));
  return fc.oneof(...weighted);
}

function shotAt(operation: Operation): fc.Arbitrary<Shot> {
  const schema = jsonSchema(operation.input, "input");
  // What is checked in code has no place in a JSON Schema.
  const input = fitting(schema).filter((value) => v.is(operation.input, value)) as fc.Arbitrary<JsonObject>;
  const standing = fc.oneof(
    { weight: 3, arbitrary: fc.constant<Standing>("right") },
    { weight: 1, arbitrary: fc.constantFrom(...standings) },
  );
  const fits = fc.record({ input, standing, pick: fc.nat() }).map((rest) => ({ operation, broken: null, ...rest }));
  if (Object.keys(operation.input.entries).length === 0) return fits;
  const breaking = breaks(schema);
  return fc.oneof(
    fits,
    fc.tuple(fits, breaking).map(([shot, spoil]) => ({ ...shot, broken: spoil(shot.input) })),
  );
}

/** The seed of this run: TEST_SEED, else a new one. */
export function seedOf(environment: { readonly [name: string]: string | undefined }): number {
  const given = Number(environment.TEST_SEED);
  return Number.isSafeInteger(given) && environment.TEST_SEED !== "" && environment.TEST_SEED !== undefined
    ? given | 0
    : (Math.random() * 2 ** 31) | 0;
}

/** Holds `promise` to that many values; the failure says what went wrong and how to repeat it. */
export async function holdsFor<T>(
  values: fc.Arbitrary<T>,
  how: { seed: number; runs: number },
  promise: (value: T) => Promise<void>,
): Promise<void> {
  // Nothing is shrunk: a smaller case would meet another world.
  const found = await fc.check(fc.asyncProperty(values, promise), {
    seed: how.seed,
    numRuns: how.runs,
    endOnFailure: true,
  });
  if (!found.failed) return;
  const words = found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance);
  throw new Error(`after ${found.numRuns} values of TEST_SEED=${how.seed}: ${words}`);
}
