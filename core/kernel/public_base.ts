/** Under which address the world reaches an app: as configured, else as the caller came, on the port that the app has in this process. */
import type { AppName } from "../ports/host.ts";
import type { Settings } from "./settings.ts";

/** Scheme and host of an app, without a trailing slash. */
export function publicBase(app: AppName, origin: string, settings: Settings): string {
  const configured = { site: null, rest: settings.restBase, mcp: settings.mcpBase, connections: settings.channelBase }[
    app
  ];
  if (configured !== null) return configured;
  const port = settings.ports?.[app];
  if (port === undefined) return origin;
  const url = new URL(origin);
  url.port = String(port);
  return url.origin;
}
