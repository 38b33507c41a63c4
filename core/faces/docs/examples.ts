/** Examples as they are typed: a curl line and an MCP request, both from the declared input. `$NAME` values stay shell variables. */

import { credentialKinds } from "../../kernel/credential.ts";
import { bodyRuleOf, type Endpoint, type Example, endpointsOf, type Operation } from "../../kernel/operation.ts";
import { publicBase } from "../../kernel/public_base.ts";
import type { Settings } from "../../kernel/settings.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { fieldsOf, hasBody, rawFieldOf } from "./fields.ts";

/** Where the apps answer, as the reader reaches them. */
export type Base = (app: Endpoint["app"]) => string;

export function baseOf(settings: Settings, origin: string): Base {
  return (app) => {
    return app === "all" ? origin : publicBase(app, origin, settings);
  };
}

/** An example as it is shown; without an answer where none was declared. */
export interface ShownExample {
  input: JsonObject;
  output: Json | undefined;
}

/** The declared examples; where there are none, the least that can be sent. */
export function examplesOf(operation: Operation): ShownExample[] {
  const declared: readonly Example[] = operation.examples ?? [];
  if (declared.length > 0) return declared.map(({ input, output }) => ({ input, output }));
  const needed = fieldsOf(operation, endpointsOf(operation)[0] ?? null).filter(({ required }) => required);
  const input = Object.fromEntries(
    needed.map(({ name, schema }) => [name, (schema.enum as Json[] | undefined)?.[0] ?? `$${name.toUpperCase()}`]),
  );
  return [{ input, output: undefined }];
}

/** The curl line of an input at an endpoint. */
export function curlLine(
  operation: Operation,
  { endpoint, input, base }: { endpoint: Endpoint; input: JsonObject; base: Base },
): string {
  const query = new Map<string, Json>();
  const pairs: string[] = [];
  const body: JsonObject = {};
  const options: string[] = [];
  const header = (name: string, value: string) => options.push(`-H ${quoted(`${name}: ${value}`)}`);
  let { path } = endpoint;
  const token = tokenOf(operation, input);
  if (token !== null) header(token.header, token.value);
  for (const field of fieldsOf(operation, endpoint)) {
    const value = input[field.name];
    if (value === undefined) continue;
    if (field.place === "path")
      path = path.replace(new RegExp(`:${field.name}(\\{[^}]*\\})?(?=/|$)`), () => String(value));
    else if (field.place === "query") query.set(field.name, value);
    else if (field.place === "rest") for (const pair of value as string[]) pairs.push(pair);
    else if (field.header !== null) header(field.header, String(value));
    else body[field.name] = value;
  }
  const rule = bodyRuleOf(operation);
  const only = rule?.whole ?? rule?.stream;
  if (hasBody(endpoint) && only !== undefined) {
    if (body[only] !== undefined) options.push(bodyOption(body[only], rule?.stream !== undefined));
  } else if (hasBody(endpoint)) {
    const raw = rawFieldOf(operation);
    const rawOnly = raw !== null && typeof body[raw] === "string" && Object.keys(body).length === 1;
    if (!rawOnly && Object.keys(body).length > 0) header("Content-Type", "application/json");
    if (Object.keys(body).length > 0) options.push(`-d ${quoted(rawOnly ? String(body[raw]) : JSON.stringify(body))}`);
  }
  const search = [...Array.from(query, ([name, value]) => `${name}=${String(value)}`), ...pairs].join("&");
  const url = quoted(`${base(endpoint.app)}${path}${search === "" ? "" : `?${search}`}`);
  const posts = hasBody(endpoint) && Object.keys(body).length > 0;
  const method = endpoint.method === (posts ? "POST" : "GET") ? "" : ` -X ${endpoint.method}`;
  const stream = operation.kind === "feed" ? " -N" : "";
  return [`curl${stream}${method} ${url}`, ...options].join(" \\\n  ");
}

/** A body that is one field: bytes as they are, or any JSON. */
function bodyOption(value: Json, isStream: boolean): string {
  if (isStream) return `--data-binary ${quoted(String(value))}`;
  return `--json ${quoted(JSON.stringify(value))}`;
}

/** The JSON-RPC request that calls an operation's tool; null when it is none. */
export function toolCall(operation: Operation, input: JsonObject): JsonObject | null {
  if (operation.kind !== "call" || operation.tool === false) return null;
  const token = tokenOf(operation, input);
  const given = token === null || token.argument === null ? input : { [token.argument]: token.value, ...input };
  return { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: operation.tool, arguments: given } };
}

interface Token {
  header: string;
  argument: string | null;
  value: string;
}

/** The token's variable is named like the subject's: to `$PRIVATE_CHANNEL_ID` belongs `$PRIVATE_PUBLISH_TOKEN`. */
function tokenOf({ needs }: Operation, input: JsonObject): Token | null {
  if (needs === "nobody") return null;
  if (needs === "internal") return { header: "Authorization", argument: null, value: "Bearer $INTERNAL_TOKEN" };
  if (needs === "each" || "scope" in needs) return { header: "Authorization", argument: null, value: "Bearer $TOKEN" };
  const { header, argument } = credentialKinds[needs.credential];
  const subject = String(input[needs.of]);
  const prefix = /^\$([A-Z_]+_)?[A-Z]+_ID$/.exec(subject)?.[1] ?? "";
  // Where a token is optional it is for the private ones.
  if (needs.optional && !prefix.startsWith("PRIVATE")) return null;
  return { header, argument, value: `$${needs.optional ? "" : prefix}${argument.toUpperCase()}` };
}

/** A word for a POSIX shell: single-quoted, with double quotes around variables only. */
function quoted(text: string): string {
  if (/^[^'"`\\!]*$/.test(text) && /\$[A-Z]/.test(text)) return `"${text}"`;
  return `'${text.replace(/'/g, "'\\''").replace(/\$[A-Z][A-Z_]*/g, (name) => `'"${name}"'`)}'`;
}
