/** The MCP face: a reader of the declared operations, on `/mcp` and its alias `/sse`. The only door to the MCP SDK. */
import type { House } from "../../kernel/context.ts";
import type { Corridor } from "../../kernel/invoke.ts";
import type { Operation } from "../../kernel/operation.ts";
import { json, type Route } from "../route.ts";
import { discoveryDocument } from "./about.ts";
import { createDialogue } from "./dialogue.ts";
import { createEndpoint } from "./endpoint.ts";
import { createRegistry } from "./registry.ts";

/** The routes of the mcp app. Throws when an operation's declaration could not be a tool. */
export function mcpRoutes(operations: readonly Operation[], corridor: Corridor, house: House): Route[] {
  const { settings } = house;
  const registry = createRegistry(operations, corridor, house);
  const serve = createEndpoint(createDialogue(registry, settings.version), house);
  return [
    { method: "POST", path: "/mcp", app: "mcp", serve },
    { method: "POST", path: "/sse", app: "mcp", serve },
    {
      method: "GET",
      path: "/.well-known/mcp-server",
      app: "mcp",
      serve: ({ origin }) => json(discoveryDocument(settings, origin)),
    },
  ];
}
