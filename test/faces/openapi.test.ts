import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { capabilities } from "../../core/capabilities/mod.ts";
import { type Capability, operationsOf } from "../../core/kernel/capability.ts";
import { instant, listOf, uuid, whole } from "../../core/kernel/fields.ts";
import { inForms } from "../../core/kernel/forms.ts";
import { call, endpointsOf, feed, page, poll } from "../../core/kernel/operation.ts";
import { memorySite, type SiteOptions } from "../support/memory_site.ts";

const test = suite("GET /openapi.json");

const boxId = uuid("the box's id");
const done = v.object({ id: v.string() });
const owned = { credential: "publish", of: "box_id" } as const;

const boxes: Capability = {
  name: "boxes",
  title: "Boxes",
  about: "Boxes for tests.",
  duties: [],
  operations: {
    put: call({
      summary: "Put a thing into a box.",
      details: "The thing stays there.",
      http: "POST /v1/boxes/:box_id/things",
      tool: "put_thing",
      needs: owned,
      limit: "publish",
      input: v.strictObject({
        box_id: boxId,
        thing: v.pipe(
          v.custom(() => true),
          v.description("Anything"),
        ),
        note: v.optional(v.record(v.string(), v.unknown())),
        size: v.optional(whole(1, 9, "How large")),
        key: v.optional(v.string()),
      }),
      headers: { key: "Idempotency-Key" },
      body: { raw: "thing", most: () => ({ json: 100, raw: 100 }) },
      status: 201,
      output: done,
      faults: ["not_found"],
      handle: async () => ({ id: "1" }),
    }),
    fill: call({
      summary: "Fill a box.",
      http: "POST /v1/boxes/:box_id/fill",
      tool: false,
      needs: owned,
      limit: "publish",
      input: inForms(
        {
          box_id: boxId,
          thing: v.optional(v.unknown()),
          size: v.optional(whole(1, 9, "How large")),
          things: v.optional(listOf(v.strictObject({ thing: v.unknown() }), 9, "Things")),
          note: v.optional(v.string()),
        },
        { thing: { is: "anything", beside: ["size"] }, things: { is: "a list", beside: [] } },
      ),
      output: v.union([done, v.object({ ids: v.array(v.string()) })]),
      handle: async () => ({ id: "1" }),
    }),
    list: call({
      summary: "List boxes.",
      http: "GET /v1/boxes",
      tool: "list_boxes",
      needs: "nobody",
      limit: "unlimited",
      input: v.strictObject({
        limit: v.optional(whole(1, 50, "The most"), 10),
        since: v.optional(instant("From when")),
      }),
      output: done,
      handle: async () => ({ id: "1" }),
    }),
    empty: call({
      summary: "Empty a box.",
      http: "POST /v1/boxes/:box_id/empty",
      tool: false,
      needs: "internal",
      limit: "other",
      input: v.strictObject({ box_id: boxId }),
      output: done,
      handle: async () => ({ id: "1" }),
    }),
    watch: feed({
      summary: "Watch a box.",
      http: ["GET /v1/:colour{red|blue}/:box_id", "GET /watch/:colour{red|blue}/:box_id"],
      needs: { credential: "read", of: "box_id", optional: true, ticket: true },
      limit: "other",
      input: v.strictObject({ colour: v.picklist(["red", "blue"]), box_id: boxId, last: v.optional(boxId) }),
      headers: { last: "Last-Event-ID" },
      event: done,
      poll: poll({
        field: "wait",
        summary: "Wait for a box.",
        details: "It answers once.",
        input: v.strictObject({
          colour: v.picklist(["red", "blue"]),
          box_id: boxId,
          last: v.optional(boxId),
          wait: whole(0, 9, "How long"),
          limit: v.optional(whole(1, 50, "The most"), 10),
        }),
        output: v.object({ found: v.boolean() }),
        handle: async () => ({ found: true }),
      }),
      handle: async () => {
        throw new Error("not watched here");
      },
    }),
    show: page({
      summary: "Show the boxes.",
      http: "GET /boxes",
      needs: "nobody",
      limit: "other",
      input: v.strictObject({}),
      handle: async () => ({ type: "text/html", body: "" }),
    }),
    whisper: call({
      summary: "Say it over MCP only.",
      http: false,
      tool: "whisper",
      needs: "nobody",
      limit: "other",
      input: v.strictObject({}),
      output: done,
      handle: async () => ({ id: "1" }),
    }),
  },
};

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into at many places
async function documentOf(options: SiteOptions = {}): Promise<any> {
  const response = await memorySite({ capabilities: [boxes], ...options }).send("/openapi.json");
  assert.is(response.status, 200);
  return response.json();
}

test("is OpenAPI 3.1 with the server's version and origin", async () => {
  const { openapi, info, servers, tags } = await documentOf({ settings: { version: "4.5.6" } });
  assert.is(openapi, "3.1.0");
  assert.is(info.version, "4.5.6");
  assert.equal(servers, [{ url: "http://millrace.test" }]);
  assert.equal(tags, [{ name: "boxes" }]);
});

test("names the configured bases where they differ from the origin", async () => {
  const { servers, paths } = await documentOf({
    settings: { restBase: "https://api.test", channelBase: "https://live.test" },
  });
  assert.equal(servers, [{ url: "https://api.test" }]);
  assert.equal(paths["/watch/{colour}/{box_id}"].get.servers, [{ url: "https://live.test" }]);
  assert.is(paths["/v1/boxes"].get.servers, undefined);
});

test("holds every endpoint of every operation, aliases and all apps included", async () => {
  const { paths } = await documentOf({ capabilities });
  for (const operation of operationsOf(capabilities)) {
    for (const { method, path } of endpointsOf(operation)) {
      const found = paths[path.replace(/:([a-z_]+)(\{[^}]*\})?/g, "{$1}")]?.[method.toLowerCase()];
      assert.ok(found, `${method} ${path} is missing`);
      assert.is(found.summary, operation.summary);
    }
  }
});

test("gives every endpoint an id of its own, the operation's name first", async () => {
  const { paths } = await documentOf();
  assert.is(paths["/v1/{colour}/{box_id}"].get.operationId, "boxes.watch");
  assert.is(paths["/watch/{colour}/{box_id}"].get.operationId, "boxes.watch_2");
  assert.not.match(JSON.stringify(paths), "whisper");
});

test("tells where each field travels", async () => {
  const { paths } = await documentOf();
  const { parameters, requestBody } = paths["/v1/boxes/{box_id}/things"].post;
  assert.equal(
    parameters.map((one: { name: string; in: string; required: boolean }) => [one.name, one.in, one.required]),
    [
      ["box_id", "path", true],
      ["Idempotency-Key", "header", false],
      ["size", "query", false],
    ],
  );
  assert.match(parameters[2].description, "beside a body that is not JSON");
  assert.is(requestBody.required, true);
  assert.equal(Object.keys(requestBody.content), ["application/json", "text/plain", "application/octet-stream"]);
  const { schema } = requestBody.content["application/json"];
  assert.equal(Object.keys(schema.properties), ["thing", "note", "size"]);
  assert.equal(schema.required, ["thing"]);
  assert.is(schema.additionalProperties, false);
  const [limit, since] = paths["/v1/boxes"].get.parameters;
  assert.equal(limit.schema, { type: "integer", minimum: 1, maximum: 50, default: 10 });
  assert.equal(since, {
    name: "since",
    in: "query",
    required: false,
    description: "From when",
    schema: { type: "string", format: "date-time" },
  });
  assert.is(paths["/v1/boxes/{box_id}/empty"].post.requestBody, undefined);
});

test("describes a body of several forms as one of them, and an answer of several shapes as any of them", async () => {
  const { paths } = await documentOf();
  const { requestBody, responses } = paths["/v1/boxes/{box_id}/fill"].post;
  assert.is(requestBody.required, true);
  const [one, many, ...others] = requestBody.content["application/json"].schema.oneOf;
  assert.equal(others, []);
  assert.equal([one.title, Object.keys(one.properties), one.required], ["thing", ["thing", "size", "note"], ["thing"]]);
  assert.equal([many.title, Object.keys(many.properties), many.required], ["things", ["things", "note"], ["things"]]);
  for (const form of [one, many]) assert.equal([form.type, form.additionalProperties], ["object", false]);
  const { anyOf } = responses["200"].content["application/json"].schema;
  assert.equal(
    anyOf.map(({ required }: { required: string[] }) => required),
    [["id"], ["ids"]],
  );
});

test("describes answers by kind", async () => {
  const { paths } = await documentOf();
  const created = paths["/v1/boxes/{box_id}/things"].post.responses["201"].content["application/json"].schema;
  assert.equal(created.properties, { id: { type: "string" } });
  const stream = paths["/v1/{colour}/{box_id}"].get.responses["200"].content["text/event-stream"];
  assert.equal(stream["x-event"].required, ["id"]);
  assert.ok(paths["/boxes"].get.responses["200"].content["text/html"]);
});

test("describes both forms of a feed that also answers once", async () => {
  const { paths } = await documentOf();
  for (const path of ["/v1/{colour}/{box_id}", "/watch/{colour}/{box_id}"]) {
    const { parameters, responses, description } = paths[path].get;
    assert.equal(
      parameters.map((one: { name: string; in: string; required: boolean }) => [one.name, one.in, one.required]),
      [
        ["colour", "path", true],
        ["box_id", "path", true],
        ["Last-Event-ID", "header", false],
        ["wait", "query", false],
        ["limit", "query", false],
      ],
    );
    assert.equal(
      parameters.slice(3).map((one: { description: string }) => one.description),
      ["How long", "The most. Only with wait."],
    );
    assert.is(description, "It answers once.");
    const { content } = responses["200"];
    assert.equal(Object.keys(content), ["text/event-stream", "application/json"]);
    assert.equal(content["text/event-stream"]["x-event"].required, ["id"]);
    assert.equal(content["application/json"].schema.required, ["found"]);
    assert.match(responses["200"].description, "with wait one answer as JSON");
  }
});

test("lists the faults that an operation's shape allows, with one envelope", async () => {
  const { paths, components } = await documentOf();
  const statuses = (one: { responses: object }) => Object.keys(one.responses);
  const put = paths["/v1/boxes/{box_id}/things"].post;
  assert.equal(statuses(put), ["201", "400", "401", "404", "413", "429", "500", "503"]);
  assert.equal(statuses(paths["/v1/boxes"].get), ["200", "400", "500"]);
  assert.equal(statuses(paths["/boxes"].get), ["200", "429", "500"]);
  assert.match(put.responses["400"].description, /`invalid_json`.*`invalid_input`/);
  assert.equal(put.responses["404"].content["application/json"].schema, { $ref: "#/components/schemas/Error" });
  assert.ok(components.schemas.Error.properties.error.properties.code.enum.includes("rate_limited"));
});

test("says which token an operation takes", async () => {
  const { paths, components } = await documentOf();
  assert.equal(paths["/v1/boxes/{box_id}/things"].post.security, [{ publish_token: [] }]);
  assert.equal(paths["/v1/{colour}/{box_id}"].get.security, [
    {},
    { read_token: [] },
    { read_token_bearer: [] },
    { ticket: [] },
  ]);
  assert.equal(paths["/v1/boxes/{box_id}/empty"].post.security, [{ internal_token: [] }]);
  assert.equal(paths["/v1/boxes"].get.security, []);
  const { publish_token, read_token_bearer, ticket } = components.securitySchemes;
  assert.equal([publish_token.type, publish_token.in, publish_token.name], ["apiKey", "header", "X-Publish-Token"]);
  assert.equal([read_token_bearer.type, read_token_bearer.scheme], ["http", "bearer"]);
  assert.equal([ticket.type, ticket.in, ticket.name], ["apiKey", "query", "ticket"]);
});

test("refers only to what it holds", async () => {
  const found = await documentOf({ capabilities });
  for (const [, name] of JSON.stringify(found).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
    assert.ok(found.components.schemas[name!], `${name} is missing`);
  }
  for (const path of Object.values<Record<string, { security: object[] }>>(found.paths)) {
    for (const { security } of Object.values(path)) {
      for (const name of security.flatMap(Object.keys)) assert.ok(found.components.securitySchemes[name]);
    }
  }
});

test("is answered on every app, and with 304 to whoever holds it", async () => {
  const { send } = memorySite({ apps: ["mcp"] });
  const first = await send("/openapi.json");
  const etag = first.headers.get("etag")!;
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  for (const held of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const again = await send("/openapi.json", { headers: { "If-None-Match": held } });
    assert.is(again.status, 304);
    assert.is(again.headers.get("etag"), etag);
    assert.is(await again.text(), "");
  }
  assert.is((await send("/openapi.json", { headers: { "If-None-Match": '"other"' } })).status, 200);
});

test.run();
