/**
 * The OpenAPI 3.1 description, derived from the declarations alone: every endpoint of every operation, aliases included. MCP tools that
 * are not on HTTP have no place in it.
 */

import { type CredentialKind, credentialKinds, ticketKind } from "../kernel/credential.ts";
import { type Forms, formsOf, strayFields } from "../kernel/forms.ts";
import { jsonSchema } from "../kernel/json_schema.ts";
import {
  bodyRuleOf,
  type Endpoint,
  endpointsOf,
  type Needs,
  type Operation,
  pollOf,
  scopeNeedOf,
} from "../kernel/operation.ts";
import { publicBase } from "../kernel/public_base.ts";
import type { Settings } from "../kernel/settings.ts";
import { type FaultCode, faultCodes } from "../ports/fault.ts";
import type { JsonObject } from "../ports/json.ts";
import { faultsOf, faultWords } from "./docs/faults.ts";
import { besideRaw, type Field, fieldsOf, fieldsOfPoll, hasBody, rawFieldOf, templateOf } from "./docs/fields.ts";
import { progressContent, progressWords } from "./docs/progress.ts";
import { serveText } from "./docs/text.ts";
import type { Route } from "./route.ts";

/** `GET /openapi.json` on every app. */
export function openapiRoutes(operations: readonly Operation[], settings: Settings): Route[] {
  const serve = serveText((origin) => ({
    type: "application/json; charset=utf-8",
    body: JSON.stringify(openapi(operations, settings, origin)),
    headers: { "X-Content-Type-Options": "nosniff" },
  }));
  return [{ method: "GET", path: "/openapi.json", app: "all", serve }];
}

function openapi(operations: readonly Operation[], settings: Settings, origin: string): JsonObject {
  const paths: { [path: string]: JsonObject } = {};
  for (const operation of operations) {
    for (const [index, endpoint] of endpointsOf(operation).entries()) {
      const path = templateOf(endpoint.path);
      paths[path] = {
        ...paths[path],
        [endpoint.method.toLowerCase()]: describe(operation, { endpoint, index, settings }),
      };
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Millrace",
      version: settings.version,
      summary: "Durable channels that agents, scripts and people share.",
    },
    servers: [{ url: publicBase("rest", origin, settings) }],
    tags: [...new Set(operations.map(capabilityOf))].map((name) => ({ name })),
    paths,
    components: { schemas: { Error: errorSchema }, securitySchemes: securitySchemes() },
  };
}

interface At {
  endpoint: Endpoint;
  /** Which of the operation's endpoints; those after the first are aliases. */
  index: number;
  settings: Settings;
}

function describe(operation: Operation, { endpoint, index, settings }: At): JsonObject {
  const fields = fieldsOf(operation, endpoint);
  const body = bodyOf(operation, { endpoint, fields });
  const base = endpoint.app === "connections" ? settings.channelBase : null;
  return {
    // Ids are unique in a description, so an alias has one of its own.
    operationId: index === 0 ? operation.name : `${operation.name}_${index + 1}`,
    tags: [capabilityOf(operation)],
    summary: operation.summary,
    ...descriptionOf(operation),
    ...(base === null ? {} : { servers: [{ url: base }] }),
    parameters: parametersOf(operation, { endpoint, fields }),
    ...(body === null ? {} : { requestBody: body }),
    responses: { ...success(operation), ...failures(operation) },
    security: securityOf(operation.needs),
    ...(operation.kind === "call" && operation.tool !== false ? { "x-mcp-tool": operation.tool } : {}),
  };
}

function capabilityOf(operation: Operation): string {
  return operation.name.split(".")[0]!;
}

function descriptionOf(operation: Operation): { description?: string } {
  const also = scopeNeedOf(operation.needs)?.also;
  const right = also === undefined ? undefined : `The token needs more for some requests: ${also.words}.`;
  const words = [operation.details, pollOf(operation)?.operation.details, right].filter((part) => part !== undefined);
  return words.length === 0 ? {} : { description: words.join("\n\n") };
}

function parametersOf(
  operation: Operation,
  { endpoint, fields }: { endpoint: Endpoint; fields: readonly Field[] },
): JsonObject[] {
  const beside = besideRaw(operation, fields).map((field) =>
    parameter({ ...field, place: "query", required: false }, "Only beside a body that is not JSON."),
  );
  const poll = fieldsOfPoll(operation, endpoint);
  const only =
    poll === null
      ? []
      : [parameter(poll.asks), ...poll.others.map((field) => parameter(field, `Only with ${poll.asks.name}.`))];
  return [...fields.filter(({ place }) => place !== "body").map((field) => parameter(field)), ...beside, ...only];
}

function parameter({ name, place, header, required, schema }: Field, note?: string): JsonObject {
  const { description, ...rest } = schema;
  const words = [description, note].filter((part) => part !== undefined).join(". ");
  const about = words === "" ? {} : { description: words };
  // Pairs of any name, each a parameter of its own in the query.
  if (place === "rest")
    return {
      name,
      in: "query",
      required,
      ...about,
      style: "form",
      explode: true,
      schema: { type: "object", additionalProperties: { type: "string" } },
    };
  return {
    name: header ?? name,
    in: place,
    required: place === "path" || required,
    ...about,
    schema: rest,
  };
}

function bodyOf(
  operation: Operation,
  { endpoint, fields }: { endpoint: Endpoint; fields: readonly Field[] },
): JsonObject | null {
  const inside = fields.filter(({ place }) => place === "body");
  if (!hasBody(endpoint) || inside.length === 0) return null;
  const rule = bodyRuleOf(operation);
  const whole = inside.find(({ name }) => name === rule?.whole);
  if (whole !== undefined)
    return { required: whole.required, content: { "application/json": { schema: whole.schema } } };
  const stream = inside.find(({ name }) => name === rule?.stream);
  if (stream !== undefined)
    return { required: false, content: { "*/*": { schema: { type: "string", format: "binary" } } } };
  const forms = formsOf(operation.input);
  const schema =
    forms === null ? objectOf(inside) : { oneOf: Object.keys(forms).map((lead) => formOf(inside, forms, lead)) };
  const list = inside.find(({ name }) => name === rule?.list);
  const raw = rawFieldOf(operation);
  const asItIs = { "text/plain": { schema: { type: "string" } }, "application/octet-stream": {} };
  return {
    required: forms !== null || inside.some(({ required }) => required),
    ...(raw === null
      ? {}
      : { description: `A body of any other type than JSON is taken as \`${raw}\`, byte for byte.` }),
    content: {
      "application/json": { schema: list === undefined ? schema : { anyOf: [schema, list.schema] } },
      ...(raw === null ? {} : asItIs),
    },
  };
}

function objectOf(fields: readonly Field[]): JsonObject {
  return {
    type: "object",
    properties: Object.fromEntries(fields.map((field) => [field.name, field.schema])),
    required: fields.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false,
  };
}

function formOf(fields: readonly Field[], forms: Forms, lead: string): JsonObject {
  const strays = strayFields(forms, lead);
  const mine = fields.filter(({ name }) => !strays.includes(name));
  return {
    title: lead,
    ...objectOf(mine.map((field) => ({ ...field, required: field.required || field.name === lead }))),
  };
}

function success(operation: Operation): JsonObject {
  if (operation.kind === "content") {
    const schema = { type: "string", ...(operation.produces.startsWith("text/") ? {} : { format: "binary" }) };
    return { 200: { description: "The content.", content: { [operation.produces]: { schema } } } };
  }
  if (operation.kind === "page") {
    return { 200: { description: "The page.", content: { "text/html": { schema: { type: "string" } } } } };
  }
  if (operation.kind === "feed") {
    const schema = { type: "string", description: "Server-Sent Events; x-event is the schema of each event's data." };
    const stream = { schema, "x-event": jsonSchema(operation.event, "output") };
    const poll = pollOf(operation);
    if (poll === null)
      return { 200: { description: "An endless stream of events.", content: { "text/event-stream": stream } } };
    const once = { schema: jsonSchema(poll.operation.output, "output") };
    const description = `An endless stream of events; with ${poll.field} one answer as JSON.`;
    return { 200: { description, content: { "text/event-stream": stream, "application/json": once } } };
  }
  const { status = 200, output } = operation;
  const content = { "application/json": { schema: jsonSchema(output, "output") } };
  const { otherwise } = operation;
  const told = progressWords(operation);
  // A stream begins before it is known how it ends, so its status is 200 whatever the answer's.
  const events = progressContent(operation);
  return {
    ...(told === null ? {} : { 200: { description: "Done, or a stream that tells of it.", content: events } }),
    [status]: {
      description: status === 201 ? "Created." : "Done.",
      content: status === 200 ? { ...content, ...events } : content,
    },
    ...(otherwise === undefined ? {} : { [otherwise.status]: { description: otherwise.words, content } }),
  };
}

/** Codes of one status share a response; its description tells them apart. */
function failures(operation: Operation): JsonObject {
  const byStatus = new Map<number, FaultCode[]>();
  for (const code of faultsOf(operation)) {
    const { status } = faultCodes[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    Array.from(byStatus, ([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${faultWords[code]}`).join(" "),
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        ...(status === 429 || status === 503 ? { headers: { "Retry-After": { schema: { type: "integer" } } } } : {}),
      },
    ]),
  );
}

function securityOf(needs: Needs): JsonObject[] {
  if (needs === "nobody") return [];
  if (needs === "internal") return [{ internal_token: [] }];
  if (needs === "each") return [{ token_bearer: [] }, {}];
  // OpenAPI 3.1 lets any scheme name the roles that it takes.
  // Without a token, where the secret of what is asked for, a parameter, stands in for it.
  if ("scope" in needs)
    return [{ token_bearer: [`${needs.scope}:${needs.access}`] }, ...(needs.unless === undefined ? [] : [{}])];
  const { argument, bearer } = credentialKinds[needs.credential];
  return [
    ...(needs.optional ? [{}] : []),
    { [argument]: [] },
    ...(bearer ? [{ [`${argument}_bearer`]: [] }] : []),
    ...(needs.ticket ? [{ [ticketKind.query]: [] }] : []),
  ];
}

function securitySchemes(): JsonObject {
  const schemes: JsonObject = {};
  for (const kind of Object.keys(credentialKinds) as CredentialKind[]) {
    const { header, argument, bearer, prefix, words } = credentialKinds[kind];
    const description = `The ${words}, ${prefix}_…`;
    schemes[argument] = { type: "apiKey", in: "header", name: header, description };
    if (bearer) schemes[`${argument}_bearer`] = { type: "http", scheme: "bearer", description };
  }
  const { query, prefix, words } = ticketKind;
  schemes[query] = { type: "apiKey", in: "query", name: query, description: `The ${words}, ${prefix}_…` };
  const bearer = (description: string) => ({ type: "http", scheme: "bearer", description });
  return {
    ...schemes,
    token_bearer: bearer("The DATASTORE_TOKEN of the server, or a token that its holder made, mlr_…, with the scope."),
    internal_token: bearer("The INTERNAL_TOKEN of the server, for services beside it."),
  };
}

/** The one envelope of every error, on every face. */
const errorSchema: JsonObject = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "string", enum: Object.keys(faultCodes) },
        message: { type: "string", description: "What was wrong, the value, and what to send instead" },
        details: {
          type: "object",
          description: "Particulars for programs, such as the field",
          additionalProperties: {},
        },
        retryable: { type: "boolean", description: "Whether the same request may succeed later" },
        request_id: { type: "string", description: "Finds the request in the server's log" },
      },
      required: ["code", "message", "retryable", "request_id"],
    },
  },
  required: ["error"],
};
