/** Texts that are made once and then only sent: with an ETag, so that a reader who has one asks whether it still holds. */
import type { Exchange, Route } from "../route.ts";

export interface Text {
  /** Media type with charset. */
  type: string;
  body: string;
  headers: Record<string, string>;
}

interface Made extends Text {
  etag: string;
}

/** Callers choose the Host header, so only so many origins are remembered. */
const MOST_ORIGINS = 8;

/** Serves what `make` gives for the caller's origin. */
export function serveText(make: (origin: string) => Text | Promise<Text>): Route["serve"] {
  const kept = new Map<string, Promise<Made>>();

  function of(origin: string): Promise<Made> {
    const known = kept.get(origin);
    if (known !== undefined) return known;
    const made = withTag(make, origin);
    kept.set(origin, made);
    made.catch(() => kept.delete(origin));
    if (kept.size > MOST_ORIGINS) kept.delete(kept.keys().next().value!);
    return made;
  }

  return async ({ request, origin }: Exchange) => {
    const { body, type, etag, headers } = await of(origin);
    const all = { "Cache-Control": "no-cache", ...headers, ETag: etag };
    if (isHeld(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers: all });
    return new Response(body, { headers: { "Content-Type": type, ...all } });
  };
}

async function withTag(make: (origin: string) => Text | Promise<Text>, origin: string): Promise<Made> {
  const text = await make(origin);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text.body)));
  const hex = Array.from(sum.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { ...text, etag: `"${hex}"` };
}

/** Compared weakly, as RFC 9110 section 13.1.2 wants it. */
function isHeld(header: string | null, etag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);
}
