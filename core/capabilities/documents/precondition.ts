/** Conditions on a document's version: `if_version`, and If-Match and If-None-Match of RFC 9110, which name entity tags. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { quote } from "../../kernel/fields.ts";
import { USER } from "../../kernel/realm.ts";
import type { Document } from "../../ports/documents.ts";
import { Fault } from "../../ports/fault.ts";
import { ifVersion, tagOf } from "./record.ts";

const TAGS = /^\s*(\*|(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*)\s*$/;

const tags = (description: string) =>
  v.pipe(
    v.string(),
    v.maxLength(2_000),
    v.regex(TAGS, (issue) => `is ${quote(issue.input)}; send an ETag as it was given, in quotes, or *`),
    v.description(description),
  );

export const ifMatch = tags("The ETag of the version that must be there; *: any");
export const ifNoneMatch = tags("*: only if there is no document");
export const ifNoneMatchRead = tags("ETags of versions at hand: 304 without a body if the newest is one of them");

/** The fields of a write with conditions, and the headers that carry two of them. */
export const conditionFields = {
  if_version: v.optional(ifVersion),
  if_match: v.optional(ifMatch),
  if_none_match: v.optional(ifNoneMatch),
};
export const conditionHeaders = { if_match: "If-Match", if_none_match: "If-None-Match" };

export interface Conditions {
  if_version?: number | undefined;
  if_match?: string | undefined;
  if_none_match?: string | undefined;
}

/** The version that must be there, and whether another one would do as well, looked up again. */
export interface Wanted {
  ifVersion?: number;
  anyWillDo?: true;
}

/** What the conditions come to now; throws `precondition_failed` where they do not hold already. */
export async function wantedVersion(
  context: Context,
  at: { namespace: string; key: string },
  { if_version, if_match, if_none_match }: Conditions,
): Promise<Wanted> {
  const given = [if_version, if_match, if_none_match].filter((condition) => condition !== undefined);
  if (given.length > 1)
    throw new Fault(
      "invalid_input",
      "Several conditions are given; send one of if_version, If-Match and If-None-Match",
    );
  if (if_version !== undefined) return { ifVersion: if_version };
  if (if_none_match !== undefined) {
    if (if_none_match.trim() === "*") return { ifVersion: 0 };
    throw new Fault("invalid_input", "If-None-Match names a tag; a write takes only *: if there is no document", {
      details: { field: "if_none_match" },
    });
  }
  if (if_match === undefined) return {};
  const plain = /^"(\d{1,15})"$/.exec(if_match.trim());
  if (plain !== null) return { ifVersion: Number(plain[1]) };
  const document = await context.database.documents.get(USER, at.namespace, at.key);
  if (document === null || !matchesStrongly(if_match, document)) throw preconditionFailed(at, document?.version ?? 0);
  return { ifVersion: document.version, ...(if_match.trim() === "*" ? { anyWillDo: true } : {}) };
}

/** Whether a list of tags names this version; a tag may also be the bare version in quotes. */
export function matches(list: string, document: Pick<Document, "version" | "createdAt">): boolean {
  if (list.trim() === "*") return true;
  const named = Array.from(list.matchAll(/"[^"]*"/g), ([tag]) => tag);
  return named.includes(tagOf(document)) || named.includes(`"${document.version}"`);
}

/** The same for writes: a weak tag names no version there (RFC 9110, section 13.1.1). */
function matchesStrongly(list: string, document: Pick<Document, "version" | "createdAt">): boolean {
  return matches(list.replaceAll(/W\/"[^"]*"/g, ""), document);
}

/** The refusal that says which version is there. */
export function preconditionFailed({ namespace, key }: { namespace: string; key: string }, current: number): Fault {
  const is = current === 0 ? "there is no such document" : `its version is ${current}`;
  return new Fault(
    "precondition_failed",
    `The document ${quote(key)} in ${namespace} was not changed: ${is}; read it and decide anew`,
    {
      details: { current_version: current },
    },
  );
}
