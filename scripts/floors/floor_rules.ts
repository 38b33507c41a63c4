/**
 * The floors of the house: who may import whose files. The table here is the one of ARCHITECTURE.md, read by a machine.
 * What a module takes from npm is not decided here but by the doors in `packages.ts`.
 */

import { posix } from "node:path";
import { isArrowFunction, isFunctionExpression, isVariableStatement, SyntaxKind } from "typescript/unstable/ast";
import type { Import } from "./imports.ts";
import type { Module, Rule, Tree, Violation } from "./tree.ts";

interface Floor {
  rule: string;
  /** What stands on this floor. */
  holds: RegExp;
  /** May a module of this floor import that file? */
  reaches(target: string, from: string): boolean;
  advice: string;
}

const PORTS = /^core\/ports\/[^/]+$/;

// The first floor that holds a file is its floor, so the particular come before the general.
const FLOORS: readonly Floor[] = [
  {
    rule: "ports-floor",
    holds: /^core\/ports\//,
    reaches: (target) => target.startsWith("core/ports/"),
    advice: "core/ports imports only core/ports: move what it needs down into core/ports, or pass it in",
  },
  {
    rule: "kernel-floor",
    holds: /^core\/kernel\//,
    reaches: (target) => PORTS.test(target) || target.startsWith("core/kernel/"),
    advice:
      "core/kernel imports only core/ports (not the memory twins) and core/kernel: sink what is shared, or take it as a value",
  },
  {
    rule: "capabilities-floor",
    holds: /^core\/capabilities\/mod\.ts$/,
    reaches: (target) => PORTS.test(target) || /^core\/(kernel\/.*|capabilities\/[^/]+\/mod\.ts)$/.test(target),
    advice: "the list of capabilities imports each capability's mod.ts, the kernel and types of ports, nothing else",
  },
  {
    rule: "capabilities-floor",
    holds: /^core\/capabilities\/[^/]+\//,
    reaches: (target, from) =>
      PORTS.test(target) || target.startsWith("core/kernel/") || target.startsWith(capabilityOf(from)),
    advice:
      "a capability imports the kernel, ports and its own folder: what two capabilities share sinks to the kernel or goes through the stores",
  },
  {
    rule: "faces-floor",
    holds: /^core\/faces\//,
    reaches: (target) => PORTS.test(target) || /^core\/(kernel|faces)\//.test(target),
    advice: "a face imports the kernel, ports and faces: capabilities arrive as values",
  },
  {
    rule: "app-floor",
    holds: /^core\/(app|mod)\.ts$/,
    reaches: (target) => target.startsWith("core/"),
    advice: "core imports nothing outside core: an adapter passes it in through a port",
  },
  {
    rule: "adapters-floor",
    holds: /^adapters\//,
    reaches: (target) => /^(adapters|core\/ports)\//.test(target) || target === "core/mod.ts",
    advice: "an adapter imports core/mod.ts, core/ports and adapters: export what it needs from core/mod.ts",
  },
  {
    rule: "scripts-floor",
    holds: /^scripts\//,
    reaches: (target) => !target.startsWith("test/"),
    advice: "a script works without the tests: move what they share into scripts",
  },
];

function capabilityOf(path: string): string {
  return `${path.split("/").slice(0, 3).join("/")}/`;
}

function floorOf(path: string): Floor | undefined {
  return FLOORS.find((floor) => floor.holds.test(path));
}

function floorRule(name: string): Rule {
  return {
    name,
    check: (tree) =>
      tree.modules.flatMap((module) => {
        const floor = floorOf(module.path);
        if (floor?.rule !== name) return [];
        return module.targets
          .filter(({ path }) => !floor.reaches(path, module.path))
          .map(({ import: { line }, path }) => ({
            file: module.path,
            line,
            message: `imports ${path}; ${floor.advice}`,
          }));
      }),
  };
}

const noFloor: Rule = {
  name: "no-floor",
  check: (tree) =>
    tree.modules
      .filter(({ path }) => path.startsWith("core/") && !floorOf(path))
      .map(({ path }) => ({
        file: path,
        line: 1,
        message: "stands on no floor; move it to core/ports, core/kernel, core/capabilities/<name> or core/faces",
      })),
};

/** Capabilities and faces take types from ports, and beyond them only constants and what ports/fault.ts gives. */
const portsAsTypes: Rule = {
  name: "ports-as-types",
  check: (tree) =>
    tree.modules
      .filter(({ path }) => /^core\/(capabilities|faces)\//.test(path))
      .flatMap((module) =>
        module.targets
          .filter(({ path }) => PORTS.test(path) && path !== "core/ports/fault.ts")
          .flatMap((target) => valuesBeyondConstants(tree, target))
          .map(({ line, what }) => ({
            file: module.path,
            line,
            message: `imports ${what} as a value; use \`import type\`, only constants and core/ports/fault.ts are taken as values`,
          })),
      ),
};

function valuesBeyondConstants(tree: Tree, target: { import: Import; path: string }): { line: number; what: string }[] {
  const { line, typeOnly, values } = target.import;
  if (typeOnly) return [];
  if (values === null) return [{ line, what: `all of ${target.path}` }];
  const constants = constantsOf(tree.modules.find(({ path }) => path === target.path));
  return values
    .filter((name) => !constants.includes(name))
    .map((name) => ({ line, what: `${name} of ${target.path}` }));
}

function constantsOf(module: Module | undefined): string[] {
  if (!module) return [];
  return module.syntax.statements
    .filter(isVariableStatement)
    .filter((statement) => statement.modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword))
    .flatMap((statement) => [...statement.declarationList.declarations])
    .filter(({ initializer }) => initializer && !isArrowFunction(initializer) && !isFunctionExpression(initializer))
    .map(({ name }) => ("text" in name ? name.text : ""));
}

const importExtension: Rule = {
  name: "import-extension",
  check: (tree) =>
    tree.modules.flatMap((module) =>
      module.targets
        .filter(({ path }) => !/\.(ts|mjs)$/.test(path))
        .map(({ import: { line, specifier } }) => ({
          file: module.path,
          line,
          message: `imports "${specifier}"; an import path names the file and ends in .ts`,
        })),
    ),
};

/** Types count: two modules that need each other's types are one module, or lack a third. */
const importCycle: Rule = {
  name: "import-cycle",
  check: (tree) => {
    const modules = new Map(tree.modules.map((module) => [module.path, module]));
    return cyclesOf(modules).map((cycle) => toViolation(modules, cycle));
  },
};

function toViolation(modules: Map<string, Module>, cycle: string[]): Violation {
  const file = cycle[0] ?? "";
  const next = cycle[1] ?? file;
  const line = modules.get(file)?.targets.find(({ path }) => path === next)?.import.line ?? 1;
  const round = [...cycle, file].map((path) => posix.relative(".", path)).join(" → ");
  return { file, line, message: `imports itself in a circle, ${round}; move what they share to a module below both` };
}

/** One cycle for each edge that leads back into the path of a depth-first walk. */
function cyclesOf(modules: Map<string, Module>): string[][] {
  const done = new Set<string>();
  const cycles: string[][] = [];
  const walk = (path: string, above: string[]): void => {
    const seen = above.indexOf(path);
    if (seen >= 0) cycles.push(above.slice(seen));
    if (seen >= 0 || done.has(path)) return;
    for (const target of modules.get(path)?.targets ?? []) walk(target.path, [...above, path]);
    done.add(path);
  };
  for (const path of modules.keys()) walk(path, []);
  return cycles;
}

/** The rules about imports of the house's own files. */
export const floorRules: readonly Rule[] = [...new Set(FLOORS.map(({ rule }) => rule))]
  .map(floorRule)
  .concat([noFloor, portsAsTypes, importExtension, importCycle]);
