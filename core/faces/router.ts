/**
 * From a request to the one route that answers it: the only door to hono's router. Here and only here: apps per listener, closed paths, 404 and 405, HEAD, CORS,
 * request ids, faults as the error envelope, and the word to a caller that this process is about to leave.
 */
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import { proxyTrust } from "../kernel/address.ts";
import type { House } from "../kernel/context.ts";
import { asFault } from "../kernel/invoke.ts";
import { Fault } from "../ports/fault.ts";
import type { Host } from "../ports/host.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { type Exchange, faultAnswer, type Route, type Text } from "./route.ts";

/** The longest that whoever could not be served is asked to wait, in seconds; drawn anew for each, so that they do not come back together. */
const RETRY_AFTER_MOST = 3;

export type Fetch = (request: Request, host: Host) => Promise<Response>;

export function createRouter(routes: readonly Route[], house: House): Fetch {
  const { settings, ids } = house;
  const trust = proxyTrust(settings.trustedProxies);
  const router = new SmartRouter<Place>({ routers: [new RegExpRouter(), new TrieRouter()] });
  const anyMethod = new SmartRouter<Place>({ routers: [new RegExpRouter(), new TrieRouter()] });
  for (const route of routes) {
    for (const { path, fixed } of spelledOut(route.path)) {
      router.add(route.method, path, { route, fixed });
      anyMethod.add("GET", path, { route, fixed });
    }
  }

  function exchangeOf(request: Request, host: Host): Exchange {
    const url = urlOf(request);
    return {
      request,
      host,
      url,
      params: {},
      requestId: ids.uuid(),
      address: trust.client(host.address, request.headers.get("x-forwarded-for")),
      origin: trust.isTrusted(host.address) ? forwardedOrigin(request, url) : `${url.protocol}//${url.host}`,
    };
  }

  const served = (route: Route, host: Host) => route.app === "all" || host.apps.has(route.app);

  function find(exchange: Exchange, method: string): Route {
    const { url, host } = exchange;
    const path = url.pathname.length > 1 && url.pathname.endsWith("/") ? url.pathname.slice(0, -1) : url.pathname;
    const [matches, stash] = router.match(method, path);
    for (const [{ route, fixed }, params] of matches) {
      if (!served(route, host)) continue;
      route.closed?.();
      Object.assign(exchange.params, fixed);
      for (const name in params) {
        const at = params[name]!;
        exchange.params[name] = decode(typeof at === "number" ? (stash?.[at] ?? "") : at);
      }
      return route;
    }
    const there = anyMethod
      .match("GET", path)[0]
      .map(([{ route }]) => route)
      .filter((route) => served(route, host));
    for (const route of there) route.closed?.();
    const methods = new Set(there.map((route) => route.method));
    if (methods.size === 0)
      throw new Fault("not_found", `There is nothing at ${path.slice(0, 200)}; see /reference for what there is`);
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods, "OPTIONS"].sort().join(", ");
    throw new Fault("method_not_allowed", `${method} is not possible at this path; use ${allow}`, {
      headers: { Allow: allow },
    });
  }

  function failed(error: unknown, requestId: string): Text {
    const fault = asFault(error, house, requestId);
    if (fault.code === "unavailable")
      fault.headers["Retry-After"] ??= String(1 + (ids.bytes(1)[0]! % RETRY_AFTER_MOST));
    return faultAnswer(fault, requestId);
  }

  return async (request, host) => {
    let exchange: Exchange;
    try {
      exchange = exchangeOf(request, host);
    } catch (error) {
      return responseOf(failed(error, ids.uuid()), []);
    }
    let answer: Response | Text;
    try {
      if (request.method === "OPTIONS") answer = preflight(exchange, settings, allowedAt(exchange));
      else answer = await find(exchange, request.method === "HEAD" ? "GET" : request.method).serve(exchange);
    } catch (error) {
      answer = failed(error, exchange.requestId);
    }
    const headers = corsHeaders(exchange, settings);
    headers.push(["X-Request-Id", exchange.requestId]);
    // Whoever reuses this connection would come back to a process that leaves.
    if (house.phase() !== "serving") headers.push(["Connection", "close"]);
    const response = responseOf(answer, headers);
    return request.method === "HEAD" && response.body !== null ? withoutBody(response) : response;
  };

  function allowedAt(exchange: Exchange): string {
    try {
      find(exchange, "OPTIONS");
    } catch (error) {
      if (error instanceof Fault && error.code === "method_not_allowed") return error.headers.Allow!;
      throw error;
    }
    return "OPTIONS";
  }
}

/** The origin that a trusted proxy says the caller used. */
function forwardedOrigin({ headers }: Request, url: URL): string {
  const first = (name: string) => headers.get(name)?.split(",")[0]?.trim() || null;
  const protocol = first("x-forwarded-proto") ?? url.protocol.slice(0, -1);
  return `${protocol === "https" ? "https" : "http"}://${first("x-forwarded-host") ?? url.host}`;
}

/** A path that the router knows, and the parameters that it settles. */
interface Place {
  route: Route;
  fixed: Record<string, string>;
}

/** A pattern with a segment of listed values (`:visibility{public|private}`) as one path for each: only so can the fastest router take it. */
function spelledOut(pattern: string): { path: string; fixed: Record<string, string> }[] {
  const listed = /:([a-z_]+)\{([^}]+)\}/.exec(pattern);
  if (listed === null) return [{ path: pattern, fixed: {} }];
  const [segment, name, values] = listed as unknown as [string, string, string];
  return values.split("|").flatMap((value) =>
    spelledOut(pattern.replace(segment, value)).map(({ path, fixed }) => ({
      path,
      fixed: { ...fixed, [name]: value },
    })),
  );
}

function responseOf(answer: Response | Text, headers: readonly [string, string][]): Response {
  if (answer instanceof Response) {
    for (const [name, value] of headers) {
      if (name === "Vary") answer.headers.append(name, value);
      else answer.headers.set(name, value);
    }
    return answer;
  }
  for (const [name, value] of headers) answer.headers[name] = value;
  return new Response(answer.body, { status: answer.status, headers: answer.headers });
}

/** Some runtimes hand on a Host header that no URL can have. */
function urlOf(request: Request): URL {
  try {
    return new URL(request.url);
  } catch {
    throw new Fault(
      "invalid_input",
      "The request has no valid URL; send a path, and a Host header with a host and port",
    );
  }
}

function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Fault("invalid_input", "The path is not valid percent-encoding; encode it as UTF-8");
  }
}

function withoutBody(response: Response): Response {
  void response.body?.cancel();
  return new Response(null, { status: response.status, headers: response.headers });
}
