/** What faces hand to the router and get from it, and how answers are written: JSON, and faults as the one envelope. */
import { hideSecrets } from "../kernel/credential.ts";
import { type Fault, faultCodes } from "../ports/fault.ts";
import type { AppName, Host } from "../ports/host.ts";
import type { JsonObject } from "../ports/json.ts";

/** One request on its way to a route. */
export interface Exchange {
  request: Request;
  host: Host;
  url: URL;
  params: Record<string, string>;
  requestId: string;
  /** The caller's address, proxies resolved. */
  address: string;
  /** Scheme and host the caller used, without a trailing slash. */
  origin: string;
}

/** An answer that is text: the router makes the Response, once everything that it carries is known. */
export interface Text {
  status: number;
  headers: Record<string, string>;
  body: string | null;
}

export interface Route {
  method: string;
  path: string;
  app: AppName | "all";
  /** Throws while the operator has not opened it: then its path is closed to all methods, but for routes of their own that are open. */
  closed?(): void;
  serve(exchange: Exchange): Promise<Response | Text> | Response | Text;
}

export function json(value: unknown, init: { status?: number; headers?: Record<string, string> } = {}): Text {
  // RFC 9110, section 15.4.5: the caller has the answer already.
  if (init.status === 304)
    return { status: 304, headers: { "Cache-Control": "no-cache", ...init.headers }, body: null };
  return {
    status: init.status ?? 200,
    headers: { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", ...init.headers },
    body: JSON.stringify(value),
  };
}

/** The token that the request carries as `Authorization: Bearer`, or null. */
export function bearerOf({ headers }: Request): string | null {
  return /^Bearer +(\S+)\s*$/i.exec(headers.get("authorization") ?? "")?.[1] ?? null;
}

/** The error envelope's inside, the same on every face. */
export function envelope(fault: Fault, requestId: string): { error: JsonObject } {
  const { code, message, details } = fault;
  return {
    error: {
      code,
      message: hideSecrets(message),
      ...(details === undefined ? {} : { details: JSON.parse(hideSecrets(JSON.stringify(details))) }),
      retryable: faultCodes[code].retryable,
      request_id: requestId,
    },
  };
}

export function faultAnswer(fault: Fault, requestId: string): Text {
  const headers: Record<string, string> = { ...fault.headers };
  if (fault.code === "unauthorized") headers["WWW-Authenticate"] ??= "Bearer";
  return json(envelope(fault, requestId), { status: fault.status, headers });
}
