/** Cross-origin rules, in one place for every face: which origins may call from a browser, and which may reach `/mcp` at all. */
import type { Settings } from "../kernel/settings.ts";
import type { Exchange } from "./route.ts";

const EXPOSED =
  "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Idempotency-Replayed, Allow, ETag, Content-Disposition, Content-Range, Accept-Ranges, Sunset, X-Content-SHA256, Repr-Digest";
const REQUESTED =
  "Content-Type, Authorization, X-Publish-Token, X-Read-Token, Last-Event-ID, Idempotency-Key, If-Match, If-None-Match, Range, If-Range, X-Lease-Token, X-File-Secret, X-Content-SHA256, MCP-Protocol-Version, Mcp-Session-Id";

/** Response headers for a request of a browser page; empty for other callers and other origins. */
export function corsHeaders(exchange: Exchange, settings: Settings): [string, string][] {
  const origin = exchange.request.headers.get("origin");
  if (origin === null || !isAllowed(origin, settings)) return [];
  return [
    ["Access-Control-Allow-Origin", settings.allowedOrigins.includes("*") ? "*" : origin],
    ["Access-Control-Expose-Headers", EXPOSED],
    ["Vary", "Origin"],
  ];
}

/** The answer to OPTIONS. */
export function preflight(exchange: Exchange, settings: Settings, allow: string): Response {
  const headers = new Headers({ Allow: allow });
  const origin = exchange.request.headers.get("origin");
  if (origin !== null && isAllowed(origin, settings)) {
    headers.set("Access-Control-Allow-Methods", allow);
    headers.set("Access-Control-Allow-Headers", REQUESTED);
    headers.set("Access-Control-Max-Age", "600");
  }
  return new Response(null, { status: 204, headers });
}

function isAllowed(origin: string, settings: Settings): boolean {
  return settings.allowedOrigins.includes("*") || settings.allowedOrigins.includes(origin);
}

/**
 * Whether a page of this origin may talk to `/mcp`: an origin that is named in ALLOWED_ORIGINS (`*` opens only the REST side), one of our own public hosts,
 * or loopback to loopback. The Host header alone proves nothing (DNS rebinding).
 */
export function isFriendlyOrigin(origin: string, exchange: Exchange, settings: Settings): boolean {
  if (settings.allowedOrigins.includes(origin)) return true;
  const page = URL.canParse(origin) ? new URL(origin) : null;
  if (page === null) return false;
  const own = [settings.mcpBase, settings.restBase, settings.channelBase].filter((base) => base !== null);
  if (own.some((base) => new URL(base).host === page.host)) return true;
  return isLoopback(page.hostname) && isLoopback(exchange.url.hostname);
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
