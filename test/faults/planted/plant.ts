/** What a planted fault is, and how it is put into a copy of the tree. The copy is changed, never what ships. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** One change of a file: the text as it stands there, exactly once, and what takes its place. */
export interface Edit {
  file: string;
  find: string;
  replace: string;
}

/** What must turn red: a test file, or a fault scenario in its quick form. */
export type Check = { test: string } | { scenario: string };

export interface Planted {
  /** What was done to the tree, such as `no lock`. */
  name: string;
  /** Which promise it breaks. */
  why: string;
  edits: readonly Edit[];
  check: Check;
  /** Stands in the line that fails: red for another reason does not count. */
  sees: string;
  /** Its check takes a few seconds, so the quick run has it too. */
  quick?: boolean;
}

/** An edit whose text is not there exactly once: the tree has changed, and so must the list. */
export class DoesNotApply extends Error {
  override readonly name = "DoesNotApply";
}

/** Changes the files below `root`; returns what takes the changes back. */
export async function plant(root: string, edits: readonly Edit[]): Promise<() => Promise<void>> {
  const before = new Map<string, string>();
  const after = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const text = after.get(file) ?? (await readFile(join(root, file), "utf8").catch(() => ""));
    if (!before.has(file)) before.set(file, text);
    const found = text.split(find).length - 1;
    if (found !== 1) throw new DoesNotApply(`${file} has the text ${found} times: ${find.trim().split("\n")[0]}`);
    after.set(
      file,
      text.replace(find, () => replace),
    );
  }
  for (const [file, text] of after) await writeFile(join(root, file), text);
  return async () => {
    for (const [file, text] of before) await writeFile(join(root, file), text);
  };
}
