/** What a download is asked for beside the file: conditions and ranges of RFC 9110, sections 13 and 14. What cannot be read is ignored, as it allows. */
import type { ByteRange } from "../../ports/objects.ts";

/** The strong entity tag of bytes with this sum. */
export function tagOf(sha256: string): string {
  return `"${sha256}"`;
}

/** Whether If-None-Match names the tag, compared weakly: the caller has the bytes already. */
export function isHeld(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((each) => each.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(tag);
}

export interface Asked {
  range?: string | undefined;
  if_range?: string | undefined;
}

export interface Held {
  size: number;
  tag: string;
  lastModified: string;
}

/** The one range that is asked for; null: all of it, which is also given for several ranges; `unsatisfiable`: it begins after the end. */
export function rangeOf(
  { range, if_range }: Asked,
  { size, tag, lastModified }: Held,
): ByteRange | null | "unsatisfiable" {
  const read = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(range ?? "");
  if (read === null || (if_range !== undefined && if_range !== tag && if_range !== lastModified)) return null;
  const [, first, last] = read as unknown as [string, string, string];
  if (first === "") {
    if (last === "") return null;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return null;
  return start >= size ? "unsatisfiable" : { start, end };
}
