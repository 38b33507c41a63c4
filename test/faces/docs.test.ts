import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { capabilities } from "../../core/capabilities/mod.ts";
import { type Capability, operationsOf } from "../../core/kernel/capability.ts";
import { jsonSchema } from "../../core/kernel/json_schema.ts";
import { type CallOperation, call, endpointsOf, pollOf } from "../../core/kernel/operation.ts";
import { faultCodes } from "../../core/ports/fault.ts";
import { memorySite, type SiteOptions } from "../support/memory_site.ts";
import { faultsOfHtml, textOf } from "../support/page_reading.ts";

const test = suite("GET /reference");

async function referenceOf(options: SiteOptions = {}): Promise<string> {
  const response = await memorySite(options).send("/reference");
  assert.is(response.status, 200);
  return response.text();
}

/** The section of one operation. */
function sectionOf(html: string, name: string): string {
  const start = html.indexOf(`<article class="operation" id="${name}">`);
  assert.ok(start >= 0, `${name} is missing`);
  return html.slice(start, html.indexOf("</article>", start));
}

test("shows every operation with its words, endpoints and tool", async () => {
  const html = await referenceOf();
  for (const operation of operationsOf(capabilities)) {
    const section = textOf(sectionOf(html, operation.name));
    assert.match(section, operation.summary.replace(/\.$/, ""));
    if (operation.details !== undefined) assert.match(section, operation.details.replaceAll("`", ""));
    for (const { path } of endpointsOf(operation)) {
      assert.match(section, path.replace(/:([a-z_]+)(\{[^}]*\})?/g, "{$1}"));
    }
    if (operation.kind === "call" && operation.tool !== false) assert.match(section, operation.tool);
  }
});

test("shows every field, every value of the answer and every fault of each operation", async () => {
  const html = await referenceOf();
  for (const operation of operationsOf(capabilities)) {
    const section = sectionOf(html, operation.name);
    const row = (name: string) => assert.match(section, `<th scope="row"><code>${name}</code>`);
    for (const name of Object.keys(operation.input.entries)) row(name);
    if (operation.kind !== "page" && operation.kind !== "content") {
      const schema = jsonSchema(operation.kind === "feed" ? operation.event : operation.output, "output");
      for (const { properties } of (schema.anyOf ?? [schema]) as { properties: object }[])
        for (const name of Object.keys(properties)) row(name);
    }
    for (const code of operation.faults ?? []) assert.match(section, `href="#fault-${code}"`);
  }
});

test("shows both forms of a feed that also answers once, and the ticket that it takes", async () => {
  const section = sectionOf(await referenceOf(), "channels.follow");
  const follow = operationsOf(capabilities).find(({ name }) => name === "channels.follow")!;
  const { field, operation } = pollOf(follow)!;
  for (const name of Object.keys(operation.input.entries))
    assert.match(section, `<th scope="row"><code>${name}</code>`);
  for (const name of Object.keys(jsonSchema((operation as CallOperation).output, "output").properties as object))
    assert.match(section, `<th scope="row"><code>${name}</code>`);
  const words = textOf(section);
  assert.match(words, operation.details!.replaceAll("`", ""));
  assert.match(words, "Data of each event");
  assert.match(words, `Answer with ${field}, status 200`);
  assert.match(words, `query, only with ${field}`);
  assert.match(words, /curl -N "[^"]*\$CHANNEL_ID"/);
  assert.match(words, /curl "[^"]*\$CHANNEL_ID\?wait=25&from=earliest"/);
  assert.match(words, "or a ticket in the query as ticket");
  assert.match(textOf(await referenceOf()), /tickettkt_…\s+in the query, as ticket/);
});

test("shows the forms of an input, what is in the items of a list, and no tool where there is none", async () => {
  const html = await referenceOf();
  const section = sectionOf(html, "channels.publish");
  for (const [name, need] of [
    ["payload", "this or messages"],
    ["messages", "this or payload"],
    ["messages[].payload", "required"],
    ["messages[].ttl_seconds", "optional"],
  ])
    assert.match(section, `<th scope="row"><code>${name}</code><span class="need">${need}</span>`);
  for (const name of ["id", "messages[].id"])
    assert.match(section, `<th scope="row"><code>${name}</code><span class="need">not always</span>`);
  assert.not.match(textOf(section), "over MCP");
  const tool = sectionOf(html, "channels.publishMessages");
  assert.match(tool, '<th scope="row"><code>messages</code><span class="need">required</span>');
  assert.match(textOf(tool), "as the argument publish_token");
});

test("leads from its contents to every chapter and operation", async () => {
  const html = await referenceOf();
  const contents = html.slice(html.indexOf('<nav class="contents"'), html.indexOf("</nav>", html.indexOf("contents")));
  for (const { name } of [...capabilities, ...operationsOf(capabilities)]) assert.match(contents, `href="#${name}"`);
  const ids = new Set(Array.from(html.matchAll(/ id="([^"]+)"/g), (match) => match[1]));
  for (const [, target] of html.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.has(target), `#${target} leads nowhere`);
  assert.is(ids.size, [...html.matchAll(/ id="/g)].length, "an id is given twice");
});

test("lists every fault code with its status", async () => {
  const html = await referenceOf();
  for (const [code, { status }] of Object.entries(faultCodes)) {
    assert.match(html, new RegExp(`<tr id="fault-${code}">.*?<td class="status">${status}</td>`));
  }
});

const things: Capability = {
  name: "things",
  title: "Things & more",
  about: "For tests <only>.",
  duties: [],
  operations: {
    rename: call({
      summary: "Rename a thing.",
      http: "POST /things/:thing_id",
      tool: "rename_thing",
      needs: { credential: "publish", of: "thing_id" },
      limit: "other",
      input: v.strictObject({
        thing_id: v.string(),
        title: v.string(),
        key: v.optional(v.string()),
        other: v.optional(v.string()),
      }),
      headers: { key: "Idempotency-Key" },
      output: v.object({ ok: v.boolean() }),
      examples: [
        {
          input: { thing_id: "$SECOND_THING_ID", title: "it's <new>", key: "k1", other: "$OTHER_ID" },
          output: { ok: true },
        },
      ],
      handle: async () => ({ ok: true }),
    }),
    find: call({
      summary: "Find a thing.",
      http: ["GET /things/:kind{big|small}", "GET /finds/:kind{big|small}"],
      tool: false,
      needs: "nobody",
      limit: "other",
      input: v.strictObject({ kind: v.picklist(["big", "small"]), word: v.string(), limit: v.optional(v.number(), 5) }),
      output: v.object({ found: v.array(v.object({ id: v.string() })) }),
      handle: async () => ({ found: [] }),
    }),
  },
};

test("derives the curl line and the MCP request from the example", async () => {
  const section = textOf(sectionOf(await referenceOf({ capabilities: [things] }), "things.rename"));
  const curl = `curl "http://millrace.test/things/$SECOND_THING_ID" \\
  -H "X-Publish-Token: $SECOND_PUBLISH_TOKEN" \\
  -H 'Idempotency-Key: k1' \\
  -H 'Content-Type: application/json' \\
  -d '{"title":"it'\\''s <new>","other":"'"$OTHER_ID"'"}'`;
  assert.ok(section.includes(curl), section);
  const request = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: "rename_thing",
      arguments: {
        publish_token: "$SECOND_PUBLISH_TOKEN",
        thing_id: "$SECOND_THING_ID",
        title: "it's <new>",
        key: "k1",
        other: "$OTHER_ID",
      },
    },
  };
  assert.ok(section.includes(JSON.stringify(request, null, 2)), section);
});

test("shows the least that can be sent where no example is declared", async () => {
  const section = textOf(sectionOf(await referenceOf({ capabilities: [things] }), "things.find"));
  assert.ok(section.includes('curl "http://millrace.test/things/big?word=$WORD"'), section);
  assert.match(section, "found[].id");
  assert.match(section, "default 5");
});

test("shows all examples of our operations", async () => {
  const html = textOf(await referenceOf());
  for (const { examples = [] } of operationsOf(capabilities)) {
    for (const { output } of examples) assert.ok(html.includes(JSON.stringify(output, null, 2)));
  }
});

test("uses the configured bases in its examples", async () => {
  const html = await referenceOf({ settings: { restBase: "https://api.test", channelBase: "https://live.test" } });
  assert.match(html, "https://api.test/v1/channels");
  assert.match(html, "https://live.test/channel/v1/public/$CHANNEL_ID");
});

test("escapes what declarations say", async () => {
  const html = await referenceOf({ capabilities: [things] });
  assert.match(html, "Things &amp; more");
  assert.match(html, "For tests &lt;only&gt;.");
  assert.not.match(html, "<only>");
});

test("is well-formed, names no other host and runs nothing inline", async () => {
  const html = await referenceOf();
  assert.equal(faultsOfHtml(html), []);
});

test("is sent with the headers of a page and an ETag", async () => {
  const { send } = memorySite();
  const response = await send("/reference");
  assert.match(response.headers.get("content-security-policy")!, "default-src 'none'; script-src 'self'");
  assert.is(response.headers.get("x-content-type-options"), "nosniff");
  assert.is(response.headers.get("cache-control"), "no-cache");
  const again = await send("/reference", { headers: { "If-None-Match": response.headers.get("etag")! } });
  assert.is(again.status, 304);
});

test("is made for the origin that the caller used, however many there are", async () => {
  const { send } = memorySite({ settings: { trustedProxies: ["192.0.2.1"] } });
  for (let index = 0; index < 20; index += 1) {
    const headers = { "X-Forwarded-Host": `host-${index}.test`, "X-Forwarded-Proto": "https" };
    assert.match(await (await send("/reference", { headers })).text(), `https://host-${index}.test/v1/channels`);
  }
});

test("belongs to the site, and its assets to every app, since each may show a manual", async () => {
  const { send } = memorySite({ apps: ["rest"] });
  assert.is((await send("/reference")).status, 404);
  assert.is((await send("/assets/style.css")).status, 200);
});

const assets = suite("GET /assets/…");

assets("are what the pages ask for, each with its type and an ETag", async () => {
  const { send } = memorySite();
  const types: Record<string, string> = { css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
  const pages = await Promise.all(["/", "/reference"].map(async (path) => (await send(path)).text()));
  const wanted = new Set(pages.join().match(/\/assets\/[a-z.]+/g));
  assert.is(wanted.size, 4);
  for (const path of wanted) {
    const response = await send(path);
    assert.is(response.status, 200);
    assert.ok(response.headers.get("content-type")!.startsWith(types[path.split(".").at(-1)!]!), path);
    assert.is(response.headers.get("x-content-type-options"), "nosniff");
    assert.not.match((await response.text()).replace("http://www.w3.org/2000/svg", ""), /https?:\/\/|url\(|@import/);
    const headers = { "If-None-Match": response.headers.get("etag")! };
    assert.is((await send(path, { headers })).status, 304);
  }
});

test.run();
assets.run();
