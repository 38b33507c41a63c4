/** One operation in the reference: words, endpoints, who may, fields, answer, faults and examples, all from its declaration. */
import { credentialKinds, ticketKind } from "../../kernel/credential.ts";
import { html } from "../../kernel/html.ts";
import { jsonSchema } from "../../kernel/json_schema.ts";
import { codeBlock, type Markup, prose } from "../../kernel/layout.ts";
import { type AnySchema, endpointsOf, type Operation, pollOf } from "../../kernel/operation.ts";
import type { Settings } from "../../kernel/settings.ts";
import { faultCodes } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";
import { type Base, curlLine, examplesOf, type ShownExample, toolCall } from "./examples.ts";
import { faultsOf, faultWords } from "./faults.ts";
import { besideRaw, type Field, fieldsOf, fieldsOfPoll, rawFieldOf, templateOf } from "./fields.ts";
import { progressWords } from "./progress.ts";
import { leavesOf, limitsOf, typeOf } from "./schema_words.ts";

export interface Shown {
  settings: Settings;
  base: Base;
}

export function operationSection(operation: Operation, shown: Shown): Markup {
  const { name, summary, details } = operation;
  const poll = pollOf(operation)?.operation.details;
  return html`<article class="operation" id="${name}">
<h3><a href="#${name}">${summary.replace(/\.$/, "")}</a></h3>
${details === undefined ? "" : html`<p>${prose(details)}</p>`}
${poll === undefined ? "" : html`<p>${prose(poll)}</p>`}
${endpoints(operation)}
<dl class="facts"><dt>Name</dt><dd><code>${name}</code></dd>
<dt>Who may</dt><dd>${whoMay(operation)}</dd>
<dt>Rate</dt><dd>${rateOf(operation, shown.settings)}</dd></dl>
${fieldsTable(operation)}
${answer(operation)}
${faultsTable(operation)}
${examples(operation, shown.base)}
</article>`;
}

function endpoints(operation: Operation): Markup {
  const onHttp = endpointsOf(operation).map(
    ({ method, path }) => html`<li><span class="method">${method}</span><code>${templateOf(path)}</code></li>`,
  );
  const tool = operation.kind === "call" && operation.tool !== false ? operation.tool : null;
  return html`<ul class="endpoints">${onHttp}${tool === null ? "" : html`<li><span class="method">MCP</span><code>${tool}</code></li>`}</ul>`;
}

function whoMay(operation: Operation): Markup {
  const { needs, http } = operation;
  if (needs === "nobody") return html`Anybody, without a token.`;
  if (needs === "each")
    return html`Whoever may carry out each of them alone: with the service token or a token that has their scopes, as <code>Authorization: Bearer</code>, and where one takes a credential of its own, with that beside it.`;
  if (needs === "internal")
    return html`Services that hold the server’s internal token, as <code>Authorization: Bearer</code>.`;
  if ("scope" in needs) {
    const names = needs.of === undefined ? "" : html`, for all names or for this <code>${needs.of}</code>`;
    const secret = needs.unless === undefined ? "" : html` Whoever sends <code>${needs.unless}</code> needs no token.`;
    const also = needs.also === undefined ? "" : html` ${sentence(needs.also.words)}`;
    return html`Holders of the service token, or of a token with the scope <code>${needs.scope}:${needs.access}</code>${names}, as <code>Authorization: Bearer</code>.${also}${secret}`;
  }
  const { words, header, argument, bearer } = credentialKinds[needs.credential];
  const ticket = needs.ticket ? html`, or a ${ticketKind.words} in the query as <code>${ticketKind.query}</code>` : "";
  const onHttp = html`in the header <code>${header}</code>${bearer ? html` or as <code>Authorization: Bearer</code>` : ""}${ticket}`;
  const onMcp = html`as the argument <code>${argument}</code>`;
  const isTool = operation.kind === "call" && operation.tool !== false;
  const carriers = http === false ? onMcp : isTool ? html`${onHttp}, over MCP ${onMcp}` : onHttp;
  if (needs.optional) return html`Anybody what is public; what is private takes a ${words}, ${carriers}.`;
  return html`Holders of the ${words} that belongs to <code>${needs.of}</code>, ${carriers}.`;
}

function sentence(words: string): Markup {
  return prose(`${words.charAt(0).toUpperCase()}${words.slice(1)}.`);
}

function rateOf({ limit }: Operation, { rateLimits }: Settings): Markup {
  if (limit === "unlimited" || rateLimits === null) return html`Not limited.`;
  const { count, perMs } = rateLimits[limit];
  const time = perMs === 1_000 ? "a second" : perMs === 60_000 ? "a minute" : `in ${perMs / 1_000} s`;
  return html`${count} ${time}, together with all others of the class <code>${limit}</code>.`;
}

function fieldsTable(operation: Operation): Markup {
  const endpoint = endpointsOf(operation)[0] ?? null;
  const fields = fieldsOf(operation, endpoint);
  if (fields.length === 0) return html``;
  const beside = new Set(besideRaw(operation, fields).map(({ name }) => name));
  const raw = rawFieldOf(operation);
  return html`<h4>Fields</h4>
<table class="fields"><thead><tr><th scope="col">Field</th><th scope="col" class="kind">Where and what</th><th scope="col">Meaning</th></tr></thead><tbody>
${fields.map((field) => [
  fieldRow(field, placeWords(field, { beside: beside.has(field.name), raw: field.name === raw })),
  itemRows(field),
])}
${pollRows(operation)}
</tbody></table>`;
}

function pollRows(operation: Operation): Markup {
  const poll = fieldsOfPoll(operation, endpointsOf(operation)[0] ?? null);
  if (poll === null) return html``;
  const { asks, others } = poll;
  const only = html`${asks.place}, only with <code>${asks.name}</code>`;
  return html`${fieldRow(asks, html`${asks.place}`)}${others.map((field) => fieldRow(field, only))}`;
}

function placeWords({ place, header }: Field, { beside, raw }: { beside: boolean; raw: boolean }): Markup {
  if (header !== null) return html`header <code>${header}</code>`;
  if (raw) return html`body, or the body itself`;
  if (place === "rest") return html`query, every other name`;
  return beside ? html`body, or query beside a body that is not JSON` : html`${place}`;
}

function fieldRow({ name, required, oneOf, schema }: Field, where: Markup): Markup {
  const others = oneOf.filter((other) => other !== name);
  const need = others.length > 0 ? `this or ${others.join(", ")}` : required ? "required" : "optional";
  return html`<tr><th scope="row"><code>${name}</code><span class="need">${need}</span></th>
<td class="kind"><p>${kindOf(schema)}</p><p class="soft small">${where}</p></td><td>${meaning(schema)}</td></tr>`;
}

/** What the items of a list of objects hold. */
function itemRows({ name, schema }: Field): Markup[] {
  if (schema.type !== "array") return [];
  return leavesOf(schema.items as JsonObject, `${name}[].`).map(
    ({ path, always, schema: inner }) =>
      html`<tr><th scope="row"><code>${path}</code><span class="need">${always ? "required" : "optional"}</span></th>
<td class="kind">${kindOf(inner)}</td><td>${meaning(inner)}</td></tr>`,
  );
}

function kindOf(schema: JsonObject): Markup {
  const limits = limitsOf(schema);
  return html`${typeOf(schema)}${limits === "" ? "" : html`; ${prose(limits)}`}`;
}

function meaning({ description }: JsonObject): Markup {
  if (typeof description !== "string") return html``;
  // A description may begin with a value and a colon, which keeps its case.
  return prose(/^\w+:/.test(description) ? description : description.charAt(0).toUpperCase() + description.slice(1));
}

function answer(operation: Operation): Markup {
  if (operation.kind === "page") return html`<h4>Answer</h4><p>A page.</p>`;
  if (operation.kind === "content")
    return html`<h4>Answer</h4><p>Bytes of the type <code>${operation.produces}</code>.</p>`;
  if (operation.kind === "call")
    return html`${values(`Answer, status ${operation.status ?? 200}`, operation.output)}${progress(operation)}`;
  const poll = pollOf(operation);
  const events = values("Data of each event", operation.event);
  if (poll === null) return events;
  return html`${events}${values(html`Answer with <code>${poll.field}</code>, status 200`, poll.operation.output)}`;
}

function progress(operation: Operation): Markup {
  const words = progressWords(operation);
  if (words === null || operation.kind !== "call") return html``;
  return html`${values("Data of each event progress", operation.progress!)}<p>${prose(words)}</p>`;
}

function values(title: string | Markup, schema: AnySchema): Markup {
  return html`<h4>${title}</h4>
<table class="fields"><thead><tr><th scope="col">Value</th><th scope="col" class="kind">What</th><th scope="col">Meaning</th></tr></thead><tbody>
${leavesOf(jsonSchema(schema, "output")).map(
  (
    leaf,
  ) => html`<tr><th scope="row"><code>${leaf.path}</code>${leaf.always ? "" : html`<span class="need">not always</span>`}</th>
<td class="kind">${kindOf(leaf.schema)}</td><td>${meaning(leaf.schema)}</td></tr>`,
)}
</tbody></table>`;
}

function faultsTable(operation: Operation): Markup {
  return html`<h4>Errors</h4>
<table class="faults"><thead><tr><th scope="col">Code</th><th scope="col" class="status">Status</th><th scope="col">Meaning</th></tr></thead><tbody>
${faultsOf(operation).map(
  (code) =>
    html`<tr><th scope="row"><a class="quiet-link" href="#fault-${code}"><code>${code}</code></a></th><td class="status">${faultCodes[code].status}</td><td>${faultWords[code]}</td></tr>`,
)}
</tbody></table>`;
}

function examples(operation: Operation, base: Base): Markup {
  const forms = [operation, pollOf(operation)?.operation].filter((form) => form !== undefined);
  const all = forms.flatMap((form) => examplesOf(form).map((example) => oneExample(form, { ...example, base })));
  return html`<h4>${all.length > 1 ? "Examples" : "Example"}</h4>
${all}`;
}

function oneExample(operation: Operation, { input, output, base }: ShownExample & { base: Base }): Markup {
  const [endpoint] = endpointsOf(operation);
  const curl =
    endpoint === undefined
      ? ""
      : html`<div class="wide">${codeBlock(curlLine(operation, { endpoint, input, base }), "curl")}</div>`;
  const tool = toolCall(operation, input);
  return html`<div class="examples">${curl}
${tool === null ? "" : codeBlock(JSON.stringify(tool, null, 2), "MCP")}
${output === undefined ? "" : html`<figure class="code"><figcaption>Answer</figcaption><pre><code>${JSON.stringify(output, null, 2)}</code></pre></figure>`}</div>`;
}
