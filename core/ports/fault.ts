/**
 * The one error that may reach a caller, and the closed table of its codes.
 * Whatever is thrown and is not a Fault becomes `internal`, and its words stay in the log.
 */
import type { JsonObject } from "./json.ts";

/** Code → HTTP status, and whether the same request may succeed later. */
export const faultCodes = {
  invalid_json: { status: 400, retryable: false },
  invalid_input: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  conflict: { status: 409, retryable: false },
  gone: { status: 410, retryable: false },
  precondition_failed: { status: 412, retryable: false },
  too_large: { status: 413, retryable: false },
  range_not_satisfiable: { status: 416, retryable: false },
  idempotency_mismatch: { status: 422, retryable: false },
  rate_limited: { status: 429, retryable: true },
  internal: { status: 500, retryable: true },
  not_configured: { status: 503, retryable: false },
  unavailable: { status: 503, retryable: true },
  timeout: { status: 504, retryable: true },
} as const;

export type FaultCode = keyof typeof faultCodes;

export interface FaultOptions {
  /** Machine-readable particulars, for example `{ field, value, most }`. Never secrets, never foreign text. */
  details?: JsonObject;
  /** Response headers the fault calls for, for example `Retry-After` or `Allow`. */
  headers?: Record<string, string>;
  /** What went wrong underneath: for the log only. */
  cause?: unknown;
}

/** A failure in words for the caller: what was wrong, the value, and what to send instead. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly details: JsonObject | undefined;
  readonly headers: Record<string, string>;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.headers = options.headers ?? {};
  }

  /** The HTTP status of this fault's code. */
  get status(): number {
    return faultCodes[this.code].status;
  }
}
