/** Containment of JSON as the operator `@>` of PostgreSQL's jsonb has it. */
import type { Json } from "../../json.ts";

/** Whether `left` contains `right`; as a special case a list contains a scalar that is one of its elements. */
export function containsJson(left: Json, right: Json): boolean {
  if (Array.isArray(left) && !isContainer(right)) return left.includes(right);
  return isWithin(right, left);
}

function isWithin(inner: Json, outer: Json): boolean {
  if (!isContainer(inner) || !isContainer(outer)) return inner === outer;
  if (Array.isArray(inner) !== Array.isArray(outer)) return false;
  if (Array.isArray(inner)) return inner.every((one) => (outer as Json[]).some((other) => isWithin(one, other)));
  const members = outer as { [key: string]: Json };
  return Object.entries(inner).every(([key, value]) => Object.hasOwn(members, key) && isWithin(value, members[key]!));
}

function isContainer(value: Json): value is Json[] | { [key: string]: Json } {
  return typeof value === "object" && value !== null;
}
