/** Where each input field of an operation travels on HTTP, and what it may hold: what OpenAPI and the reference both tell. */
import { formsOf } from "../../kernel/forms.ts";
import { jsonSchema } from "../../kernel/json_schema.ts";
import { bodyRuleOf, type Endpoint, namesIn, type Operation, pollOf } from "../../kernel/operation.ts";
import type { JsonObject } from "../../ports/json.ts";

/** `rest`: each pair of the query that is no other field. `argument`: the operation is not on HTTP, so the field is an argument of its tool. */
export type Place = "path" | "query" | "rest" | "header" | "body" | "argument";

export interface Field {
  name: string;
  place: Place;
  /** The header's name, for that place. */
  header: string | null;
  required: boolean;
  /** Fields of which exactly one is sent, this one among them; empty for a field that has no such choice. */
  oneOf: string[];
  schema: JsonObject;
}

/** The fields of an operation as this endpoint takes them (null: as arguments only), in declared order. */
export function fieldsOf(operation: Operation, endpoint: Endpoint | null): Field[] {
  const { properties, required } = jsonSchema(operation.input, "input") as {
    properties: { [name: string]: JsonObject };
    required: string[];
  };
  const inPath = new Set(endpoint === null ? [] : namesIn(endpoint.path));
  const rule = bodyRuleOf(operation);
  const bodyField = rule?.whole ?? rule?.stream ?? null;
  const leads = Object.keys(formsOf(operation.input) ?? {});
  return Object.entries(properties).map(([name, schema]) => {
    const header = endpoint === null ? null : (operation.headers?.[name] ?? null);
    const oneOf = leads.includes(name) ? leads : [];
    return { name, place: placeOf(name), header, required: required.includes(name), oneOf, schema };

    function placeOf(field: string): Place {
      if (endpoint === null) return "argument";
      if (inPath.has(field)) return "path";
      if (operation.headers?.[field] !== undefined) return "header";
      if (operation.rest === field) return "rest";
      if (!hasBody(endpoint) || operation.query?.includes(field)) return "query";
      return bodyField === null || bodyField === field ? "body" : "query";
    }
  });
}

/** The fields that only the other form of a feed has, as the endpoint takes them: the one that asks for it, and the others; null when it has none. */
export function fieldsOfPoll(operation: Operation, endpoint: Endpoint | null): { asks: Field; others: Field[] } | null {
  const poll = pollOf(operation);
  if (poll === null) return null;
  const own = fieldsOf(poll.operation, endpoint).filter(({ name }) => !Object.hasOwn(operation.input.entries, name));
  const asks = own.find(({ name }) => name === poll.field)!;
  return { asks: { ...asks, required: false }, others: own.filter((field) => field !== asks) };
}

/** Whether requests to the endpoint carry a body. */
export function hasBody({ method }: Endpoint): boolean {
  return method !== "GET" && method !== "DELETE";
}

/** The field that takes a body of another type than JSON, byte for byte; null where there is none. */
export function rawFieldOf(operation: Operation): string | null {
  return bodyRuleOf(operation)?.raw ?? null;
}

/** Fields that move from the body to the query when the body is a raw field: those that text can say. */
export function besideRaw(operation: Operation, fields: readonly Field[]): Field[] {
  const raw = rawFieldOf(operation);
  if (raw === null) return [];
  const sayable = new Set(["string", "integer", "number", "boolean"]);
  return fields.filter(
    ({ name, place, schema }) => place === "body" && name !== raw && sayable.has(schema.type as string),
  );
}

/** The path with `{name}` for `:name` and `:name{a|b}`. */
export function templateOf(path: string): string {
  return path.replace(/:([a-z_]+)(\{[^}]*\})?/g, "{$1}");
}
