/**
 * What a tool says of itself: its JSON Schemas and its hints, derived from the operation. A declaration that hosts would refuse is an
 * error when the server is built, not when somebody lists the tools.
 */
import type { Tool, ToolAnnotations } from "@modelcontextprotocol/sdk/types.js";
import { credentialKinds } from "../../kernel/credential.ts";
import { jsonSchema } from "../../kernel/json_schema.ts";
import {
  type CallOperation,
  type CredentialNeed,
  credentialNeedOf,
  endpointsOf,
  type Needs,
  scopeNeedOf,
} from "../../kernel/operation.ts";
import type { JsonObject } from "../../ports/json.ts";

export type ToolOperation = CallOperation & { name: string; tool: string };

const NAME = /^[a-z][a-z0-9_]{0,39}$/;
const COMBINATORS = ["oneOf", "anyOf", "allOf"] as const;

/** The tool as `tools/list` shows it. */
export function toolOf(operation: ToolOperation): Tool {
  if (!NAME.test(operation.tool))
    throw wrong(operation, `the tool name ${operation.tool} is not 1 to 40 of a-z, 0-9 and _`);
  const title = operation.summary.replace(/\.$/, "");
  return {
    name: operation.tool,
    title,
    description: descriptionOf(operation),
    inputSchema: inputSchemaOf(operation),
    outputSchema: objectSchema(operation, jsonSchema(operation.output, "output")),
    annotations: { title, ...hintsOf(operation) },
  };
}

function descriptionOf({ summary, details, needs }: ToolOperation): string {
  const need = scopeNeedOf(needs);
  const also = need?.also === undefined ? "" : `; ${need.also.words}`;
  const right =
    need === null ? null : `Needs a bearer token with ${need.scope}:${need.access} on this connection${also}.`;
  return [summary, details, right].filter((words) => words !== undefined && words !== null).join(" ");
}

/** The argument that carries the operation's credential, or null when it takes none. */
export function credentialArgument(needs: Needs): string | null {
  const need = credentialNeedOf(needs);
  return need === null ? null : credentialKinds[need.credential].argument;
}

function inputSchemaOf(operation: ToolOperation): Tool["inputSchema"] {
  if (operation.needs === "internal")
    throw wrong(operation, "a tool cannot need the internal token, which never comes over MCP");
  const schema = objectSchema(operation, jsonSchema(operation.input, "input"));
  const { properties = {}, required = [] } = schema;
  const needs = credentialNeedOf(operation.needs);
  if (needs === null) return { ...schema, additionalProperties: false };
  const { argument } = credentialKinds[needs.credential];
  if (Object.hasOwn(properties, argument))
    throw wrong(operation, `the input field ${argument} hides the credential of that name`);
  return {
    ...schema,
    properties: { [argument]: credentialSchema(needs), ...properties },
    required: needs.optional ? required : [argument, ...required],
    additionalProperties: false,
  };
}

function credentialSchema(needs: CredentialNeed): JsonObject {
  const { prefix, words } = credentialKinds[needs.credential];
  const when = needs.optional ? "; leave it out where none is needed" : "";
  return {
    type: "string",
    format: "password",
    description: `The ${words} for this ${needs.of}, ${prefix}_… as it was shown once${when}. A secret: do not repeat it`,
  };
}

/** Hosts refuse a combinator at the top of an input schema, and clients the whole list for an output schema that is no object. */
function objectSchema(operation: ToolOperation, schema: JsonObject): Tool["inputSchema"] {
  const combinator = COMBINATORS.find((name) => Object.hasOwn(schema, name));
  if (combinator !== undefined) throw wrong(operation, `a schema has ${combinator} at its top`);
  if (schema.type !== "object") throw wrong(operation, "a schema is not one of an object");
  return schema as Tool["inputSchema"];
}

function hintsOf(operation: ToolOperation): ToolAnnotations {
  const effect = operation.effect ?? effectByMethod(operation);
  return {
    readOnlyHint: effect === "read",
    destructiveHint: effect === "destroy",
    idempotentHint: operation.idempotent ?? effect === "read",
    openWorldHint: operation.openWorld ?? false,
  };
}

function effectByMethod(operation: ToolOperation): "read" | "write" | "destroy" {
  const methods = endpointsOf(operation).map(({ method }) => method);
  if (methods.includes("DELETE")) return "destroy";
  return methods.length > 0 && methods.every((method) => method === "GET") ? "read" : "write";
}

function wrong(operation: ToolOperation, what: string): Error {
  return new Error(`${operation.name} cannot be a tool: ${what}`);
}
