/** `GET /llms.txt`: where a model finds what, in the form of llmstxt.org, read from the declarations. */
import type { Capability } from "../../kernel/capability.ts";
import { publicBase } from "../../kernel/public_base.ts";
import type { Settings } from "../../kernel/settings.ts";
import type { Route } from "../route.ts";
import { modesAmong } from "./manual.ts";
import { serveText } from "./text.ts";

/** The route, on every app. */
export function llmsRoutes(capabilities: readonly Capability[], settings: Settings): Route[] {
  const serve = serveText((origin) => ({
    type: "text/plain; charset=utf-8",
    body: llms(capabilities, settings, origin),
    headers: { "X-Content-Type-Options": "nosniff" },
  }));
  return [{ method: "GET", path: "/llms.txt", app: "all", serve }];
}

function llms(capabilities: readonly Capability[], settings: Settings, origin: string): string {
  const rest = publicBase("rest", origin, settings);
  const site = publicBase("site", origin, settings);
  const mcp = publicBase("mcp", origin, settings);
  const modes = modesAmong(capabilities);
  const others = capabilities.filter(({ mode }) => mode === undefined);
  return `# Millrace

> One server that agents, scripts and people share: durable channels, documents, queues, tables and files, over REST, Server-Sent Events and MCP.

REST takes and gives JSON. The data modes take a token as \`Authorization: Bearer\`, over MCP too; channels have tokens of their own. Each manual is Markdown with curl lines that were run as they stand.

## Data modes

${modes.map(({ title, mode }) => `- [${title}](${rest}${mode.root}): ${mode.note}`).join("\n")}

## Other abilities

${others.map(({ name, title, about }) => `- [${title}](${site}/reference#${name}): ${about}`).join("\n")}

## Reference

- [Reference](${site}/reference): every operation with its fields, limits, errors and examples, for people
- [OpenAPI 3.1](${rest}/openapi.json): the same for programs
- [MCP](${mcp}/mcp): Streamable HTTP; the operations as tools. [About this server](${mcp}/.well-known/mcp-server)
- [Health](${rest}/health): the database's state, the data modes and the shapes of their records
`;
}
