/** The reference page: contents, what holds for all operations, and every operation by capability. */
import { type Capability, operationsOf } from "../../kernel/capability.ts";
import { credentialKinds, ticketKind } from "../../kernel/credential.ts";
import { html } from "../../kernel/html.ts";
import { layout, type Markup } from "../../kernel/layout.ts";
import type { Operation } from "../../kernel/operation.ts";
import type { Settings } from "../../kernel/settings.ts";
import { type FaultCode, faultCodes } from "../../ports/fault.ts";
import { baseOf } from "./examples.ts";
import { faultWords } from "./faults.ts";
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
    content: html`<div class="wrap pages"><div class="opening"><h1>Reference</h1><p class="lead">Every operation of this server, read from the declarations that it runs on. For programs the same is in <a href="/openapi.json">openapi.json</a>.</p></div>
${contents(chapters)}
<div class="body">
${basics(base("rest"), base("mcp"))}
${chapters.map(
  ({
    capability,
    operations,
  }) => html`<section class="chapter" aria-labelledby="${capability.name}"><h2 id="${capability.name}">${capability.title}</h2>
<p>${capability.about}</p>
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
${operations.map(({ name, summary }) => html`<li><a href="#${name}">${summary.replace(/\.$/, "")}</a></li>`)}</ul></li>`,
)}
<li><a href="#faults">Errors</a></li></ul></nav>`;
}

function basics(rest: string, mcp: string): Markup {
  return html`<section class="chapter" aria-labelledby="basics"><h2 id="basics">Requests, tokens, answers</h2>
<p>REST takes and gives JSON at <code>${rest}</code>. MCP is spoken over Streamable HTTP at <code>${mcp}/mcp</code>; connecting needs no login, tokens are arguments of the tools. Unknown fields are refused by name, so that a slip of the pen does not pass in silence.</p>
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
</tbody></table></section>`;
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
