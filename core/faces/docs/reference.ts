/** The reference page: contents, what holds for all operations, and every operation by capability. */
import { type Capability, operationsOf } from "../../kernel/capability.ts";
import { credentialKinds, fileKind, ticketKind, tokenKind } from "../../kernel/credential.ts";
import { html } from "../../kernel/html.ts";
import { layout, type Markup } from "../../kernel/layout.ts";
import { type Operation, scopeNeedOf } from "../../kernel/operation.ts";
import type { Settings } from "../../kernel/settings.ts";
import { type FaultCode, faultCodes } from "../../ports/fault.ts";
import { baseOf } from "./examples.ts";
import { faultWords } from "./faults.ts";
import { type ModeCapability, modesAmong, tourMarkup } from "./manual.ts";
import { operationSection } from "./operation_section.ts";

/** The page as a reader at this origin sees it. */
export function reference(capabilities: readonly Capability[], settings: Settings, origin: string): Promise<string> {
  const chapters = capabilities.map((capability) => ({ capability, operations: operationsOf([capability]) }));
  const base = baseOf(settings, origin);
  return layout({
    title: "Reference · Millrace",
    description:
      "Every operation of Millrace: fields, limits, errors and examples over REST, Server-Sent Events and MCP.",
    path: "/reference",
    version: settings.version,
    content: html`<div class="wrap pages"><div class="opening"><h1>Reference</h1><p class="lead">Every operation of this server, read from the declarations that it runs on. For programs the same is in <a href="/openapi.json">openapi.json</a>, for models there is <a href="/llms.txt">llms.txt</a>.</p></div>
${contents(chapters)}
<div class="body">
${basics(base("rest"), { mcp: base("mcp"), modes: modesAmong(capabilities) })}
${chapters.map(
  ({
    capability,
    operations,
  }) => html`<section class="chapter" aria-labelledby="${capability.name}"><h2 id="${capability.name}">${capability.title}</h2>
<p>${capability.about}</p>
${modesAmong([capability]).map(tourMarkup)}
${operations.map((operation) => operationSection(operation, { settings, base }))}</section>`,
)}
${faults()}
</div></div>`,
  });
}

interface Chapter {
  capability: Capability;
  operations: Operation[];
}

function contents(chapters: readonly Chapter[]): Markup {
  return html`<nav class="contents" aria-label="Contents"><p class="title">Contents</p><ul>
<li><a href="#basics">Requests, tokens, answers</a></li>
${chapters.map(
  ({ capability, operations }) => html`<li><a href="#${capability.name}">${capability.title}</a><ul>
${capability.mode === undefined ? "" : html`<li><a href="#${capability.mode.name}.tour">A tour with curl</a></li>`}
${operations.map(({ name, summary }) => html`<li><a href="#${name}">${summary.replace(/\.$/, "")}</a></li>`)}</ul></li>`,
)}
<li><a href="#faults">Errors</a></li></ul></nav>`;
}

function basics(rest: string, { mcp, modes }: { mcp: string; modes: readonly ModeCapability[] }): Markup {
  return html`<section class="chapter" aria-labelledby="basics"><h2 id="basics">Requests, tokens, answers</h2>
<p>REST takes and gives JSON at <code>${rest}</code>. MCP is spoken over Streamable HTTP at <code>${mcp}/mcp</code>; connecting needs no login. The tokens of channels are arguments of the tools, the token for the data modes is the header <code>Authorization</code> of the connection. Unknown fields are refused by name, so that a slip of the pen does not pass in silence.</p>
<p>In the examples <code>$CHANNEL_ID</code> and the like are shell variables; fill in what earlier answers gave.</p>
<table><thead><tr><th scope="col">Token</th><th scope="col">Looks like</th><th scope="col">Over HTTP</th><th scope="col">Over MCP</th></tr></thead><tbody>
${Object.values(credentialKinds).map(
  ({
    words,
    prefix,
    header,
    argument,
    bearer,
  }) => html`<tr><th scope="row">${words}</th><td><code>${prefix}_…</code></td>
<td>header <code>${header}</code>${bearer ? html` or <code>Authorization: Bearer</code>` : ""}</td><td>argument <code>${argument}</code></td></tr>`,
)}
<tr><th scope="row">${ticketKind.words}</th><td><code>${ticketKind.prefix}_…</code></td>
<td>in the query, as <code>${ticketKind.query}</code>, where a caller can send no header</td><td>not taken</td></tr>
<tr><th scope="row">${tokenKind.words} for the data modes</th><td><code>${tokenKind.prefix}_…</code>, or the service token</td>
<td><code>Authorization: Bearer</code></td><td>the same header</td></tr>
<tr><th scope="row">${fileKind.words}</th><td><code>${fileKind.prefix}_…</code></td>
<td>in the query, as <code>${fileKind.query}</code>, or header <code>${fileKind.header}</code></td><td>argument <code>${fileKind.query}</code></td></tr>
</tbody></table>
${modes.length === 0 ? "" : modesTable(modes)}</section>`;
}

/** Where each data mode begins, and the scopes that its tokens can have. */
function modesTable(modes: readonly ModeCapability[]): Markup {
  return html`<p>A token for the data modes has scopes, each a mode with <code>read</code> or <code>write</code>: <code>documents:read</code>, or for some names only, <code>queues:write:mail-*</code>. Writing does not include reading. A call that lacks a scope is refused with 403, and the answer names it.</p>
<table class="modes"><thead><tr><th scope="col">Data mode</th><th scope="col">Manual</th><th scope="col">Scopes</th><th scope="col">What it is for</th></tr></thead><tbody>
${modes.map(
  (capability) => html`<tr><th scope="row"><a href="#${capability.name}">${capability.title}</a></th>
<td><a href="${capability.mode.root}"><code>${capability.mode.root}</code></a></td><td>${scopesIn(capability).map((scope) => html`<code>${scope}</code> `)}</td><td>${capability.mode.note}</td></tr>`,
)}
</tbody></table>`;
}

/** The scopes that a capability's operations ask for, each once. */
function scopesIn(capability: Capability): string[] {
  const needs = operationsOf([capability]).map((operation) => scopeNeedOf(operation.needs));
  return [...new Set(needs.flatMap((need) => (need === null ? [] : [`${need.scope}:${need.access}`])))];
}

function faults(): Markup {
  const envelope = {
    error: {
      code: "invalid_input",
      message: "Cannot publish a message to a channel: ttl_seconds is 200000, the most is 172800 (48 h)",
      details: { field: "ttl_seconds", limit: 172_800 },
      retryable: false,
      request_id: "…",
    },
  };
  return html`<section class="chapter" aria-labelledby="faults"><h2 id="faults">Errors</h2>
<p>Every error has one shape on every face; over MCP it is a tool result with <code>isError</code>. The code is for programs, the message says what was wrong, the value, and what to send instead.</p>
<figure class="code"><pre><code>${JSON.stringify(envelope, null, 2)}</code></pre></figure>
<table class="faults"><thead><tr><th scope="col">Code</th><th scope="col" class="status">Status</th><th scope="col">Meaning</th><th scope="col">Same request again?</th></tr></thead><tbody>
${(Object.keys(faultCodes) as FaultCode[]).map(
  (code) =>
    html`<tr id="fault-${code}"><th scope="row"><code>${code}</code></th><td class="status">${faultCodes[code].status}</td><td>${faultWords[code]}</td><td>${faultCodes[code].retryable ? "may succeed later" : "fails again"}</td></tr>`,
)}
</tbody></table></section>`;
}
