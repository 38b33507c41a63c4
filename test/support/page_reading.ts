/** Reading our own pages in tests: their text, and what is wrong with their markup. For HTML as we write it, not for all HTML. */

const VOID = new Set(["meta", "link", "input", "br", "hr", "img"]);

/** The text of a piece of HTML, entities resolved. */
export function textOf(html: string): string {
  return html
    .replace(/<[^>]*>/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

/** What a strict policy or a careful reader would object to; empty when there is nothing. */
export function faultsOfHtml(html: string): string[] {
  const found: string[] = [];
  const open: string[] = [];
  for (const [tag, closing, name, rest] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*)>/gi)) {
    if (closing === "/") {
      if (open.pop() !== name) found.push(`${tag} closes another element`);
      continue;
    }
    if (!VOID.has(name!) && !rest!.endsWith("/")) open.push(name!);
    if (/\s(on[a-z]+|style)=/.test(rest!)) found.push(`${tag} has inline script or style`);
    if (/\s(src|href|action)="(https?:)?\/\//.test(rest!)) found.push(`${tag} leads to another host`);
    if (name === "style" || (name === "script" && !/\ssrc="\//.test(rest!))) found.push(`${tag} is inline`);
  }
  if (open.length > 0) found.push(`never closed: ${open.join(" ")}`);
  if (!/^<!doctype html>\s*<html lang="en">/.test(html)) found.push("no doctype or language");
  if ([...html.matchAll(/<h1[ >]/g)].length !== 1) found.push("not exactly one h1");
  if (/\[object |undefined|NaN/.test(html)) found.push("a value was not written out");
  const levels = Array.from(html.matchAll(/<h([1-6])[ >]/g), (match) => Number(match[1]));
  for (const [index, level] of levels.entries()) {
    if (index > 0 && level > levels[index - 1]! + 1) found.push(`h${level} follows h${levels[index - 1]}`);
  }
  return found;
}
