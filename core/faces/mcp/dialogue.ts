/**
 * From one request to its reply through the SDK's protocol core. Each request has a Server of its own: one that is shared
 * delivers answers to the wrong caller (CVE-2026-25536). Nothing here knows of HTTP.
 */
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CallToolRequestSchema,
  ErrorCode,
  type JSONRPCMessage,
  type JSONRPCRequest,
  ListToolsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { hideSecrets } from "../../kernel/credential.ts";
import { quote } from "../../kernel/fields.ts";
import { instructions, protocolVersions, serverName, serverTitle } from "./about.ts";
import { type Asked, type Failure, failure, knownMethods, wrongParams } from "./message.ts";
import type { Caller, Registry } from "./registry.ts";

export type Dialogue = (asked: Asked, caller: Caller) => Promise<JSONRPCMessage | Failure>;

type ServerOptions = NonNullable<ConstructorParameters<typeof Server>[1]>;

/** Answers requests with the tools of the registry; never rejects. */
export function createDialogue(registry: Registry, version: string): Dialogue {
  const identity = { name: serverName, title: serverTitle, version };
  const options: ServerOptions = { capabilities: { tools: {} }, instructions, jsonSchemaValidator: unusedValidator };

  function serverFor(args: Asked["args"], caller: Caller): Server {
    const server = new Server(identity, options);
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
      if (params?.cursor === undefined) return { tools: registry.tools };
      throw protocolError(ErrorCode.InvalidParams, "The list of tools is one page; leave cursor out");
    });
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
      const result = registry.call(params.name, args, caller);
      if (result !== null) return result;
      const guess = registry.nearest(params.name);
      const advice = guess === null ? "tools/list shows which there are" : `did you mean ${guess}?`;
      throw protocolError(ErrorCode.InvalidParams, `There is no tool ${quote(params.name)}; ${advice}`);
    });
    server.fallbackRequestHandler = async ({ method }) => {
      throw protocolError(
        ErrorCode.MethodNotFound,
        `There is no method ${quote(method)} here; there are ${knownMethods()}`,
      );
    };
    return server;
  }

  return async ({ request, args }, caller) => {
    const wrong = wrongParams(request);
    if (wrong !== null) return failure(request.id, ErrorCode.InvalidParams, wrong);
    const server = serverFor(args, caller);
    return new Promise((resolve) => {
      const transport: Transport = {
        start: async () => {},
        close: async () => {},
        send: async (message) => resolve(message),
      };
      void server.connect(transport).then(() => transport.onmessage!(understood(request)));
    });
  };
}

/**
 * The request as the SDK is to see it. It would negotiate versions that were never spoken here; and it would refuse a call that asks for a
 * task, where a server without tasks must ignore the wish (2025-11-25, tasks).
 */
function understood(request: JSONRPCRequest): JSONRPCRequest {
  if (request.params === undefined) return request;
  const { task: _, ...params } = request.params;
  if (request.method === "initialize" && !protocolVersions.includes(params.protocolVersion as string)) {
    params.protocolVersion = protocolVersions[0];
  }
  return { ...request, params };
}

/** Only elicitation would use it, and the SDK's own costs 0.4 ms per Server. */
const unusedValidator: NonNullable<ServerOptions["jsonSchemaValidator"]> = {
  getValidator() {
    throw new Error("nothing is elicited");
  },
};

/** An error whose words reach the caller as they are; the SDK's McpError puts its code before them. */
function protocolError(code: ErrorCode, message: string): Error {
  return Object.assign(new Error(hideSecrets(message)), { code });
}
