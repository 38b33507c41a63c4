/** Which faults an operation may answer, and what each code means for a caller. */
import { endpointsOf, type Operation, scopeNeedOf } from "../../kernel/operation.ts";
import { type FaultCode, faultCodes } from "../../ports/fault.ts";
import { hasBody } from "./fields.ts";

export const faultWords: Readonly<Record<FaultCode, string>> = {
  invalid_json: "The body is not JSON, or holds what JSON may not; the message says where.",
  invalid_input:
    "A field is missing, unknown or out of its limits; the message names the field, the value and what to send.",
  unauthorized: "The token is missing, malformed, unknown, expired, revoked or of another kind.",
  forbidden: "The caller is known and may not do this.",
  not_found: "It does not exist, has been deleted, or belongs to somebody else.",
  method_not_allowed: "The path exists with other methods; the Allow header lists them.",
  conflict: "It contradicts the present state; the message says what stands in the way.",
  gone: "It existed and is no longer held.",
  precondition_failed: "It has changed since the version that was named; read it again.",
  too_large: "The body or a value has more bytes than the limit that the message names.",
  range_not_satisfiable: "The range begins after the end; the header Content-Range says how much there is.",
  idempotency_mismatch: "The idempotency key was used before with another request.",
  rate_limited: "Too many requests; wait as many seconds as Retry-After says.",
  internal: "Something went wrong on our side; request_id finds it in the log.",
  not_configured: "The operator has not switched this on.",
  unavailable:
    "A store cannot be reached right now, or the server is busy or stopping; wait as many seconds as Retry-After says.",
  timeout: "It took too long and was given up; it may have taken effect.",
};

/** The codes an operation may answer, by status: its own, and those that follow from its shape. */
export function faultsOf(operation: Operation): FaultCode[] {
  const codes = new Set<FaultCode>(operation.faults);
  const hasInput = Object.keys(operation.input.entries).length > 0;
  if (hasInput) codes.add("invalid_input");
  if (hasInput && endpointsOf(operation).some(hasBody)) codes.add("invalid_json").add("too_large");
  if (operation.needs !== "nobody") codes.add("unauthorized");
  if (scopeNeedOf(operation.needs) !== null || operation.needs === "each") codes.add("forbidden").add("not_configured");
  if (operation.limit !== "unlimited") codes.add("rate_limited");
  // Whatever has a subject to look up needs a store.
  if (operation.kind !== "page" && operation.limit !== "unlimited") codes.add("unavailable");
  codes.add("internal");
  return (Object.keys(faultCodes) as FaultCode[]).filter((code) => codes.has(code));
}
