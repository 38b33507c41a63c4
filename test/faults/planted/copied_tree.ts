/** A copy of the tree to change at will: all of its files, with the packages of the original. */
import { chmod, cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** At the root of the tree, what is no source: packages, history, data. */
const LEFT_OUT: ReadonlySet<string> = new Set(["node_modules", ".git", "data"]);

export interface CopiedTree {
  path: string;
  remove(): Promise<void>;
}

export async function copyTree(root: string): Promise<CopiedTree> {
  const path = await mkdtemp(join(tmpdir(), "millrace-planted-"));
  // PostgreSQL's account may have to come here.
  await chmod(path, 0o755);
  const filter = (source: string) => !(dirname(source) === join(root) && LEFT_OUT.has(basename(source)));
  await cp(root, path, { recursive: true, filter });
  await symlink(join(root, "node_modules"), join(path, "node_modules"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
