/**
 * Requests at the data modes, made from the declarations: valid ones that meet each other's data, and hostile ones. Nothing is known here of what the
 * operations mean, but for the names of a few fields whose values must exist somewhere for a request to get far.
 */
import fc from "fast-check";
import { jsonSchema } from "../../core/kernel/json_schema.ts";
import { bodyRuleOf, type Endpoint, endpointsOf, namesIn, type Operation } from "../../core/kernel/operation.ts";
import type { Json, JsonObject } from "../../core/ports/json.ts";
import type { Sent } from "./broken_request.ts";
import { filters, known, oddFilters, oddHeaders, oddRows, types, wholes } from "./fuzz_mode_values.ts";
import { breaks, fitting, oddTexts } from "./schema_values.ts";

/** Values that fields of these names take now and then, so that requests meet what others have made. */
export interface Pool {
  /** What an answer has told of this name of a field. */
  learned: Map<string, Json[]>;
}

/** One request; `valid` is what the declaration lets through as far as it can say. */
export interface ModeShot {
  operation: Operation;
  sent: Sent;
  kind: "fits" | "broken" | "wild";
}

/** Requests at one operation; `all` are those that a batch may hold. */
export function modeShots(
  operation: Operation,
  { pool, all }: { pool: Pool; all: readonly Operation[] },
): fc.Arbitrary<ModeShot> {
  const schema = jsonSchema(operation.input, "input");
  const pick = fc.nat({ max: 1_000_000 });
  const fits = operation.name.startsWith("batch.") ? batches(all, pool) : inputs(operation, pool);
  const shot = (input: fc.Arbitrary<JsonObject>, kind: ModeShot["kind"]) =>
    fc
      .tuple(input, pick)
      .map(([made, choice]): ModeShot => ({ operation, kind, sent: requestOf(operation, made, choice) }));
  const hasFields = Object.keys(operation.input.entries).length > 0;
  const broken = hasFields
    ? fc.tuple(fits, breaks(schema)).map(([input, spoil]) => spoil(input).input)
    : fc.constant<JsonObject>({ nobody: 1 });
  return fc.oneof(
    { weight: 5, arbitrary: shot(fits, "fits") },
    { weight: 3, arbitrary: shot(broken, "broken") },
    { weight: 3, arbitrary: fc.tuple(fits, wild).map(([input, odd]) => wildRequest(operation, input, odd)) },
  );
}

function inputs(operation: Operation, pool: Pool): fc.Arbitrary<JsonObject> {
  const input = fitting(jsonSchema(operation.input, "input")) as fc.Arbitrary<JsonObject>;
  return fc
    .tuple(input, fc.nat({ max: 1_000_000 }), oddRows, oddFilters)
    .map(([made, choice, rows, pairs]) => aimed(withOdd(operation, made, { choice, rows, pairs }), { pool, choice }));
}

/** Operations that a batch may hold, each as it would be sent alone. */
function batches(all: readonly Operation[], pool: Pool): fc.Arbitrary<JsonObject> {
  const parts = all.flatMap((operation) => {
    const op = operation.kind === "call" ? operation.batch?.op : undefined;
    return op === undefined ? [] : [inputs(operation, pool).map((input): JsonObject => ({ op, ...input }))];
  });
  return fc.record(
    {
      operations: fc.array(fc.oneof(...parts), { minLength: 1, maxLength: 4 }),
      idempotency_key: fc.constantFrom("k", "l", "m"),
    },
    { requiredKeys: ["operations"] },
  );
}

interface Wild {
  type: string;
  body: string;
  bytes: Uint8Array | null;
  header: readonly [string, string] | null;
  filters: string[];
  method: string | null;
  path: string | null;
}

const wild: fc.Arbitrary<Wild> = fc.record({
  type: fc.constantFrom(...types),
  body: wholes,
  bytes: fc.option(fc.uint8Array({ maxLength: 60 }), { freq: 8 }),
  header: fc.option(
    fc.constantFrom(...oddHeaders.flatMap(([name, values]) => values.map((value) => [name, value] as const))),
    { freq: 2 },
  ),
  filters: fc.array(fc.constantFrom(...filters), { maxLength: 3 }),
  method: fc.option(fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), { freq: 12 }),
  path: fc.option(fc.constantFrom(...oddTexts, "..", "%2e%2e", "%ff", "%00", "a%2fb", "x".repeat(300)), { freq: 5 }),
});

function wildRequest(operation: Operation, input: JsonObject, odd: Wild): ModeShot {
  const endpoint = endpointsOf(operation)[0]!;
  const method = odd.method ?? endpoint.method;
  const hasBody = method !== "GET" && method !== "HEAD";
  const path =
    odd.path === null ? pathOf(endpoint, input) : endpoint.path.replaceAll(/:([a-z_]+)(\{[^}]*\})?/g, inUrl(odd.path));
  const headers: Record<string, string> = {
    ...(odd.type === "" ? {} : { "Content-Type": odd.type }),
    ...(odd.header === null ? {} : { [odd.header[0]]: odd.header[1] }),
  };
  const body = odd.bytes === null ? odd.body : Uint8Array.from(odd.bytes);
  const query = odd.filters.map((pair) => pair.replaceAll(/[\s"<>|{}]/g, encodeURIComponent)).join("&");
  const sent = { method, path: query === "" ? path : `${path}?${query}`, headers, ...(hasBody ? { body } : {}) };
  return { operation, kind: "wild", sent };
}

/** Escaped already where it has a percent sign. */
function inUrl(text: string): string {
  return text.includes("%") ? text : encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, "?"));
}

/** With most optional fields left out, since each of them is one that may be refused; and with rows and filters that reach the tables. */
function withOdd(
  operation: Operation,
  input: JsonObject,
  { choice, rows, pairs }: { choice: number; rows: JsonObject[]; pairs: string[] },
): JsonObject {
  const { required = [] } = jsonSchema(operation.input, "input") as { required?: string[] };
  const kept = Object.entries(input).filter(([name], at) => required.includes(name) || (choice >> at) % 4 === 0);
  const found = Object.fromEntries(kept);
  if ("rows" in found && choice % 2 === 0) found.rows = rows;
  if ("set" in found) found.set = rows[0]!;
  if (operation.rest !== undefined && choice % 8 > 1) found[operation.rest] = pairs;
  return found;
}

/** Real values in the fields whose names say what they are. */
function aimed(input: JsonObject, { pool, choice }: { pool: Pool; choice: number }): JsonObject {
  const found = { ...input };
  let step = choice;
  for (const field of Object.keys(found)) {
    step = (step * 1_103_515_245 + 12_345) % 2_147_483_648;
    const values = [...(known[field] ?? []), ...(pool.learned.get(field) ?? [])];
    // What waits must not wait long, whatever else it is.
    const often = field.startsWith("wait") ? 1 : 0.85;
    const isOdd = field === "rows" && choice % 2 === 0;
    if (values.length > 0 && !isOdd && (step / 7) % 1 < often) found[field] = values[step % values.length]!;
  }
  if (typeof found.wait === "number") found.wait = 0;
  if (typeof found.wait_seconds === "number") found.wait_seconds = 0;
  return found;
}

function pathOf({ path }: Endpoint, input: JsonObject): string {
  return path.replace(
    /:([a-z_]+)(\{[^}]*\})?/g,
    (_, name: string) => encodeURIComponent(asText(input[name] ?? "x")) || "%20",
  );
}

function requestOf(operation: Operation, input: JsonObject, choice: number): Sent {
  const endpoints = endpointsOf(operation);
  const endpoint = endpoints[choice % endpoints.length]!;
  const { method } = endpoint;
  const inPath = namesIn(endpoint.path);
  const rest = new Map(Object.entries(input).filter(([name]) => !inPath.includes(name)));
  const headers: Record<string, string> = {};
  for (const [field, header] of Object.entries(operation.headers ?? {})) {
    if (!rest.has(field)) continue;
    headers[header] =
      asText(rest.get(field)!)
        .replaceAll(/[^\x21-\x7e]/g, "?")
        .slice(0, 1_000) || "?";
    rest.delete(field);
  }
  const query: string[] = [];
  const pair = (name: string, value: Json) =>
    query.push(`${encodeURIComponent(name)}=${encodeURIComponent(asText(value))}`);
  if (operation.rest !== undefined && rest.has(operation.rest)) {
    for (const text of [rest.get(operation.rest)!].flat()) {
      const [name, ...value] = asText(text).split("=");
      if (value.length > 0) pair(name!, value.join("="));
    }
    rest.delete(operation.rest);
  }
  const rule = bodyRuleOf(operation);
  const whole = rule?.whole ?? rule?.stream ?? (choice % 3 === 0 ? rule?.raw : undefined);
  const hasBody = method !== "GET" && method !== "DELETE";
  for (const field of [...rest.keys()]) {
    const travels = !hasBody || operation.query?.includes(field) || (whole !== undefined && field !== whole);
    if (!travels) continue;
    pair(field, rest.get(field)!);
    rest.delete(field);
  }
  const path = `${pathOf(endpoint, input)}${query.length === 0 ? "" : `?${query.join("&")}`}`;
  if (!hasBody) return { method, path, headers };
  const value: Json = whole === undefined ? Object.fromEntries(rest) : (rest.get(whole) ?? "x");
  const asList = whole === undefined && rule?.list !== undefined && rest.has(rule.list) && choice % 2 === 0;
  const isBytes = whole !== undefined && whole !== rule?.whole;
  return {
    method,
    path,
    headers: { ...headers, "Content-Type": isBytes ? types[choice % types.length]! || "a/b" : "application/json" },
    body: isBytes ? asText(value) : JSON.stringify(asList ? rest.get(rule!.list!) : value),
  };
}

/** Half a surrogate pair cannot be sent as UTF-8. */
function asText(value: Json): string {
  return (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(/\p{Surrogate}/gu, "\ufffd");
}

/** Takes note of what an answer tells under names that requests use. */
export function learn(pool: Pool, answer: Json): void {
  if (typeof answer !== "object" || answer === null) return;
  if (Array.isArray(answer)) {
    for (const item of answer.slice(0, 5)) learn(pool, item);
    return;
  }
  const { details: _, ...fields } = answer;
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "object") learn(pool, value);
    else if (/^(id|lease_token|next_cursor|version|token_id)$/.test(name) && value !== null) note(pool, name, value);
  }
}

function note({ learned }: Pool, name: string, value: Json): void {
  const field = name === "next_cursor" ? "cursor" : name;
  const values = learned.get(field) ?? [];
  values.push(value);
  // The latest are the likeliest to be there still.
  if (values.length > 20) values.shift();
  learned.set(field, values);
}
