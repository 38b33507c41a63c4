/**
 * The tours in the manuals, run as a reader would: each `sh` block in a shell of its own, with the real curl, and what it prints held against the
 * `json` or `text` block after it. `…` stands for anything, `$NAME` for a value that is kept for later steps.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { blocksOf } from "../../core/faces/docs/markdown.ts";

export interface Step {
  commands: string;
  /** What it prints; null: not told. */
  printed: { kind: "json" | "text"; text: string } | null;
}

/** Values by name, as earlier steps gave them. */
export type Known = Map<string, string>;

/** The steps of a manual; throws for an answer that no step gives. */
export function stepsOf(manual: string): Step[] {
  const steps: Step[] = [];
  for (const block of blocksOf(manual)) {
    if (block.kind !== "code") continue;
    const { language, text } = block;
    if (language === "sh") steps.push({ commands: text, printed: null });
    if (language !== "json" && language !== "text") continue;
    const step = steps.at(-1);
    if (step === undefined || step.printed !== null)
      throw new Error(`this block of ${language} follows no sh block, so nothing proves it:\n${text}`);
    step.printed = { kind: language, text };
  }
  return steps;
}

export interface Printed {
  code: number | null;
  output: string;
  errors: string;
}

/** Runs the commands of one step, for at most `ms`. */
export function runStep(commands: string, at: { directory: string; known: Known; ms: number }): Promise<Printed> {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-eu", "-o", "pipefail", "-c", commands], {
      cwd: at.directory,
      env: { PATH: process.env.PATH, ...Object.fromEntries(at.known) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const late = setTimeout(() => child.kill("SIGKILL"), at.ms);
    const [output, errors] = [child.stdout, child.stderr].map((stream) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      return () => Buffer.concat(chunks).toString("utf8");
    }) as [() => string, () => string];
    child.once("close", (code) => {
      clearTimeout(late);
      resolve({ code, output: output(), errors: errors() });
    });
  });
}

/** How what was printed differs from what the manual says, or null; keeps the values that have a name. */
export function differenceOf(printed: NonNullable<Step["printed"]>, output: string, known: Known): string | null {
  if (printed.kind === "text") return matchText(`${printed.text.trimEnd()}\n`, plain(output), { known, lines: true });
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    return "it is not JSON";
  }
  return matchJson(JSON.parse(printed.text), value, { path: "it", known });
}

function plain(output: string): string {
  return `${output.replaceAll("\r\n", "\n").trimEnd()}\n`;
}

interface At {
  path: string;
  known: Known;
}

const ANYTHING = "…";

function matchJson(wanted: unknown, value: unknown, at: At): string | null {
  if (wanted === ANYTHING) return null;
  if (typeof wanted === "string" && typeof value !== "object" && typeof value !== "boolean" && /[…$]/.test(wanted)) {
    // A number may have a name, too.
    const isWhole = /^\$[A-Z][A-Z0-9_]*$/.test(wanted);
    if (typeof value !== "string" && !isWhole)
      return `${at.path} is ${JSON.stringify(value)}, the manual says ${wanted}`;
    const difference = matchText(wanted, String(value), { known: at.known, lines: false });
    return difference === null ? null : `${at.path}: ${difference}`;
  }
  if (Array.isArray(wanted)) return matchList(wanted, value, at);
  if (typeof wanted === "object" && wanted !== null) return matchObject(wanted, value, at);
  if (Object.is(wanted, value)) return null;
  return `${at.path} is ${JSON.stringify(value)}, the manual says ${JSON.stringify(wanted)}`;
}

function matchList(wanted: unknown[], value: unknown, at: At): string | null {
  if (!Array.isArray(value)) return `${at.path} is no list`;
  const isOpen = wanted.at(-1) === ANYTHING && wanted.length !== value.length;
  const items = isOpen ? wanted.slice(0, -1) : wanted;
  if (isOpen ? value.length < items.length : value.length !== items.length)
    return `${at.path} has ${value.length} elements, the manual says ${items.length}`;
  return firstOf(items, (item, index) => matchJson(item, value[index], { ...at, path: `${at.path}[${index}]` }));
}

function matchObject(wanted: object, value: unknown, at: At): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${at.path} is no object`;
  const { [ANYTHING]: rest, ...members } = wanted as Record<string, unknown>;
  const [missing] = Object.keys(members).filter((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return `${at.path} has no ${missing}`;
  const [further] = Object.keys(value).filter((name) => !Object.hasOwn(members, name));
  if (further !== undefined && rest === undefined) return `${at.path} also has ${further}`;
  return firstOf(Object.entries(members), ([name, item]) =>
    matchJson(item, (value as Record<string, unknown>)[name], { ...at, path: `${at.path}.${name}` }),
  );
}

function firstOf<T>(items: readonly T[], differ: (item: T, index: number) => string | null): string | null {
  for (const [index, item] of items.entries()) {
    const difference = differ(item, index);
    if (difference !== null) return difference;
  }
  return null;
}

/** `lines`: a line that is only `…` stands for any number of lines, another `…` for a part of its line. */
function matchText(wanted: string, text: string, { known, lines }: { known: Known; lines: boolean }): string | null {
  const fresh: string[] = [];
  const parts = wanted.split(lines ? /(^…\n|…|\$[A-Z][A-Z0-9_]*)/m : /(…|\$[A-Z][A-Z0-9_]*)/);
  const pattern = parts.map((part) => {
    if (part === `${ANYTHING}\n`) return "(?:.*\\n)*?";
    if (part === ANYTHING) return lines ? ".*?" : "[^]*?";
    if (!/^\$[A-Z]/.test(part)) return escaped(part);
    const name = part.slice(1);
    const value = known.get(name);
    if (value !== undefined) return escaped(value);
    if (fresh.includes(name)) return `\\k<${name}>`;
    fresh.push(name);
    return wanted === part ? `(?<${name}>[^]+)` : `(?<${name}>[^\\s"'?&,;]+)`;
  });
  const found = new RegExp(`^${pattern.join("")}$`, "u").exec(text);
  if (found === null) return `${JSON.stringify(text)} is not what the manual says: ${JSON.stringify(wanted)}`;
  for (const name of fresh) known.set(name, found.groups![name]!);
  return null;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
