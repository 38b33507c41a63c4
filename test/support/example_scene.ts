/**
 * Runs the examples of declarations: `$NAME` stands for a value of an earlier answer, and what an example says it answers is held against
 * what it does answer.
 */

import { fieldsOf } from "../../core/faces/docs/fields.ts";
import { credentialKinds } from "../../core/kernel/credential.ts";
import { createCorridor } from "../../core/kernel/invoke.ts";
import {
  type AnySchema,
  bodyRuleOf,
  type CallOperation,
  type Endpoint,
  type Example,
  endpointsOf,
  type Operation,
} from "../../core/kernel/operation.ts";
import { openApp } from "./memory_app.ts";
import { memoryHouse, memoryPorts } from "./memory_house.ts";

const INTERNAL_TOKEN = "the-internal-token";
const SERVICE_TOKEN = "the-service-token";

/** What a value of each name looks like. */
const shapes: readonly (readonly [name: RegExp, shape: RegExp])[] = [
  [/^([A-Z]+_)?JOB_ID$/, /^[1-9]\d*$/],
  [/^LEASE_TOKEN$/, /^[0-9a-f]{32}$/],
  [/_ID$/, /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/],
  [/_TOKEN$/, /^(pub|rdg|mlr)_[0-9A-Za-z]{49}$/],
  [/^TIME$/, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/],
  [/^TICKET$/, /^tkt_[0-9A-Za-z]{49}$/],
  [/^(STREAM_|FILE_)?URL$/, /^https?:\/\/[^/]+\/.+/],
  [/^(VERSION|SCHEMA)$/, /./],
];

export interface Answered {
  status: number;
  value: unknown;
}

export interface ExampleScene {
  /** Values by name, as the answers so far gave them. */
  bound: Map<string, unknown>;
  /** Runs an example over HTTP. */
  overHttp(operation: Operation, example: Example): Promise<Answered>;
  /** Runs an example through the corridor, as faces other than HTTP do. */
  throughCorridor(operation: Operation, example: Example): Promise<Answered>;
  /** Throws unless the answer is what the example says; binds the names that are new. */
  compare(example: Example, value: unknown): void;
}

/** A server in memory with what no example makes: a private channel. */
export async function exampleScene(): Promise<ExampleScene> {
  const ports = memoryPorts();
  const settings = { internalToken: INTERNAL_TOKEN, datastoreToken: SERVICE_TOKEN };
  const { client } = openApp({ ports, settings });
  const house = memoryHouse(settings, ports);
  const corridor = createCorridor(house);
  const bound = new Map<string, unknown>();
  /** Channel id → its tokens. */
  const tokens = new Map<unknown, Record<string, unknown>>();

  const hidden = await client.createChannel({ visibility: "private" });
  bound.set("PRIVATE_CHANNEL_ID", hidden.id);
  tokens.set(hidden.id, { publish: hidden.publish_token, read: hidden.read_token });

  function inputOf(example: Example): Record<string, unknown> {
    return fill(example.input, (name) => {
      if (!bound.has(name)) throw new Error(`no earlier answer gives $${name}`);
      return bound.get(name);
    }) as Record<string, unknown>;
  }

  /** The secret that the operation needs, and the header that carries it. */
  function secretOf({ needs }: Operation, input: Record<string, unknown>): { header: string; token: string } | null {
    if (needs === "nobody" || needs === "each") return null;
    if (needs === "internal") return { header: "Authorization", token: INTERNAL_TOKEN };
    if ("scope" in needs) return { header: "Authorization", token: SERVICE_TOKEN };
    const token = tokens.get(input[needs.of])?.[needs.credential] ?? null;
    return token === null ? null : { header: credentialKinds[needs.credential].header, token: token as string };
  }

  function learn(value: unknown): void {
    const { id, publish_token, read_token } = (value ?? {}) as Record<string, unknown>;
    if (publish_token !== undefined) tokens.set(id, { publish: publish_token, read: read_token });
  }

  return {
    bound,
    async overHttp(operation, example) {
      const input = inputOf(example);
      const secret = secretOf(operation, input);
      const endpoint = endpointsOf(operation)[0]!;
      const { target, headers, sent } = placed(operation, endpoint, input);
      if (secret !== null)
        headers[secret.header] = secret.header === "Authorization" ? `Bearer ${secret.token}` : secret.token;
      const reply = await client.send(endpoint.method, target, { headers, ...sent });
      learn(reply.body);
      return { status: reply.status, value: reply.body };
    },
    async throughCorridor(operation, example) {
      const input = inputOf(example);
      const secret = secretOf(operation, input);
      const rule = bodyRuleOf(operation)?.stream;
      const read = rule === undefined ? input : { ...input, [rule]: new Blob([input[rule] as string]).stream() };
      const { status, value } = await corridor(operation, {
        face: "mcp",
        requestId: "example",
        address: "192.0.2.1",
        origin: "http://millrace.test",
        signal: new AbortController().signal,
        secret: (header) => (secret?.header === header ? secret.token : null),
        bearer: () => (secret?.header === "Authorization" ? secret.token : null),
        query: () => null,
        early: input,
        read: async () => read,
      });
      learn(value);
      return { status, value };
    },
    compare(example, value) {
      hold(example.output, value, { path: "the answer", bound });
    },
  };
}

/** The input as a request to the endpoint, each field where it travels. */
export function placed(operation: Operation, endpoint: Endpoint, input: Record<string, unknown>) {
  const headers: Record<string, string> = {};
  const query = new URLSearchParams();
  const body: Record<string, unknown> = {};
  let sent: { body?: unknown; raw?: Uint8Array<ArrayBuffer> } = {};
  const { whole, stream } = bodyRuleOf(operation) ?? {};
  for (const { name, place, header } of fieldsOf(operation, endpoint)) {
    const value = input[name];
    if (value === undefined || place === "path") continue;
    if (place === "query") query.append(name, String(value));
    else if (place === "rest") {
      for (const pair of value as string[])
        query.append(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    } else if (header !== null) headers[header] = String(value);
    else if (name === stream) sent = { raw: new TextEncoder().encode(String(value)) };
    else if (name === whole) sent = { body: value };
    else body[name] = value;
  }
  const bodiless = endpoint.method === "GET" || endpoint.method === "DELETE";
  if (!bodiless && whole === undefined && stream === undefined) sent = { body };
  const path = endpoint.path.replace(/:([a-z_]+)(\{[^}]*\})?/g, (_, name: string) =>
    encodeURIComponent(String(input[name])),
  );
  return { target: `${path}${query.size === 0 ? "" : `?${query}`}`, headers, sent };
}

/** The `$NAME`s in a declared value. */
export function namesOf(declared: unknown): string[] {
  const names: string[] = [];
  fill(declared, (name) => names.push(name));
  return names;
}

function nameOf(declared: unknown): string | null {
  return typeof declared === "string" ? (/^\$([A-Z_]+)$/.exec(declared)?.[1] ?? null) : null;
}

function fill(declared: unknown, value: (name: string) => unknown): unknown {
  const name = nameOf(declared);
  if (name !== null) return value(name);
  if (Array.isArray(declared)) return declared.map((item) => fill(item, value));
  if (typeof declared !== "object" || declared === null) return declared;
  return Object.fromEntries(Object.entries(declared).map(([key, item]) => [key, fill(item, value)]));
}

function hold(declared: unknown, value: unknown, at: { path: string; bound: Map<string, unknown> }): void {
  const name = nameOf(declared);
  if (name !== null) {
    holdName(name, value, at);
    return;
  }
  if (typeof declared !== "object" || declared === null) {
    if (declared !== value)
      throw new Error(`${at.path} is ${JSON.stringify(value)}, the example says ${JSON.stringify(declared)}`);
    return;
  }
  const [wanted, given] = [declared, value].map((item) =>
    Object.keys(item ?? {})
      .sort()
      .join(", "),
  );
  if (wanted !== given || Array.isArray(declared) !== Array.isArray(value))
    throw new Error(`${at.path} has ${given}, the example says ${wanted}`);
  for (const [key, item] of Object.entries(declared)) {
    hold(item, (value as Record<string, unknown>)[key], { ...at, path: `${at.path}.${key}` });
  }
}

function holdName(name: string, value: unknown, { path, bound }: { path: string; bound: Map<string, unknown> }): void {
  const shape = shapes.find(([names]) => names.test(name))?.[1];
  if (shape === undefined) throw new Error(`nobody has said yet what $${name} looks like`);
  if ((typeof value !== "string" && typeof value !== "number") || !shape.test(String(value)))
    throw new Error(`${path} is ${JSON.stringify(value)}, which is no $${name}`);
  // Every time is another one.
  if (name === "TIME") return;
  if (bound.has(name) && bound.get(name) !== value)
    throw new Error(`${path} is ${value}, $${name} was ${bound.get(name)}`);
  bound.set(name, value);
}

/** Paths of the fields in `value` that `schema` does not declare. */
export function undeclared(schema: AnySchema, value: unknown, path = ""): string[] {
  const { type, entries, item, wrapped, options } = schema as AnySchema &
    Partial<{ entries: Record<string, AnySchema>; item: AnySchema; wrapped: AnySchema; options: AnySchema[] }>;
  // Of alternatives the value has to keep to one.
  if (type === "union" && options !== undefined)
    return options
      .map((one) => undeclared(one, value, path))
      .reduce((one, other) => (other.length < one.length ? other : one));
  if (wrapped !== undefined) return value === null || value === undefined ? [] : undeclared(wrapped, value, path);
  if (type === "array" && item !== undefined)
    return Array.isArray(value) ? value.flatMap((one, index) => undeclared(item, one, `${path}[${index}]`)) : [path];
  if (entries === undefined) return [];
  return Object.entries(value as object).flatMap(([name, inner]) =>
    entries[name] === undefined ? [`${path}.${name}`] : undeclared(entries[name], inner, `${path}.${name}`),
  );
}

/** The examples that give the names which `example` needs, and the names that those need, first things first. */
export function stepsBefore(
  example: Example,
  operations: readonly Operation[],
  given: ReadonlySet<string>,
): [CallOperation & Operation, Example][] {
  const steps: [CallOperation & Operation, Example][] = [];
  const have = new Set(given);
  function add(operation: CallOperation & Operation, step: Example): void {
    if (steps.some(([, other]) => other === step)) return;
    prepare(step);
    steps.push([operation, step]);
  }
  function prepare({ input, after = [] }: Example): void {
    for (const [name, index] of after) add(...exampleOf(name, index, operations));
    for (const name of namesOf(input)) {
      if (have.has(name)) continue;
      have.add(name);
      add(...producerOf(name, operations));
    }
  }
  prepare(example);
  return steps;
}

function exampleOf(
  name: string,
  index: number,
  operations: readonly Operation[],
): [CallOperation & Operation, Example] {
  const operation = operations.find((candidate) => candidate.name === name);
  const found = operation?.examples?.[index];
  if (operation?.kind !== "call" || found === undefined) throw new Error(`there is no example ${index} of ${name}`);
  return [operation, found];
}

function producerOf(name: string, operations: readonly Operation[]): [CallOperation & Operation, Example] {
  for (const operation of operations) {
    if (operation.kind !== "call") continue;
    const found = operation.examples?.find(
      (example) => namesOf(example.output).includes(name) && !namesOf(example.input).includes(name),
    );
    if (found !== undefined) return [operation, found];
  }
  throw new Error(`no example answers $${name}`);
}
