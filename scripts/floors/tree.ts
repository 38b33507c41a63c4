/**
 * The source tree as the floor rules see it: every module of the house, parsed by the TypeScript compiler, with its imports.
 * Nothing is resolved or type-checked: a rule speaks about what a file says. The compiler's API is marked unstable, so it is
 * used in `scripts/floors/` only, and TypeScript is pinned exactly.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, resolve, sep } from "node:path";
import type { SourceFile } from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";
import { type Import, readImports } from "./imports.ts";

/** One source file. */
export interface Module {
  /** Relative to the root, with forward slashes. */
  path: string;
  text: string;
  syntax: SourceFile;
  imports: Import[];
  /** The imports that name a file, with that file's path relative to the root. */
  targets: { import: Import; path: string }[];
}

/** One step of the database's schema, or of the way back. */
export interface Migration {
  /** Relative to the root, with forward slashes. */
  path: string;
  text: string;
}

/** The parts of package.json that the rules read. */
export interface Manifest {
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** A tree under test. */
export interface Tree {
  root: string;
  modules: Module[];
  migrations: Migration[];
  manifest: Manifest;
  /** The text of ARCHITECTURE.md, or null while there is none. */
  architecture: string | null;
}

/** Something that breaks a rule. */
export interface Violation {
  file: string;
  line: number;
  message: string;
}

/** One promise about the tree. */
export interface Rule {
  name: string;
  check(tree: Tree): Violation[];
}

const FOLDERS = ["core", "adapters", "scripts", "test"] as const;
const MODULE = /\.m?[jt]s$/;

/** Reads the modules under the house's four source folders, and the migrations; folders that do not exist are empty. */
export function readTree(root: string): Tree {
  const top = resolve(root);
  const paths = FOLDERS.flatMap((folder) => filesUnder(top, folder, MODULE)).sort();
  const migrations = filesUnder(top, "migrations", /\.sql$/).sort();
  return {
    root: top,
    modules: parse(top, paths),
    migrations: migrations.map((path) => ({ path, text: readFileSync(join(top, path), "utf8") })),
    manifest: JSON.parse(readIfThere(join(top, "package.json")) ?? "{}"),
    architecture: readIfThere(join(top, "ARCHITECTURE.md")),
  };
}

/** The line of a position in a module, counted from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

/** Every string of the list that stands in `dependencies` or `devDependencies`. */
export function declaredPackages(manifest: Manifest): string[] {
  return [...Object.keys(manifest.dependencies ?? {}), ...Object.keys(manifest.devDependencies ?? {})];
}

function filesUnder(root: string, folder: string, name: RegExp): string[] {
  const start = join(root, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !path.includes("node_modules/"));
}

function parse(root: string, paths: string[]): Module[] {
  if (paths.length === 0) return [];
  const config = join(root, "floors.tsconfig.json");
  const settings = {
    compilerOptions: {
      noLib: true,
      noResolve: true,
      types: [],
      noEmit: true,
      allowJs: true,
      allowImportingTsExtensions: true,
    },
    files: paths,
  };
  const api = new API({
    cwd: root,
    fs: {
      readFile: (file) => (file === config ? JSON.stringify(settings) : undefined),
      fileExists: (file) => (file === config ? true : undefined),
    },
  });
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    return paths.map((path) => {
      const syntax = project?.program.getSourceFile(join(root, path));
      if (!syntax) throw new Error(`Cannot parse ${path}: the TypeScript compiler does not know it`);
      return toModule(path, syntax);
    });
  } finally {
    api.close();
  }
}

function toModule(path: string, syntax: SourceFile): Module {
  const imports = readImports(syntax);
  const targets = imports
    .filter((each) => /^\.{1,2}(\/|$)/.test(each.specifier))
    .map((each) => ({ import: each, path: posix.join(posix.dirname(path), each.specifier) }));
  return { path, text: syntax.text, syntax, imports, targets };
}

function readIfThere(file: string): string | null {
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}
