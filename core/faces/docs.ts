/** The reference page and the static assets of all pages. */
import type { Capability } from "../kernel/capability.ts";
import type { Settings } from "../kernel/settings.ts";
import type { Route } from "./route.ts";

export function docsRoutes(capabilities: readonly Capability[], settings: Settings): Route[] {
  void capabilities;
  void settings;
  return [];
}
