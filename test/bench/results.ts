/** The results in the repository: a section for each runtime, a chapter for each measurement; what was not measured this time stays. */
import { readFile, writeFile } from "node:fs/promises";
import { measures } from "./measures/mod.ts";
import type { Runtime } from "./millrace.ts";

export interface Chapter {
  name: string;
  title: string;
  words: string;
  table: string;
  facts: string[];
}

const NAMES: Record<Runtime, string> = { node: "Node", bun: "Bun", deno: "Deno" };
const OPENING = `# Figures

Written by \`npm run bench -- --write\` (\`--runtime bun\`, \`--runtime deno\`): load generator, server and PostgreSQL on one machine, medians of runs taken in turn,
ratios between figures of the same run. Absolute figures move with the machine; ratios are what to compare. PostgreSQL is the embedded one, with fsync on.
"To reach" is a figure of our own, or with × the ratio to what stands beside it; the goals are for Node. A row is marked as disturbed when other
programs used more than an eighth of a core.
`;

/** Puts the chapters into the file in the place of those of the same name. */
export async function writeResults(
  file: string,
  taken: { runtime: Runtime; when: string; chapters: readonly Chapter[] },
): Promise<void> {
  const old = await readFile(file, "utf8").catch(() => "");
  const sections = Object.entries(NAMES).map(([runtime, name]) => {
    const known = chaptersIn(sectionIn(old, name));
    if (runtime === taken.runtime)
      for (const chapter of taken.chapters) known.set(chapter.title, written(chapter, taken.when));
    const texts = measures.flatMap(({ title }) => known.get(title) ?? []);
    return texts.length === 0 ? "" : `\n## ${name}\n\n${texts.join("\n")}`;
  });
  await writeFile(file, OPENING + sections.join(""));
}

function written({ title, words, table, facts }: Chapter, when: string): string {
  return `### ${title}\n\n${words}\n\n${table}\n\n${facts.map((fact) => `- ${fact}`).join("\n")}\n- ${when}\n`;
}

function sectionIn(text: string, name: string): string {
  return text.split(/^## /m).find((part) => part.startsWith(`${name}\n`)) ?? "";
}

function chaptersIn(section: string): Map<string, string> {
  const parts = section.split(/^### /m).slice(1);
  return new Map(parts.map((part) => [part.split("\n")[0]!, `### ${part.trimEnd()}\n`]));
}
