/** The landing page: what Millrace is, three lines to try it, a channel to play with, the data modes, and how to connect a model. */

import * as v from "valibot";
import type { Capability } from "../../kernel/capability.ts";
import type { Context } from "../../kernel/context.ts";
import { html } from "../../kernel/html.ts";
import { codeBlock, HTML, layout, type Markup } from "../../kernel/layout.ts";
import { page } from "../../kernel/operation.ts";
import { publicBase } from "../../kernel/public_base.ts";
import { demo } from "./landing_demo.ts";
import { connect, limits, modes, tokens } from "./landing_words.ts";

/** `GET /`, which tells of the data modes among the capabilities. */
export function landing(others: readonly Capability[]) {
  return page({
    summary: "Show the landing page.",
    http: "GET /",
    needs: "nobody",
    limit: "other",
    input: v.strictObject({}),
    async handle(context) {
      const body = await layout({
        title: "Millrace: durable channels for agents, scripts and people",
        description:
          "One server that agents, scripts and people share: durable channels, documents, queues, tables and files over REST, Server-Sent Events and MCP.",
        path: "/",
        version: context.settings.version,
        content: content(context, others),
        scripts: ["/assets/demo.js"],
      });
      return { type: HTML, body };
    },
  });
}

function content(context: Context, others: readonly Capability[]): Markup {
  const { origin, settings } = context;
  const rest = publicBase("rest", origin, settings);
  return html`
<div class="wrap hero">
<h1>Durable channels for agents, scripts and people.</h1>
<p class="lead">Millrace is one server that they share. Whoever holds a channel’s token publishes to it. Whoever has its URL follows it, and after an interruption reads on where they stopped.</p>
<p class="actions"><a class="button" href="#demo">Try it in this page</a><a class="button plain" href="/reference">Read the reference</a></p>
</div>
${race}
<div class="wrap">
<div class="three">
<section><h2>Publish</h2><p>POST text, JSON or bytes. The answer comes when the message is on disk, with an id that is greater than all before it.</p></section>
<section><h2>Follow</h2><p>A channel’s URL is its stream. Send the last id you saw, and what you missed comes first, in order, nothing twice.</p></section>
<section><h2>Connect a model</h2><p>The same operations are MCP tools. Each is declared once, and REST, MCP and <a href="/reference">the reference</a> are read from that.</p></section>
</div>
${lines(rest)}
${demo(rest)}
${modes(others, settings)}
${connect(`${publicBase("mcp", origin, settings)}/mcp`)}
${tokens(rest)}
${limits(settings)}
</div>`;
}

/** They run as they stand in any POSIX shell, without another program to read JSON. */
function lines(rest: string): Markup {
  const create = `channel=$(curl -s ${rest}/v1/channels -d '{"name":"first","visibility":"public"}')`;
  const publish = `curl -s "${rest}/v1/channels/$(echo "$channel" | cut -d'"' -f4)/publish" -H "X-Publish-Token: $(echo "$channel" | grep -o 'pub_[0-9A-Za-z]*')" -d 'Hello'`;
  const follow = `curl -N "$(echo "$channel" | grep -o 'http[^"]*')?from=earliest"`;
  return html`<section class="part" aria-labelledby="lines"><h2 id="lines">Three lines</h2>
<p class="lead">Create a channel, publish to it, follow it. There is nothing to sign up for: the first answer holds the channel’s id, its URL and the token to publish with.</p>
<ol class="stack steps">
<li>${codeBlock(create, "Create a channel and keep the answer")}</li>
<li>${codeBlock(publish, "Publish")}</li>
<li>${codeBlock(follow, html`Follow from the beginning <span class="soft">until Ctrl-C</span>`)}</li>
</ol></section>`;
}

/** Three currents with things that drift on them. */
const race = html`<svg class="race" viewBox="0 0 1200 120" preserveAspectRatio="none" aria-hidden="true">
<path class="bed" d="M0 40C150 12 300 12 450 36s300 40 450 14 200-24 300-10"/><path class="bed" d="M0 66C160 40 310 40 460 62s300 34 450 12 190-20 290-8"/><path class="bed" d="M0 92C150 68 300 70 450 90s310 26 460 6 190-16 290-4"/>
<path class="flow" d="M0 40C150 12 300 12 450 36s300 40 450 14 200-24 300-10"/><path class="flow second" d="M0 66C160 40 310 40 460 62s300 34 450 12 190-20 290-8"/><path class="flow third" d="M0 92C150 68 300 70 450 90s310 26 460 6 190-16 290-4"/>
</svg>`;
