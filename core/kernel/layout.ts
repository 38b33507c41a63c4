/** The frame around every page: head, navigation, content, footer. Pages bring words and sections; where they stand is decided here. */
import { html } from "./html.ts";

/** A piece of a page: what the `html` tag gives. */
export type Markup = ReturnType<typeof html>;

export interface PageParts {
  title: string;
  /** One sentence for search results and link previews. */
  description: string;
  /** The page's own path, for the navigation. */
  path: string;
  version: string;
  content: Markup;
  /** Paths of module scripts beyond the one of every page. */
  scripts?: readonly string[];
}

/** Media type of pages. */
export const HTML = "text/html; charset=utf-8";

const links = [
  { path: "/reference", words: "Reference" },
  { path: "/openapi.json", words: "OpenAPI" },
] as const;

/** The whole page as text. */
export async function layout({ title, description, path, version, content, scripts = [] }: PageParts): Promise<string> {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<meta name="description" content="${description}">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/style.css">
${["/assets/page.js", ...scripts].map((script) => html`<script type="module" src="${script}"></script>\n`)}</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="wrap top">
<a class="brand" href="/">${mark}<span>Millrace</span></a>
<nav aria-label="Pages">${links.map((link) => html`<a href="${link.path}"${path === link.path ? html` aria-current="page"` : ""}>${link.words}</a>`)}</nav>
</header>
<main id="content" tabindex="-1">${content}</main>
<footer class="bottom"><div class="wrap">
<p>Millrace ${version}</p>
<nav aria-label="More">${links.map((link) => html`<a href="${link.path}">${link.words}</a>`)}<a href="/healthz">Health</a><a href="/readyz">Readiness</a></nav>
</div></footer>
</body>
</html>
`;
  return String(await page);
}

/** A piece of code that the reader may copy with a button. */
export function codeBlock(code: string, caption: Markup | string): Markup {
  return html`<figure class="code copyable"><figcaption>${caption}</figcaption><pre><code>${code}</code></pre></figure>`;
}

/** Text in which `backticks` mark code. */
export function prose(text: string): Markup {
  return html`${text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

/** A wheel in the water: drawn in the colour of the text around it. */
const markShapes = html`<circle cx="16" cy="13" r="8.5" fill="none" stroke="currentColor" stroke-width="2"/><path d="M16 2.5v21M5.5 13h21M8.6 5.6l14.8 14.8M23.4 5.6 8.6 20.4" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/><path d="M1.5 27.5c3.6 0 3.6-3 7.2-3s3.7 3 7.3 3 3.7-3 7.3-3 3.6 3 7.2 3" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>`;

const mark = html`<svg viewBox="0 0 32 32" aria-hidden="true">${markShapes}</svg>`;

/** The text of `/assets/icon.svg`. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" color="#0a7f99">${markShapes}</svg>\n`;
