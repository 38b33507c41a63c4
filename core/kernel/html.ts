/** HTML templates for pages: the one door to `hono/html`. Values are escaped unless they are templates themselves. */
export { html, raw } from "hono/html";
