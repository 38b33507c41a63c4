/** An operation's part in a batch: its fields there, its JSON Schema there, and what the corridor and the unit see of it. */
import type { Context } from "../kernel/context.ts";
import { credentialKinds } from "../kernel/credential.ts";
import { quote } from "../kernel/fields.ts";
import { jsonSchema } from "../kernel/json_schema.ts";
import { nearest } from "../kernel/nearest.ts";
import {
  type CallOperation,
  credentialNeedOf,
  type Example,
  type Operation,
  scopeNeedOf,
} from "../kernel/operation.ts";
import type { Plan } from "../kernel/plan.ts";
import { Fault } from "../ports/fault.ts";
import type { JsonObject } from "../ports/json.ts";

/** What was sent for one operation. */
export interface Sent {
  /** Its input. */
  fields: JsonObject;
  /** The credential beside it. */
  secret: string | null;
}

export interface Part {
  op: string;
  operation: CallOperation & { name: string };
  /** The operation, with a handler that only hands out who calls it with what. */
  admission: Operation;
  plan(context: Context, input: never): Promise<Plan<unknown>>;
  /** Takes apart what was sent beside `op`; throws `invalid_input`. */
  read(sent: JsonObject): Sent;
}

/** The operation's part in a batch; none when it declares none. */
export function partOf(operation: Operation): Part[] {
  if (operation.kind !== "call" || operation.batch === undefined) return [];
  const { op, plan } = operation.batch;
  const names = namesOf(operation);
  const argument = argumentOf(operation);
  const admission = { ...operation, handle: async (context: Context, input: unknown) => ({ context, input }) };
  const part: Part = {
    ...{ op, operation, plan },
    admission: admission as unknown as Operation,
    read(sent) {
      const fields: JsonObject = {};
      for (const name of Object.keys(sent)) {
        if (name === argument) continue;
        const field = names.get(name);
        if (field === undefined) throw unknown(name, [...names.keys(), ...(argument === null ? [] : [argument])]);
        fields[field] = sent[name]!;
      }
      return { fields, secret: argument === null ? null : secretIn(sent, argument) };
    },
  };
  return [part];
}

/** JSON Schema of the operation in a batch. */
export function partSchema({ op, operation }: Part): JsonObject {
  const {
    properties = {},
    required = [],
    ...rest
  } = jsonSchema(operation.input, "input") as {
    properties?: JsonObject;
    required?: string[];
  };
  const names = Array.from(namesOf(operation), ([name, field]) => ({ name, field }));
  const argument = argumentOf(operation);
  const secret = { type: "string", format: "password" };
  return {
    ...rest,
    title: op,
    properties: {
      op: { type: "string", const: op },
      ...(argument === null ? {} : { [argument]: secret }),
      ...Object.fromEntries(names.map(({ name, field }) => [name, properties[field]!])),
    },
    required: [
      "op",
      ...(argument === null ? [] : [argument]),
      ...names.filter(({ field }) => required.includes(field)).map(({ name }) => name),
    ],
  };
}

/** The operation's first example as a part of one of a batch; none where it has no example or needs another credential than a bearer. */
export function partExample({ op, operation }: Part): Example[] {
  const [example] = operation.examples ?? [];
  if (example === undefined || scopeNeedOf(operation.needs) === null) return [];
  const fields = Array.from(namesOf(operation)).filter(([, field]) => Object.hasOwn(example.input, field));
  const input = { op, ...Object.fromEntries(fields.map(([name, field]) => [name, example.input[field]!])) };
  return [{ input, output: example.output }];
}

/** Name in a batch → input field. */
function namesOf({ input, batch }: CallOperation): Map<string, string> {
  const names = Object.keys(input.entries).map((field) => [batch?.fields?.[field], field] as const);
  return new Map(names.flatMap(([name, field]) => (name === null ? [] : [[name ?? field, field] as const])));
}

/** The field that carries the operation's credential; null when the bearer does. */
function argumentOf({ needs }: CallOperation): string | null {
  const need = credentialNeedOf(needs);
  return need === null ? null : credentialKinds[need.credential].argument;
}

function unknown(name: string, known: readonly string[]): Fault {
  const guess = nearest(name, known);
  const advice = guess === null ? `send ${known.join(", ")}` : `did you mean ${guess}?`;
  return new Fault("invalid_input", `the field ${quote(name)} is unknown; ${advice}`, {
    details: { field: name.slice(0, 100), ...(guess === null ? {} : { did_you_mean: guess }) },
  });
}

function secretIn(sent: JsonObject, argument: string): string | null {
  const value = sent[argument];
  if (value === undefined) return null;
  if (typeof value === "string") return value.trim() || null;
  throw new Fault(
    "invalid_input",
    `${argument} is ${value === null ? "null" : `of type ${typeof value}`}; send the token as a string`,
    {
      details: { field: argument },
    },
  );
}
