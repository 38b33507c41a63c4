/** The reference page and the static files of all pages, derived from the declarations: nothing is documented by hand. */
import type { Capability } from "../kernel/capability.ts";
import { HTML } from "../kernel/layout.ts";
import type { Settings } from "../kernel/settings.ts";
import { assetRoutes } from "./docs/assets.ts";
import { reference } from "./docs/reference.ts";
import { serveText } from "./docs/text.ts";
import { pageHeaders } from "./page_headers.ts";
import type { Route } from "./route.ts";

/** `GET /reference` and `GET /assets/…`, on the site. */
export function docsRoutes(capabilities: readonly Capability[], settings: Settings): Route[] {
  const serve = serveText(async (origin) => ({
    type: HTML,
    body: await reference(capabilities, settings, origin),
    headers: pageHeaders(settings),
  }));
  return [{ method: "GET", path: "/reference", app: "site", serve }, ...assetRoutes()];
}
