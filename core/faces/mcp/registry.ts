/** The tools: one for each operation that names one, made once. It knows nothing of protocol versions, sessions or HTTP. */
import type { CallToolResult, Tool } from "@modelcontextprotocol/sdk/types.js";
import type { Call } from "../../kernel/call.ts";
import type { House } from "../../kernel/context.ts";
import { asFault, type Corridor } from "../../kernel/invoke.ts";
import { nearest } from "../../kernel/nearest.ts";
import { type Operation, scopeNeedOf } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import { envelope } from "../route.ts";
import { credentialArgument, type ToolOperation, toolOf } from "./tool_schema.ts";

/** Where a call comes from, and the bearer of the connection. */
export type Caller = Pick<Call, "requestId" | "address" | "origin" | "signal" | "bearer">;

type Arguments = Readonly<Record<string, unknown>>;

export interface Registry {
  /** The tools in declared order. */
  readonly tools: Tool[];
  /** Calls a tool; a failure is a result too. Null: there is no such tool. */
  call(name: string, args: Arguments, caller: Caller): Promise<CallToolResult> | null;
  /** The name that was probably meant. */
  nearest(name: string): string | null;
}

export function createRegistry(operations: readonly Operation[], corridor: Corridor, house: House): Registry {
  const named = new Map<string, ToolOperation>();
  for (const operation of operations.filter(isTool)) {
    const other = named.get(operation.tool);
    if (other !== undefined) throw new Error(`${operation.name} and ${other.name} are both the tool ${operation.tool}`);
    named.set(operation.tool, operation);
  }

  async function run(operation: ToolOperation, args: Arguments, caller: Caller): Promise<CallToolResult> {
    try {
      const { value } = await corridor(operation, callOf(operation, args, caller));
      // The text repeats the structured content: some hosts show a model only the one, some only the other.
      return {
        content: [{ type: "text", text: JSON.stringify(value) }],
        structuredContent: value as Record<string, unknown>,
      };
    } catch (error) {
      return failed(error instanceof Fault ? error : asFault(error, house, caller.requestId), caller.requestId);
    }
  }

  return {
    tools: Array.from(named.values(), toolOf),
    call(name, args, caller) {
      const operation = named.get(name);
      return operation === undefined ? null : run(operation, args, caller);
    },
    nearest: (name) => nearest(name, [...named.keys()]),
  };
}

function isTool(operation: Operation): operation is ToolOperation {
  return operation.kind === "call" && typeof operation.tool === "string";
}

/** The arguments as the corridor wants them: a credential of one subject comes as an argument, a token with scopes as the connection's bearer. */
function callOf(operation: ToolOperation, args: Arguments, caller: Caller): Call {
  const argument = credentialArgument(operation.needs);
  if (argument === null || !Object.hasOwn(args, argument))
    return carried(operation, args, { caller, secret: () => null });
  const { [argument]: secret, ...fields } = args;
  return carried(operation, fields, { caller, secret: () => secretOf(argument, secret) });
}

function carried(
  { needs }: ToolOperation,
  fields: Arguments,
  { caller, secret }: { caller: Caller; secret: Call["secret"] },
): Call {
  const none = () => null;
  const bearer = scopeNeedOf(needs) !== null || needs === "each" ? caller.bearer : none;
  return { face: "mcp", ...caller, secret, bearer, query: none, early: fields, read: async () => fields };
}

function secretOf(argument: string, value: unknown): string | null {
  if (typeof value === "string") return value.trim() || null;
  const type = value === null ? "null" : Array.isArray(value) ? "an array" : `of type ${typeof value}`;
  throw new Fault("invalid_input", `${argument} is ${type}; send the token as a string`, {
    details: { field: argument },
  });
}

/** Without structuredContent: clients hold that against the output schema even when it is an error. */
function failed(fault: Fault, requestId: string): CallToolResult {
  const { error } = envelope(fault, requestId);
  const { message, ...particulars } = error;
  return { isError: true, content: [{ type: "text", text: `${error.code}: ${message}` }], _meta: particulars };
}
