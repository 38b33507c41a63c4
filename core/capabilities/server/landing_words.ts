/** The landing page's sections about connecting a model, tokens and limits; figures come from what the server really applies. */

import type { Capability } from "../../kernel/capability.ts";
import { credentialKinds, ticketKind } from "../../kernel/credential.ts";
import { html } from "../../kernel/html.ts";
import { codeBlock, type Markup } from "../../kernel/layout.ts";
import type { Rate, Settings } from "../../kernel/settings.ts";

/** The data modes, each with its manual, and who may use them. */
export function modes(capabilities: readonly Capability[], { datastoreToken }: Settings): Markup {
  const rows = capabilities.flatMap(({ title, mode }) =>
    mode === undefined
      ? []
      : html`<tr><th scope="row"><a href="${mode.root}">${title}</a></th><td>${mode.note}</td><td><code>${mode.root}</code></td></tr>`,
  );
  if (rows.length === 0) return html``;
  const open =
    datastoreToken === null
      ? html`On this server they are closed: its operator has set no <code>DATASTORE_TOKEN</code>.`
      : html`They take a token as <code>Authorization: Bearer</code>, over MCP too. Its holder makes others with fewer rights by <a href="/reference#access.create"><code>POST /tokens</code></a>.`;
  return html`<section class="part" aria-labelledby="modes"><h2 id="modes">Beside channels: a place for data</h2>
<p class="lead">The same server keeps data for scripts, phones and agents, so that none of them needs a service of its own. ${open}</p>
<table><thead><tr><th scope="col">Mode</th><th scope="col">What it is for</th><th scope="col">Begins at</th></tr></thead><tbody>
${rows}
</tbody></table></section>`;
}

/** How MCP clients are told of this server. */
export function connect(url: string): Markup {
  const code = (value: unknown) => JSON.stringify(value, null, 2);
  return html`<section class="part" aria-labelledby="mcp"><h2 id="mcp">Connect a model</h2>
<p class="lead">Millrace speaks MCP over Streamable HTTP at <code>${url}</code>. No login is needed to connect: tokens of channels travel as arguments of the tools. For the data modes give the connection a header, <code>Authorization: Bearer …</code>.</p>
<div class="two">
${codeBlock(`claude mcp add --transport http millrace ${url}`, "Claude Code")}
${codeBlock(url, html`Any other client <span class="soft">by URL, transport Streamable HTTP</span>`)}
${codeBlock(code({ servers: { millrace: { type: "http", url } } }), html`VS Code <span class="soft">.vscode/mcp.json</span>`)}
${codeBlock(code({ mcpServers: { millrace: { url } } }), html`Cursor <span class="soft">.cursor/mcp.json</span>`)}
</div></section>`;
}

/** What tokens are, from the one table of credential kinds, and the ticket that stands in for one. */
export function tokens(rest: string): Markup {
  const rights = {
    publish: "Publish, show the channel, grant and revoke reading, delete it. Comes with every new channel.",
    read: "Follow and read one private channel, until the grant ends or is revoked. Public channels need none.",
  } as const;
  return html`<section class="part" aria-labelledby="tokens"><h2 id="tokens">Tokens are the rights</h2>
<p class="lead">There are no accounts. Each token is the right to one channel, is shown once when it is made, and is stored only as a keyed hash: a lost one cannot be shown again, by anybody.</p>
<table><thead><tr><th scope="col">Token</th><th scope="col">Gives the right to</th><th scope="col">Sent as</th></tr></thead><tbody>
${Object.entries(credentialKinds).map(
  ([kind, { prefix, header, argument, bearer, words }]) => html`<tr>
<th scope="row"><strong>${words}</strong> <code>${prefix}_…</code></th>
<td>${rights[kind as keyof typeof rights]}</td>
<td>header <code>${header}</code>${bearer ? html` or <code>Authorization: Bearer</code>` : ""}, over MCP the argument <code>${argument}</code></td></tr>`,
)}
<tr><th scope="row"><strong>${ticketKind.words}</strong> <code>${ticketKind.prefix}_…</code></th>
<td>Follow one private channel from a page. Made with the read token and used within a minute, it lasts as long as the grant, a day at most.</td>
<td>part of the stream’s URL, as <code>${ticketKind.query}</code></td></tr>
</tbody></table>
<p>A browser’s own <code>EventSource</code> can send no header, so it takes a ticket. Where the token is known, on your server or in the page, it is one request:</p>
${codeBlock(ticketScript(rest), html`Follow a private channel <span class="soft">in a page</span>`)}</section>`;
}

/** It runs as it stands where `channel` and `token` are known. */
function ticketScript(rest: string): string {
  return `const options = { method: "POST", headers: { "X-Read-Token": token } };
const asked = await fetch("${rest}/v1/channels/" + channel + "/tickets", options);
const stream = new EventSource((await asked.json()).url);
stream.onmessage = ({ data }) => console.log(JSON.parse(data).payload);`;
}

/** What this server allows, as it is configured. */
export function limits(settings: Settings): Markup {
  const { rateLimits } = settings;
  return html`<section class="part" aria-labelledby="limits"><h2 id="limits">Limits of this server</h2>
<p class="lead">A message has at most ${bytes(settings.payloadMaxBytes)} and is kept for ${duration(settings.defaultTtlSeconds)} unless the channel or the message says otherwise. ${
    rateLimits === null
      ? "Requests are not limited in number."
      : html`Per token or address: ${rate(rateLimits.create, "new channels")}, ${rate(rateLimits.publish, "published messages")}, ${rate(rateLimits.other, "other requests")}.`
  } All fields, limits and errors are in <a href="/reference">the reference</a>, for programs in <a href="/openapi.json">openapi.json</a>.</p></section>`;
}

function rate({ count, perMs }: Rate, what: string): string {
  const per = duration(perMs / 1000);
  return `${count} ${what} per ${per.replace(/^1 /, "")}`;
}

function bytes(count: number): string {
  if (count % 1_048_576 === 0) return `${count / 1_048_576} MiB`;
  return count % 1_024 === 0 ? `${count / 1_024} KiB` : `${count} bytes`;
}

function duration(seconds: number): string {
  if (seconds % 3_600 === 0) return seconds === 3_600 ? "1 hour" : `${seconds / 3_600} hours`;
  if (seconds % 60 === 0) return seconds === 60 ? "1 minute" : `${seconds / 60} minutes`;
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}
