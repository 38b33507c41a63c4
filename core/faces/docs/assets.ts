/** The static files of the pages, from strings: the one place that serves them. */
import { icon } from "../../kernel/layout.ts";
import { stylesheet } from "../../kernel/stylesheet.ts";
import type { Route } from "../route.ts";
import { demoScript } from "./demo_script.ts";
import { pageScript } from "./page_script.ts";
import { serveText } from "./text.ts";

const assets = [
  { name: "style.css", type: "text/css; charset=utf-8", body: stylesheet },
  { name: "page.js", type: "text/javascript; charset=utf-8", body: pageScript },
  { name: "demo.js", type: "text/javascript; charset=utf-8", body: demoScript },
  { name: "icon.svg", type: "image/svg+xml; charset=utf-8", body: icon },
] as const;

/** `GET /assets/…` on the site. */
export function assetRoutes(): Route[] {
  return assets.map(({ name, type, body }) => ({
    method: "GET",
    path: `/assets/${name}`,
    app: "all",
    serve: serveText(() => ({ type, body, headers: { "X-Content-Type-Options": "nosniff" } })),
  }));
}
