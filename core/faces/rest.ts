/** Call, content and page operations on HTTP: path, query, headers and body become one input; the answer becomes JSON, bytes or a page. */

import type { Call } from "../kernel/call.ts";
import type { House } from "../kernel/context.ts";
import { ticketKind } from "../kernel/credential.ts";
import { quote } from "../kernel/fields.ts";
import { refuseUnconfigured } from "../kernel/identify.ts";
import { fromText } from "../kernel/input.ts";
import type { Corridor } from "../kernel/invoke.ts";
import { parseJson } from "../kernel/json_text.ts";
import { bodyRuleOf, type Content, endpointsOf, type Operation, type Page, scopeNeedOf } from "../kernel/operation.ts";
import type { Settings } from "../kernel/settings.ts";
import { Fault } from "../ports/fault.ts";
import { openBody, readBody } from "./body.ts";
import { pageHeaders } from "./page_headers.ts";
import { answerWithProgress, wantsProgress } from "./progress.ts";
import { bearerOf, type Exchange, json, type Route } from "./route.ts";

const DEFAULT_MOST = { json: 65_536, raw: 0 };

type RestHouse = Pick<House, "clock" | "log" | "settings">;

export function restRoutes(operations: readonly Operation[], corridor: Corridor, house: RestHouse): Route[] {
  const { settings } = house;
  return operations.flatMap((operation) => {
    if (operation.kind === "feed") return [];
    return endpointsOf(operation).map((endpoint) => ({
      ...endpoint,
      ...closedUntilConfigured(operation, settings),
      async serve(exchange: Exchange) {
        const call = httpCall(operation, exchange, settings);
        const answer = wantsProgress(operation, exchange.request)
          ? await answerWithProgress({ operation, call, exchange }, corridor, house)
          : await corridor(operation, call);
        if (answer instanceof Response) return answer;
        const { value, status, headers } = answer;
        if (operation.kind === "call") return json(value, { status, headers });
        if (operation.kind === "content") return contentAnswer(value as Content, headers);
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

/** The data modes are closed as a whole, whatever the method; the internal route only as far as it answers. */
export function closedUntilConfigured({ needs }: Operation, settings: Settings): Pick<Route, "closed"> {
  const takesToken = needs === "each" || scopeNeedOf(needs) !== null;
  return !takesToken ? {} : { closed: () => refuseUnconfigured(needs, settings) };
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
      return bearerOf(request);
    },
    query(name) {
      return inQuery(exchange.url, name);
    },
    headOnly: request.method === "HEAD",
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
    const name = operation.headers[field]!;
    const text = request.headers.get(name);
    // An empty Last-Event-ID says that no event has been seen.
    if (text === null || (text === "" && field === "last_event_id")) continue;
    // A condition or a key that got lost on its way must not make the request go without it.
    if (text === "") throw new Fault("invalid_input", `The header ${name} is empty; give it a value or leave it out`);
    fields[field] = fromText(operation.input, field, text);
  }
}

function inQuery(url: URL, name: string): string | null {
  refuseUndecodable(url);
  const [text = null, ...more] = url.searchParams.getAll(name);
  if (more.length > 0) throw new Fault("invalid_input", `The field ${name} is given twice; send it once`);
  return text;
}

/** `URLSearchParams` would put U+FFFD where bytes are no UTF-8, and let a % without its digits pass. */
function refuseUndecodable({ search }: URL): void {
  if (!search.includes("%")) return;
  try {
    decodeURIComponent(search);
  } catch {
    throw new Fault(
      "invalid_input",
      "The query is not valid percent-encoding; encode it as UTF-8, and a % that stands for itself as %25",
    );
  }
}

/** Bytes as they are; whatever they hold, a browser takes them for nothing else than their type says. */
function contentAnswer({ status = 200, headers, body }: Content, extra: Record<string, string>): Response {
  const all = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", ...extra, ...headers };
  return new Response(body, { status, headers: all });
}

function addQuery(operation: Operation, url: URL, fields: Record<string, unknown>): void {
  // Links to a page and probes carry marks of others in the query; where nothing is asked for, nothing is misunderstood.
  if (Object.keys(operation.input.entries).length === 0) return;
  refuseUndecodable(url);
  const { needs, rest } = operation;
  const ticket = typeof needs === "object" && "ticket" in needs && needs.ticket ? ticketKind.query : null;
  const remaining: string[] = [];
  for (const [name, text] of url.searchParams) {
    // No field, but a secret, which the corridor has taken already.
    if (name === ticket) continue;
    if (rest !== undefined && (name === rest || !Object.hasOwn(operation.input.entries, name))) {
      remaining.push(`${name}=${text}`);
      continue;
    }
    if (Object.hasOwn(fields, name))
      throw new Fault("invalid_input", `The field ${name.slice(0, 60)} is given twice; send it once`);
    Object.defineProperty(fields, name, {
      value: fromText(operation.input, name, text),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  if (rest !== undefined && remaining.length > 0) fields[rest] = remaining;
}

async function addBody(
  operation: Operation,
  exchange: Exchange,
  into: { fields: Record<string, unknown>; settings: Settings },
): Promise<unknown> {
  const { request, url } = exchange;
  const { fields } = into;
  const rule = bodyRuleOf(operation);
  const most = rule?.most?.(into.settings) ?? DEFAULT_MOST;
  if (rule?.stream !== undefined) {
    addQuery(operation, url, fields);
    return {
      ...fields,
      [rule.stream]: openBody(request, rule.most === undefined ? Number.POSITIVE_INFINITY : most.raw),
    };
  }
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (rule?.raw !== undefined && type !== "application/json") {
    addQuery(operation, url, fields);
    return { ...fields, [rule.raw]: await readBody(request, most.raw) };
  }
  if (rule?.whole !== undefined) {
    addQuery(operation, url, fields);
    // Overwritten by the body it would go unheard, and a filter that goes unheard changes too much.
    if (Object.hasOwn(fields, rule.whole))
      throw new Fault("invalid_input", `The field ${rule.whole} is the whole body; leave it out of the query`);
    const whole = await readBody(request, most.json);
    return whole.length === 0 ? fields : { ...fields, [rule.whole]: parseJson(whole) };
  }
  addQueryBeside(operation, url, fields);
  const bytes = await readBody(request, most.json);
  if (bytes.length === 0 && Object.keys(operation.input.entries).every((name) => Object.hasOwn(fields, name))) {
    return fields;
  }
  const body = bytes.length === 0 && type === "" ? {} : parseJson(bytes);
  if (Array.isArray(body) && rule?.list !== undefined) return { ...fields, [rule.list]: body };
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  refuseTwice(operation, body, fields);
  return { ...body, ...fields };
}

/** Fields of a request with a JSON body stand in it, but for those that are declared for the query. */
function addQueryBeside(operation: Operation, url: URL, fields: Record<string, unknown>): void {
  if (url.search === "") return;
  const declared = operation.query ?? [];
  const astray = [...url.searchParams.keys()].find((name) => !declared.includes(name));
  if (astray !== undefined && operation.rest === undefined) {
    throw new Fault("invalid_input", `The field ${quote(astray)} stands in the query; send it in the JSON body`);
  }
  addQuery(operation, url, fields);
}

function refuseTwice(operation: Operation, body: object, fields: Record<string, unknown>): void {
  for (const field in operation.headers) {
    if (!Object.hasOwn(body, field)) continue;
    const words = `The field ${field} travels as the header ${operation.headers[field]}, not in the body`;
    throw new Fault("invalid_input", words);
  }
  for (const name in fields) {
    if (!Object.hasOwn(body, name)) continue;
    throw new Fault(
      "invalid_input",
      `The field ${name} stands in the path, the query or a header already; leave it out of the body`,
    );
  }
}
