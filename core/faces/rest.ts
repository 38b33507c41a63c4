/** Call and page operations on HTTP: path, query, headers and body become one input; the answer becomes JSON or a page. */
import { ticketKind } from "../kernel/credential.ts";
import { quote } from "../kernel/fields.ts";
import { fromText } from "../kernel/input.ts";
import type { Call, Corridor } from "../kernel/invoke.ts";
import { parseJson } from "../kernel/json_text.ts";
import { endpointsOf, type Operation, type Page } from "../kernel/operation.ts";
import type { Settings } from "../kernel/settings.ts";
import { Fault } from "../ports/fault.ts";
import { readBody } from "./body.ts";
import { pageHeaders } from "./page_headers.ts";
import { type Exchange, json, type Route } from "./route.ts";

const DEFAULT_MOST = { json: 65_536, raw: 0 };

export function restRoutes(operations: readonly Operation[], corridor: Corridor, settings: Settings): Route[] {
  return operations.flatMap((operation) => {
    if (operation.kind === "feed") return [];
    return endpointsOf(operation).map((endpoint) => ({
      ...endpoint,
      async serve(exchange: Exchange) {
        const { value, status, headers } = await corridor(operation, httpCall(operation, exchange, settings));
        if (operation.kind === "call") return json(value, { status, headers });
        const page = value as Page;
        return {
          status,
          headers: { "Content-Type": page.type, ...pageHeaders(settings), ...headers },
          body: page.body,
        };
      },
    }));
  });
}

/** A request as the corridor wants it. */
export function httpCall(operation: Operation, exchange: Exchange, settings: Settings): Call {
  const { request, requestId, address, origin } = exchange;
  const early: Record<string, unknown> = {};
  for (const name in exchange.params) early[name] = fromText(operation.input, name, exchange.params[name]!);
  return {
    face: "rest",
    requestId,
    address,
    origin,
    // Only on demand: on Node the signal costs as much as the rest of the request.
    get signal() {
      return request.signal;
    },
    secret(header) {
      return request.headers.get(header)?.trim() || null;
    },
    bearer() {
      return /^Bearer +(\S+)\s*$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
    },
    query(name) {
      return inQuery(exchange.url, name);
    },
    early,
    async read() {
      const fields = { ...early };
      addHeaders(operation, request, fields);
      if (request.method === "GET" || request.method === "HEAD" || request.method === "DELETE") {
        addQuery(operation, exchange.url, fields);
        return fields;
      }
      return addBody(operation, exchange, { fields, settings });
    },
  };
}

function addHeaders(operation: Operation, request: Request, fields: Record<string, unknown>): void {
  for (const field in operation.headers) {
    const text = request.headers.get(operation.headers[field]!);
    if (text !== null && text !== "") fields[field] = fromText(operation.input, field, text);
  }
}

function inQuery(url: URL, name: string): string | null {
  const [text = null, ...more] = url.searchParams.getAll(name);
  if (more.length > 0) throw new Fault("invalid_input", `The field ${name} is given twice; send it once`);
  return text;
}

function addQuery(operation: Operation, url: URL, fields: Record<string, unknown>): void {
  // Links to a page and probes carry marks of others in the query; where nothing is asked for, nothing is misunderstood.
  if (Object.keys(operation.input.entries).length === 0) return;
  const { needs } = operation;
  const ticket = typeof needs === "object" && needs.ticket ? ticketKind.query : null;
  for (const [name, text] of url.searchParams) {
    // No field, but a secret, which the corridor has taken already.
    if (name === ticket) continue;
    if (Object.hasOwn(fields, name))
      throw new Fault("invalid_input", `The field ${name.slice(0, 60)} is given twice; send it once`);
    Object.defineProperty(fields, name, {
      value: fromText(operation.input, name, text),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
}

async function addBody(
  operation: Operation,
  exchange: Exchange,
  into: { fields: Record<string, unknown>; settings: Settings },
): Promise<unknown> {
  const { request, url } = exchange;
  const { fields } = into;
  const rule = operation.kind === "call" ? operation.body : undefined;
  const most = rule?.most(into.settings) ?? DEFAULT_MOST;
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (rule?.raw !== undefined && type !== "application/json") {
    addQuery(operation, url, fields);
    return { ...fields, [rule.raw]: await readBody(request, most.raw) };
  }
  const astray = url.search === "" ? undefined : [...url.searchParams.keys()][0];
  if (astray !== undefined) {
    throw new Fault("invalid_input", `The field ${quote(astray)} stands in the query; send it in the JSON body`);
  }
  const bytes = await readBody(request, most.json);
  if (bytes.length === 0 && Object.keys(operation.input.entries).every((name) => Object.hasOwn(fields, name))) {
    return fields;
  }
  const body = bytes.length === 0 && type === "" ? {} : parseJson(bytes);
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  for (const field in operation.headers) {
    if (!Object.hasOwn(body, field)) continue;
    const words = `The field ${field} travels as the header ${operation.headers[field]}, not in the body`;
    throw new Fault("invalid_input", words);
  }
  for (const name in fields) {
    if (Object.hasOwn(body, name))
      throw new Fault(
        "invalid_input",
        `The field ${name} stands in the path or a header already; leave it out of the body`,
      );
  }
  return { ...body, ...fields };
}
