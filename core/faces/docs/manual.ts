/**
 * `GET` on a data mode's root: its manual, as Markdown for programs and models, as a page for browsers. The words are the mode's own; what
 * stands around them is read from the declarations.
 */
import type { Capability, DataMode } from "../../kernel/capability.ts";
import { operationsOf } from "../../kernel/capability.ts";
import { html } from "../../kernel/html.ts";
import { HTML, layout, type Markup } from "../../kernel/layout.ts";
import { endpointsOf, type Operation, scopeNeedOf } from "../../kernel/operation.ts";
import { publicBase } from "../../kernel/public_base.ts";
import type { Settings } from "../../kernel/settings.ts";
import { pageHeaders } from "../page_headers.ts";
import type { Route } from "../route.ts";
import { templateOf } from "./fields.ts";
import { blocksOf, markupOf } from "./markdown.ts";
import { serveText } from "./text.ts";

/** A capability that is a data mode. */
export type ModeCapability = Capability & { mode: DataMode };

/** Media type of Markdown (RFC 7763). */
const MARKDOWN = "text/markdown; charset=utf-8";

export function modesAmong(capabilities: readonly Capability[]): ModeCapability[] {
  return capabilities.filter((capability): capability is ModeCapability => capability.mode !== undefined);
}

/** The manual of each mode, at its root, on every app. */
export function manualRoutes(capabilities: readonly Capability[], settings: Settings): Route[] {
  return modesAmong(capabilities).map((capability) => {
    const { mode } = capability;
    const vary = { Vary: "Accept" };
    const asMarkdown = serveText((origin) => ({
      type: MARKDOWN,
      body: `# ${capability.title}\n\n${manualOf(capability, publicBase("rest", origin, settings))}`,
      headers: { ...vary, "X-Content-Type-Options": "nosniff" },
    }));
    const asPage = serveText(async (origin) => ({
      type: HTML,
      body: await pageOf(capability, settings, publicBase("rest", origin, settings)),
      headers: { ...pageHeaders(settings), ...vary },
    }));
    return {
      method: "GET",
      path: mode.root,
      app: "all",
      serve: (exchange) => (prefersHtml(exchange.request.headers.get("accept")) ? asPage : asMarkdown)(exchange),
    };
  });
}

/** The whole manual in Markdown, without its title: the mode's own words, with what a reader needs first and the list of operations. */
function manualOf(capability: ModeCapability, base: string): string {
  const { manual } = capability.mode;
  // Whole by itself: a block that is never closed would take in what follows.
  blocksOf(manual);
  const { opening, rest } = parted(manual);
  const before = `## Before you begin

Everything here needs a token, sent as \`Authorization: Bearer\`: the service token of this server (DATASTORE_TOKEN), or one that was made with it by [POST /tokens](/reference#access.create). The same operations are MCP tools for clients that send this header to \`/mcp\`.

\`\`\`sh
export BASE=${base} TOKEN=your-token
\`\`\``;
  return [opening, before, rest, `## All operations\n\n${operationsTable(capability)}`, LAST]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n");
}

const LAST =
  "Fields, limits and errors of each are in [the reference](/reference), for programs in [openapi.json](/openapi.json).";

/** What stands before the first heading, and what follows. */
function parted(manual: string): { opening: string; rest: string } {
  const at = manual.search(/^## /m);
  const opening = at < 0 ? manual : manual.slice(0, at);
  return { opening: opening.trim(), rest: at < 0 ? "" : manual.slice(at).trim() };
}

function operationsTable(capability: ModeCapability): string {
  const rows = operationsOf([capability]).map((operation) => {
    const words = `[${operation.summary.replace(/\.$/, "")}](/reference#${operation.name})`;
    const requests = endpointsOf(operation).map(({ method, path }) => `\`${method} ${templateOf(path)}\``);
    const tool = operation.kind === "call" && operation.tool !== false ? `\`${operation.tool}\`` : "";
    return `| ${words} | ${requests.join(", ")} | ${tool} | ${scopeWords(operation)} |`;
  });
  return ["| Operation | Request | MCP tool | Scope |", "|---|---|---|---|", ...rows].join("\n");
}

function scopeWords({ needs }: Operation): string {
  const need = scopeNeedOf(needs);
  return need === null ? "" : `\`${need.scope}:${need.access}\``;
}

function pageOf(capability: ModeCapability, settings: Settings, base: string): Promise<string> {
  const { title, mode } = capability;
  return layout({
    title: `${title} · Millrace`,
    description: mode.note,
    path: mode.root,
    version: settings.version,
    content: html`<div class="wrap"><div class="opening"><h1>${title}</h1></div>
<div class="manual">${markupOf(blocksOf(manualOf(capability, base)), 2)}</div></div>`,
  });
}

/** The mode's own words as a part of the reference. */
export function tourMarkup({ title, mode }: ModeCapability): Markup {
  return html`<section class="tour" aria-labelledby="${mode.name}.tour"><h3 id="${mode.name}.tour">${title}: a tour with curl</h3>
<p>The same as <a href="${mode.root}">the manual at <code>${mode.root}</code></a>, which is also there for programs. <code>$BASE</code> is this server, <code>$TOKEN</code> a token for it; the steps build on each other, and <code>…</code> stands for what differs from time to time.</p>
<div class="manual">${markupOf(blocksOf(mode.manual), 4)}</div></section>`;
}

/** Whether the caller would rather have HTML than Markdown (RFC 9110 section 12.5.1). On a tie, as with curl's own header, it is Markdown. */
export function prefersHtml(accept: string | null): boolean {
  return accept !== null && qualityOf(accept, "text/html") > qualityOf(accept, "text/markdown");
}

/** How much a type is wanted, from 0 to 1: what names it most exactly counts. */
function qualityOf(accept: string, type: string): number {
  const ranges = ["*/*", `${type.split("/")[0]}/*`, type];
  let best = { rank: -1, quality: 0 };
  for (const part of accept.toLowerCase().split(",")) {
    const [range = "", ...parameters] = part.split(";").map((one) => one.trim());
    const rank = ranges.indexOf(range);
    const given = parameters.find((one) => one.startsWith("q="))?.slice(2);
    const quality = given === undefined ? 1 : Number(given);
    if (rank > best.rank) best = { rank, quality: quality >= 0 && quality <= 1 ? quality : 0 };
  }
  return best.quality;
}
