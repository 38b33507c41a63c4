/** The few lines for people that a start prints: where it is, how to try it, how to add it to an agent. */
import type { AppName } from "../core/mod.ts";
import type { Config } from "./config.ts";

/** What a start has come to. */
export interface Started {
  ports: ReadonlyMap<AppName, number>;
  /** Why it cannot serve yet, in words for the operator; null: it can. */
  missing: string | null;
}

export function banner(config: Config, { ports, missing }: Started): string {
  const at = (app: AppName) => (ports.has(app) ? `http://localhost:${ports.get(app)}` : null);
  const rest = config.restBase ?? at("rest");
  const stream = config.channelBase ?? at("connections");
  const mcp = config.mcpBase ?? at("mcp");
  const where = [...new Set([at("site"), at("rest"), at("mcp"), at("connections")])].filter((url) => url !== null);
  const name = `Millrace ${config.version}`;
  if (missing !== null) return `${name} is listening on ${where.join(", ")}, but not ready: ${missing}\n\n`;
  const lines = [`${name} is ready on ${where.join(", ")}`];
  if (rest !== null) lines.push("", "Create a channel and publish:", `  ${publishLine(rest)}`);
  if (stream !== null)
    lines.push("", "Follow it (in the same shell):", `  curl -N "${stream}/channel/v1/public/$ID?from=earliest"`);
  if (mcp !== null)
    lines.push("", "Add the MCP server to Claude Code:", `  claude mcp add --transport http millrace ${mcp}/mcp`);
  if (rest !== null) lines.push("", ...modeLines(config, rest));
  return `${lines.join("\n")}\n\n`;
}

function modeLines({ datastoreToken }: Config, rest: string): string[] {
  if (datastoreToken !== null)
    return [
      "Documents, queues, tables and files take DATASTORE_TOKEN as a bearer; the manuals:",
      `  curl ${rest}/document`,
    ];
  return [
    "Documents, queues, tables and files are closed; to open them, set a token of your choice:",
    "  DATASTORE_TOKEN=$(openssl rand -hex 32) npm start",
  ];
}

function publishLine(rest: string): string {
  return [
    `C=$(curl -s ${rest}/v1/channels -d '{"name":"demo","visibility":"public"}')`,
    `ID=$(echo "$C" | sed 's/.*"id":"\\([^"]*\\).*/\\1/')`,
    `TOKEN=$(echo "$C" | sed 's/.*"publish_token":"\\([^"]*\\).*/\\1/')`,
    `curl -s ${rest}/v1/channels/$ID/publish -H "X-Publish-Token: $TOKEN" -d 'hello'`,
  ].join("; ");
}
