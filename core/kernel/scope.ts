/**
 * Scopes: what a token for the data modes may do. A scope is text, `mode:access` or `mode:access:name`, for example `documents:read`,
 * `queues:write:mail-*`. Reading and writing are rights apart: neither holds the other.
 */
import { Fault } from "../ports/fault.ts";
import type { Principal } from "./credential.ts";

export const modes = ["documents", "queues", "tables", "files", "tokens"] as const;
export type Mode = (typeof modes)[number];

export const accesses = ["read", "write"] as const;
export type Access = (typeof accesses)[number];

export interface Scope {
  mode: Mode;
  access: Access;
  /** A namespace, queue or table; with `*` at its end all names that begin so; null: all there are. */
  name: string | null;
}

const SCOPE = new RegExp(`^(${modes.join("|")}):(${accesses.join("|")})(?::([^\\s*]{1,200}\\*?|\\*))?$`);

/** The scope that a text says, or null when it says none. */
export function readScope(text: string): Scope | null {
  const match = SCOPE.exec(text);
  if (match === null) return null;
  const [, mode, access, name = null] = match as unknown as [string, Mode, Access, string | undefined];
  return { mode, access, name: name === "*" ? null : name };
}

/** The text of a scope. */
export function writeScope({ mode, access, name }: Scope): string {
  return name === null ? `${mode}:${access}` : `${mode}:${access}:${name}`;
}

/** Whether `held` includes all that `wanted` allows. */
export function includes(held: Scope, wanted: Scope): boolean {
  if (held.mode !== wanted.mode || held.access !== wanted.access) return false;
  if (held.name === null) return true;
  if (wanted.name === null) return false;
  const isPrefix = held.name.endsWith("*");
  return isPrefix ? wanted.name.startsWith(held.name.slice(0, -1)) : held.name === wanted.name;
}

/** The scopes of a token; null for the service token, which may do everything. */
export function scopesOf(principal: Principal): Scope[] | null {
  if (principal.kind === "service") return null;
  const texts = (principal.facts.scopes ?? []) as string[];
  return texts.map(readScope).filter((scope) => scope !== null);
}

/** Throws `forbidden` unless the caller may do what `wanted` says to at least one name: what can be told before the name is known. */
export function requireAnyScope(principal: Principal, wanted: Scope): void {
  const held = scopesOf(principal);
  if (held === null || held.some(({ mode, access }) => mode === wanted.mode && access === wanted.access)) return;
  throw lacking(wanted, held);
}

/** Throws `forbidden`, naming the scope that is missing, unless the caller may do what `wanted` says. */
export function requireScope(principal: Principal, wanted: Scope): void {
  const held = scopesOf(principal);
  if (held === null || held.some((scope) => includes(scope, wanted))) return;
  throw lacking(wanted, held);
}

function lacking(wanted: Scope, held: readonly Scope[]): Fault {
  const scope = writeScope(wanted);
  const has = held.length === 0 ? "none" : held.map(writeScope).join(", ");
  return new Fault("forbidden", `The token lacks the scope ${scope}; it has ${has}`, {
    details: { scope },
    headers: { "WWW-Authenticate": `Bearer error="insufficient_scope", scope="${headerSafe(scope)}"` },
  });
}

/** Names may hold what a header may not. */
function headerSafe(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "?");
}
