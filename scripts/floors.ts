/**
 * Enforces the floors table and the conventions of ARCHITECTURE.md on the source tree: `node scripts/floors.ts [ROOT]`.
 * It reads, it never writes. One line per violation, `file:line rule: what, and what to do instead`.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { floorRules } from "./floors/floor_rules.ts";
import { packageRules } from "./floors/packages.ts";
import { shapeRules } from "./floors/shape.ts";
import { type Rule, readTree, type Violation } from "./floors/tree.ts";

/** Every rule of the house. */
export const rules: readonly Rule[] = [...floorRules, ...packageRules, ...shapeRules];

/** What checking a tree found. */
export interface Findings {
  files: number;
  violations: (Violation & { rule: string })[];
}

/** Checks the tree at `root` against every rule. */
export function checkFloors(root: string): Findings {
  const tree = readTree(root);
  const violations = rules.flatMap((rule) => rule.check(tree).map((found) => ({ ...found, rule: rule.name })));
  violations.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
  return { files: tree.modules.length + tree.migrations.length, violations };
}

function main(root: string): void {
  const { files, violations } = checkFloors(root);
  for (const { file, line, rule, message } of violations) console.log(`${file}:${line} ${rule}: ${message}`);
  if (violations.length === 0) console.log(`floors: ${files} files, ${rules.length} rules, ok`);
  else console.log(`floors: ${files} files, ${rules.length} rules, ${violations.length} broken`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] && resolve(process.argv[1]) === self) main(process.argv[2] ?? resolve(self, "../.."));
