/**
 * Manuals: the Markdown that we write ourselves, read into blocks and shown as HTML. It knows what manuals use and refuses the rest, so that nothing is
 * shown otherwise than it was meant. It is not for what others wrote.
 */
import { html } from "../../kernel/html.ts";
import { codeBlock, type Markup } from "../../kernel/layout.ts";

export type Block =
  | { kind: "heading"; level: 2 | 3; text: string }
  | { kind: "paragraph"; text: string }
  | { kind: "list"; ordered: boolean; items: string[] }
  | { kind: "table"; head: string[]; rows: string[][] }
  | { kind: "code"; language: string; text: string };

/** What begins a block of another kind than a paragraph. */
const BULLET = /^- +/;
const NUMBER = /^\d+\. +/;
const FENCE = /^```([a-z]*)$/;
const UNKNOWN = /^(# |#{4,} |>|<|!\[|[*+] |~~~| {2,}(?:[-*] |\d+\. ))/;

/** The blocks of a manual; throws for Markdown that manuals do not use. */
export function blocksOf(markdown: string): Block[] {
  const lines = markdown.replace(/\r\n/g, "\n").split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    if (line.trim() === "") {
      at += 1;
      continue;
    }
    const { block, next } = readBlock(lines, at);
    blocks.push(block);
    at = next;
  }
  return blocks;
}

function readBlock(lines: readonly string[], at: number): { block: Block; next: number } {
  const line = lines[at]!;
  const fence = FENCE.exec(line);
  if (fence !== null) return readCode(lines, at, fence[1]!);
  const heading = /^(##|###) +(.+)$/.exec(line);
  if (heading !== null)
    return { block: { kind: "heading", level: heading[1]!.length as 2 | 3, text: heading[2]!.trim() }, next: at + 1 };
  if (UNKNOWN.test(line) || line.startsWith("```"))
    throw new Error(`a manual does not use this Markdown: ${JSON.stringify(line.slice(0, 80))}`);
  const end = endOf(lines, at);
  const own = lines.slice(at, end);
  if (line.startsWith("|")) return { block: tableOf(own), next: end };
  if (BULLET.test(line) || NUMBER.test(line)) return { block: listOf(own), next: end };
  return { block: { kind: "paragraph", text: own.map((one) => one.trim()).join(" ") }, next: end };
}

/** The end of a block that lasts to the next empty line, heading or fence. */
function endOf(lines: readonly string[], at: number): number {
  let end = at + 1;
  while (end < lines.length && lines[end]!.trim() !== "" && !/^(```|#{2,3} )/.test(lines[end]!)) end += 1;
  return end;
}

function readCode(lines: readonly string[], at: number, language: string): { block: Block; next: number } {
  const end = lines.indexOf("```", at + 1);
  if (end < 0) throw new Error(`a block of code is never closed: ${JSON.stringify(lines[at + 1]?.slice(0, 80))}`);
  return { block: { kind: "code", language, text: lines.slice(at + 1, end).join("\n") }, next: end + 1 };
}

/** A line that begins no item goes on with the one before. */
function listOf(lines: readonly string[]): Block {
  const ordered = NUMBER.test(lines[0]!);
  const items: string[] = [];
  for (const line of lines) {
    const mark = (ordered ? NUMBER : BULLET).exec(line);
    if (mark !== null) items.push(line.slice(mark[0].length).trim());
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  return { kind: "list", ordered, items };
}

function tableOf(lines: readonly string[]): Block {
  const [head = [], marks = [], ...rows] = lines.map(cellsOf);
  if (marks.length !== head.length || !marks.every((mark) => /^:?-+:?$/.test(mark)))
    throw new Error(`a table has no |---| line: ${JSON.stringify(lines[0]!.slice(0, 80))}`);
  const odd = rows.find((row) => row.length !== head.length);
  if (odd !== undefined) throw new Error(`a row has ${odd.length} cells instead of ${head.length}: ${odd.join(" | ")}`);
  return { kind: "table", head, rows };
}

/** A bar inside code, or after a backslash, parts no cells. */
function cellsOf(line: string): string[] {
  const cells = line
    .trim()
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .match(/(?:`[^`]*`|\\\||[^`|])+|(?<=\|)(?=\|)/g);
  return (cells ?? []).map((cell) => cell.replaceAll("\\|", "|").trim());
}

/** The blocks as HTML; `level` is that of a `##` heading. */
export function markupOf(blocks: readonly Block[], level: 2 | 3 | 4): Markup {
  return html`${blocks.map((block) => html`${blockMarkup(block, level)}\n`)}`;
}

function blockMarkup(block: Block, level: number): Markup {
  switch (block.kind) {
    case "heading":
      return headingMarkup(inline(block.text), level + block.level - 2);
    case "paragraph":
      return html`<p>${inline(block.text)}</p>`;
    case "list": {
      const items = block.items.map((item) => html`<li>${inline(item)}</li>`);
      return block.ordered ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`;
    }
    case "table":
      return html`<table><thead><tr>${block.head.map((cell) => html`<th scope="col">${inline(cell)}</th>`)}</tr></thead><tbody>
${block.rows.map((row) => html`<tr>${row.map((cell) => html`<td>${inline(cell)}</td>`)}</tr>`)}</tbody></table>`;
    case "code":
      return block.language === "sh"
        ? codeBlock(block.text, "Shell")
        : html`<figure class="code"><pre><code>${block.text}</code></pre></figure>`;
  }
}

function headingMarkup(words: Markup, level: number): Markup {
  if (level <= 2) return html`<h2>${words}</h2>`;
  if (level === 3) return html`<h3>${words}</h3>`;
  return level === 4 ? html`<h4>${words}</h4>` : html`<h5>${words}</h5>`;
}

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^()\s]+)\)/g;

/** Code, strong words and links; all other text as it is. */
function inline(text: string): Markup {
  const parts: (string | Markup)[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [all, code, strong, words, target] = match;
    parts.push(text.slice(end, match.index));
    if (code !== undefined) parts.push(html`<code>${code}</code>`);
    else if (strong !== undefined) parts.push(html`<strong>${inline(strong)}</strong>`);
    else parts.push(html`<a href="${checkedLink(target!)}">${inline(words!)}</a>`);
    end = match.index + all.length;
  }
  parts.push(text.slice(end));
  return html`${parts}`;
}

/** Manuals link to pages of this server only. */
function checkedLink(target: string): string {
  if (/^(\/(?!\/)|#)/.test(target)) return target;
  throw new Error(`a manual links to ${JSON.stringify(target)}; begin it with / or #`);
}
