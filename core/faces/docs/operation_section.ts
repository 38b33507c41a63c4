/** One operation in the reference: words, endpoints, who may, fields, answer, faults and examples, all from its declaration. */
import { credentialKinds } from "../../kernel/credential.ts";
import { html } from "../../kernel/html.ts";
import { jsonSchema } from "../../kernel/json_schema.ts";
import { codeBlock, type Markup, prose } from "../../kernel/layout.ts";
import { endpointsOf, type Operation } from "../../kernel/operation.ts";
import type { Settings } from "../../kernel/settings.ts";
import { faultCodes } from "../../ports/fault.ts";
import type { JsonObject } from "../../ports/json.ts";
import { type Base, curlLine, examplesOf, toolCall } from "./examples.ts";
import { faultsOf, faultWords } from "./faults.ts";
import { besideRaw, type Field, fieldsOf, rawFieldOf, templateOf } from "./fields.ts";
import { leavesOf, limitsOf, typeOf } from "./schema_words.ts";

export interface Shown {
  settings: Settings;
  base: Base;
}

export function operationSection(operation: Operation, shown: Shown): Markup {
  const { name, summary, details } = operation;
  return html`<article class="operation" id="${name}">
<h3><a href="#${name}">${summary.replace(/\.$/, "")}</a></h3>
${details === undefined ? "" : html`<p>${prose(details)}</p>`}
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

function whoMay({ needs, kind, http }: Operation): Markup {
  if (needs === "nobody") return html`Anybody, without a token.`;
  if (needs === "internal")
    return html`Services that hold the server’s internal token, as <code>Authorization: Bearer</code>.`;
  const { words, header, argument, bearer } = credentialKinds[needs.credential];
  const onHttp = html`in the header <code>${header}</code>${bearer ? html` or as <code>Authorization: Bearer</code>` : ""}`;
  const onMcp = html`as the argument <code>${argument}</code>`;
  const carriers = http === false ? onMcp : kind === "call" ? html`${onHttp}, over MCP ${onMcp}` : onHttp;
  if (needs.optional) return html`Anybody what is public; what is private takes a ${words}, ${carriers}.`;
  return html`Holders of the ${words} that belongs to <code>${needs.of}</code>, ${carriers}.`;
}

function rateOf({ limit }: Operation, { rateLimits }: Settings): Markup {
  if (limit === "unlimited" || rateLimits === null) return html`Not limited.`;
  const { count, perMs } = rateLimits[limit];
  const time = perMs === 1_000 ? "a second" : perMs === 60_000 ? "a minute" : `in ${perMs / 1_000} s`;
  return html`${count} ${time}, together with all others of the class <code>${limit}</code>.`;
}

function fieldsTable(operation: Operation): Markup {
  const fields = fieldsOf(operation, endpointsOf(operation)[0] ?? null);
  if (fields.length === 0) return html``;
  const beside = new Set(besideRaw(operation, fields).map(({ name }) => name));
  const raw = rawFieldOf(operation);
  return html`<h4>Fields</h4>
<table class="fields"><thead><tr><th scope="col">Field</th><th scope="col" class="kind">Where and what</th><th scope="col">Meaning</th></tr></thead><tbody>
${fields.map((field) => fieldRow(field, placeWords(field, { beside: beside.has(field.name), raw: field.name === raw })))}
</tbody></table>`;
}

function placeWords({ place, header }: Field, { beside, raw }: { beside: boolean; raw: boolean }): Markup {
  if (header !== null) return html`header <code>${header}</code>`;
  if (raw) return html`body, or the body itself`;
  return beside ? html`body, or query beside a body that is not JSON` : html`${place}`;
}

function fieldRow({ name, required, schema }: Field, where: Markup): Markup {
  return html`<tr><th scope="row"><code>${name}</code><span class="need">${required ? "required" : "optional"}</span></th>
<td class="kind"><p>${kindOf(schema)}</p><p class="soft small">${where}</p></td><td>${meaning(schema)}</td></tr>`;
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
  const schema = jsonSchema(operation.kind === "feed" ? operation.event : operation.output, "output");
  const title = operation.kind === "feed" ? "Data of each event" : `Answer, status ${operation.status ?? 200}`;
  return html`<h4>${title}</h4>
<table class="fields"><thead><tr><th scope="col">Value</th><th scope="col" class="kind">What</th><th scope="col">Meaning</th></tr></thead><tbody>
${leavesOf(schema).map(
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
  const [endpoint] = endpointsOf(operation);
  const all = examplesOf(operation);
  return html`<h4>${all.length > 1 ? "Examples" : "Example"}</h4>
${all.map(({ input, output }) => {
  const curl =
    endpoint === undefined
      ? ""
      : html`<div class="wide">${codeBlock(curlLine(operation, { endpoint, input, base }), "curl")}</div>`;
  const tool = toolCall(operation, input);
  return html`<div class="examples">${curl}
${tool === null ? "" : codeBlock(JSON.stringify(tool, null, 2), "MCP")}
${output === undefined ? "" : html`<figure class="code"><figcaption>Answer</figcaption><pre><code>${JSON.stringify(output, null, 2)}</code></pre></figure>`}</div>`;
})}`;
}
