/**
 * From a request to the one route that answers it: the only door to hono's router. Here and only here: apps per listener, 404 and 405, HEAD, CORS,
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
import { type Exchange, faultResponse, type Route } from "./route.ts";

/** The longest that whoever could not be served is asked to wait, in seconds; drawn anew for each, so that they do not come back together. */
const RETRY_AFTER_MOST = 3;

export type Fetch = (request: Request, host: Host) => Promise<Response>;

export function createRouter(routes: readonly Route[], house: House): Fetch {
  const { settings, ids } = house;
  const trust = proxyTrust(settings.trustedProxies);
  const router = new SmartRouter<Route>({ routers: [new RegExpRouter(), new TrieRouter()] });
  const anyMethod = new SmartRouter<Route>({ routers: [new RegExpRouter(), new TrieRouter()] });
  for (const route of routes) {
    router.add(route.method, route.path, route);
    anyMethod.add("GET", route.path, route);
  }

  function exchangeOf(request: Request, host: Host): Exchange {
    const url = urlOf(request);
    const proxied = trust.isTrusted(host.address);
    const forwarded = (name: string) => (proxied ? request.headers.get(name)?.split(",")[0]?.trim() || null : null);
    const protocol = forwarded("x-forwarded-proto") ?? url.protocol.slice(0, -1);
    return {
      request,
      host,
      url,
      params: {},
      requestId: ids.uuid(),
      address: trust.client(host.address, request.headers.get("x-forwarded-for")),
      origin: `${protocol === "https" ? "https" : "http"}://${forwarded("x-forwarded-host") ?? url.host}`,
    };
  }

  const served = (route: Route, host: Host) => route.app === "all" || host.apps.has(route.app);

  function find(exchange: Exchange, method: string): Route {
    const { url, host } = exchange;
    const path = url.pathname.length > 1 && url.pathname.endsWith("/") ? url.pathname.slice(0, -1) : url.pathname;
    const [matches, stash] = router.match(method, path);
    for (const [route, params] of matches) {
      if (!served(route, host)) continue;
      for (const [name, at] of Object.entries(params)) {
        exchange.params[name] = decode(typeof at === "number" ? (stash?.[at] ?? "") : at);
      }
      return route;
    }
    const methods = new Set(
      anyMethod
        .match("GET", path)[0]
        .map(([route]) => route)
        .filter((route) => served(route, host))
        .map((route) => route.method),
    );
    if (methods.size === 0)
      throw new Fault("not_found", `There is nothing at ${path.slice(0, 200)}; see /reference for what there is`);
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods, "OPTIONS"].sort().join(", ");
    throw new Fault("method_not_allowed", `${method} is not possible at this path; use ${allow}`, {
      headers: { Allow: allow },
    });
  }

  function failed(error: unknown, requestId: string): Response {
    const fault = asFault(error, house, requestId);
    if (fault.code === "unavailable")
      fault.headers["Retry-After"] ??= String(1 + (ids.bytes(1)[0]! % RETRY_AFTER_MOST));
    return faultResponse(fault, requestId);
  }

  return async (request, host) => {
    let exchange: Exchange;
    let response: Response;
    try {
      exchange = exchangeOf(request, host);
    } catch (error) {
      return failed(error, ids.uuid());
    }
    try {
      if (request.method === "OPTIONS") response = preflight(exchange, settings, allowedAt(exchange));
      else response = await find(exchange, request.method === "HEAD" ? "GET" : request.method).serve(exchange);
    } catch (error) {
      response = failed(error, exchange.requestId);
    }
    if (request.method === "HEAD" && response.body !== null) response = withoutBody(response);
    response.headers.set("X-Request-Id", exchange.requestId);
    // Whoever reuses this connection would come back to a process that leaves.
    if (house.phase() !== "serving") response.headers.set("Connection", "close");
    for (const [name, value] of corsHeaders(exchange, settings)) response.headers.append(name, value);
    return response;
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
