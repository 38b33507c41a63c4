/** What the caller may: held against what is known before the body is read, and against the input once it is. */
import { Fault } from "../ports/fault.ts";
import type { Call } from "./call.ts";
import type { Principal } from "./credential.ts";
import { parseField } from "./input.ts";
import { actionOf, type Declared, type ScopeNeed } from "./operation.ts";
import { requireAnyScope, requireScope } from "./scope.ts";

/**
 * What may be decided before the body is read. A valid credential of another subject sees the same 404 as a missing one; a token that lacks the
 * scope is told which.
 */
export function permit(operation: Declared, call: Call, principals: readonly Principal[]): void {
  const { needs } = operation;
  if (typeof needs === "string" || principals.length === 0) return;
  if ("scope" in needs) {
    permitScope(operation, needs, { principal: principals[0]!, early: call.early });
    return;
  }
  const subject = parseField(operation.input, needs.of, call.early[needs.of], actionOf(operation));
  const further = needs.several === undefined ? [] : (call.query(needs.several)?.split(",") ?? []);
  for (const principal of principals) {
    if (principal.subject === subject || further.includes(principal.subject)) continue;
    throw notFound(needs.of.replace(/_id$/, ""), subject as string);
  }
}

/** What the input says was not known when the caller was permitted: a name that stood in the body, and what else is needed because of it. */
export function permitNamed({ needs }: Declared, input: Record<string, unknown>, principal: Principal | null): void {
  if (typeof needs !== "object" || !("scope" in needs) || principal === null) return;
  const { scope: mode, access, of, also } = needs;
  if (of !== undefined) requireScope(principal, { mode, access, name: input[of] as string });
  for (const further of also?.scopes(input) ?? []) requireScope(principal, further);
}

/** Holds the scope against the name if it is known by now; else only against the mode, and `permitNamed` looks at the name. */
function permitScope(
  operation: Declared,
  { scope: mode, access, of }: ScopeNeed,
  { principal, early }: { principal: Principal; early: Record<string, unknown> },
): void {
  const anyName = { mode, access, name: null };
  if (of === undefined) requireScope(principal, anyName);
  else if (early[of] === undefined) requireAnyScope(principal, anyName);
  else {
    const name = parseField(operation.input, of, early[of], actionOf(operation));
    requireScope(principal, { mode, access, name: name as string });
  }
}

/** The one wording for what is missing, deleted or somebody else's. */
export function notFound(thing: string, id: string): Fault {
  return new Fault("not_found", `There is no ${thing} ${id}`, { details: { [`${thing}_id`]: id } });
}
