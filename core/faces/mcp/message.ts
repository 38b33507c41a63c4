/** JSON-RPC messages as they come in: which kind one is, and in words for people why it is none. */
import {
  CallToolRequestSchema,
  ErrorCode,
  InitializeRequestSchema,
  isJSONRPCErrorResponse,
  isJSONRPCResultResponse,
  JSONRPCNotificationSchema,
  type JSONRPCRequest,
  JSONRPCRequestSchema,
  ListToolsRequestSchema,
  PingRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { hideSecrets } from "../../kernel/credential.ts";
import { parseJson, refuseUnsafe } from "../../kernel/json_text.ts";
import { Fault } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";

type Id = string | number | null;

/** The answer to a message that was not carried out. */
export interface Failure {
  jsonrpc: "2.0";
  id: Id;
  error: { code: number; message: string; data?: JsonObject };
}

/**
 * A request, and beside it the arguments of a tool call as they were sent: the corridor alone looks into them. The SDK's schemas would take
 * seconds over 200,000 keys, and silently drop a key named __proto__.
 */
export interface Asked {
  request: JSONRPCRequest;
  args: Readonly<Record<string, unknown>>;
}

export type Received =
  | ({ kind: "request" } & Asked)
  /** A notification or a response: it gets no answer. */
  | { kind: "silent" }
  | { kind: "refused"; failure: Failure };

/** What zod says of a value; the part of it that is used here. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const paramsOf = {
  initialize: InitializeRequestSchema,
  ping: PingRequestSchema,
  "tools/list": ListToolsRequestSchema,
  "tools/call": CallToolRequestSchema,
} as const;

export function failure(id: Id, code: ErrorCode, message: string, data?: JsonObject): Failure {
  return {
    jsonrpc: "2.0",
    id,
    error: { code, message: hideSecrets(message), ...(data === undefined ? {} : { data }) },
  };
}

/** Reads one message from a request's body. */
export function receive(bytes: Uint8Array): Received {
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return refused(null, error.message, ErrorCode.ParseError);
  }
  if (Array.isArray(value))
    return refused(null, "The body is a batch; batches were removed from MCP in 2025-06-18; send one message");
  if (!isRecord(value)) return refused(null, "The body is no JSON object; send one JSON-RPC 2.0 message");
  const { message, args } = apart(value);
  const { jsonrpc, method, id } = message;
  const known = typeof id === "string" || Number.isSafeInteger(id) ? (id as string | number) : null;
  const unsafe = whyUnsafe(message);
  if (unsafe !== null) return refused(known, unsafe);
  if (jsonrpc !== "2.0") return refused(known, 'The message is not JSON-RPC 2.0; it needs "jsonrpc": "2.0"');
  if (method === undefined) {
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) return { kind: "silent" };
    return refused(known, "The message has no method and is no response either; send jsonrpc, id and method");
  }
  const schema = id === undefined ? JSONRPCNotificationSchema : JSONRPCRequestSchema;
  const checked = schema.safeParse(message);
  if (!checked.success) return refused(known, `The message is malformed: ${describe(checked.error.issues)}`);
  return id === undefined ? { kind: "silent" } : { kind: "request", request: checked.data as JSONRPCRequest, args };
}

function apart(value: Record<string, unknown>): { message: Record<string, unknown>; args: Asked["args"] } {
  const { params } = value;
  if (!isRecord(params) || !isRecord(params.arguments)) return { message: value, args: {} };
  return { message: { ...value, params: { ...params, arguments: {} } }, args: params.arguments };
}

/** Nesting, keys and characters, before a schema walks over them. */
function whyUnsafe(message: Record<string, unknown>): string | null {
  try {
    refuseUnsafe(message);
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is wrong with a known method's parameters, or null. */
export function wrongParams(request: JSONRPCRequest): string | null {
  if (!isKnown(request.method)) return null;
  const checked = paramsOf[request.method].safeParse(request);
  return checked.success ? null : `The parameters of ${request.method} are wrong: ${describe(checked.error.issues)}`;
}

/** The methods with an answer, in words. */
export function knownMethods(): string {
  return Object.keys(paramsOf).join(", ");
}

function isKnown(method: string): method is keyof typeof paramsOf {
  return Object.hasOwn(paramsOf, method);
}

function refused(id: Id, message: string, code = ErrorCode.InvalidRequest): Received {
  return { kind: "refused", failure: failure(id, code, message) };
}

/** Names the place and the type, never the value: it may be a secret. */
function describe(issues: readonly Issue[]): string {
  const { code, path, message } = issues[0]!;
  const where = path.map(String).join(".").slice(0, 80);
  if (where === "id") return "id must be a string or a whole number";
  if (code === "unrecognized_keys") return `${where || "a message"} has members that nobody knows; leave them out`;
  const words = message.replace("Invalid input: ", "").replaceAll("record", "object");
  return words.endsWith("received undefined") ? `${where} is missing` : `${where}: ${words}`;
}
