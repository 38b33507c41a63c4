/** The reference page, the manuals of the data modes, llms.txt and the static files of all pages, derived from the declarations. */
import type { Capability } from "../kernel/capability.ts";
import { HTML } from "../kernel/layout.ts";
import type { Settings } from "../kernel/settings.ts";
import { assetRoutes } from "./docs/assets.ts";
import { llmsRoutes } from "./docs/llms.ts";
import { manualRoutes } from "./docs/manual.ts";
import { reference } from "./docs/reference.ts";
import { serveText } from "./docs/text.ts";
import { pageHeaders } from "./page_headers.ts";
import type { Route } from "./route.ts";

/** `GET /reference` and `GET /assets/…` on the site; `GET /llms.txt` and the manual of each data mode on every app. */
export function docsRoutes(capabilities: readonly Capability[], settings: Settings): Route[] {
  const serve = serveText(async (origin) => ({
    type: HTML,
    body: await reference(capabilities, settings, origin),
    headers: pageHeaders(settings),
  }));
  return [
    { method: "GET", path: "/reference", app: "site", serve },
    ...manualRoutes(capabilities, settings),
    ...llmsRoutes(capabilities, settings),
    ...assetRoutes(),
  ];
}
