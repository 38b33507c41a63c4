/** The shape of a module: its name, its length (as of a migration), what it opens with and exports, and the state and globals it keeps away from. */
import {
  type Expression,
  isArrayLiteralExpression,
  isAsExpression,
  isExportAssignment,
  isExportDeclaration,
  isIdentifier,
  isNamedExports,
  isNewExpression,
  isObjectLiteralExpression,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isSatisfiesExpression,
  isVariableStatement,
  type Node,
  NodeFlags,
  type Statement,
  SyntaxKind,
  type TypeNode,
  type VariableDeclaration,
} from "typescript/unstable/ast";
import { lineAt, type Module, type Rule, type Violation } from "./tree.ts";

const VAGUE = /(^|[_.])(utils?|commons?|helpers?|managers?|services?)([_.]|$)|^types\./;
const LENGTH = { test: 400, elsewhere: 300, entry: 120 };
const ENTRIES: readonly string[] = ["adapters/node.ts", "adapters/bun.ts", "adapters/deno.ts"];

/** Declared by the WebWorker library, and missing on at least one of Node 20, Bun and Deno. */
const UNPORTABLE: ReadonlySet<string> = new Set([
  "CloseEvent",
  "ErrorEvent",
  "EventSource",
  "FileReader",
  "FileReaderSync",
  "OffscreenCanvas",
  "URLPattern",
  "WebSocket",
  "Worker",
  "XMLHttpRequest",
  "caches",
  "createImageBitmap",
  "importScripts",
  "indexedDB",
  "navigator",
  "postMessage",
  "reportError",
  "requestAnimationFrame",
  "self",
]);

/** Constructors whose values change after they are made. */
const MUTABLE: ReadonlySet<string> = new Set([
  "AbortController",
  "Array",
  "EventTarget",
  "FormData",
  "Headers",
  "Map",
  "Set",
  "URLSearchParams",
  "WeakMap",
  "WeakSet",
]);

function perModule(name: string, inspect: (module: Module) => Omit<Violation, "file">[]): Rule {
  return {
    name,
    check: (tree) =>
      tree.modules.flatMap((module) => inspect(module).map((found) => ({ file: module.path, ...found }))),
  };
}

function wholeFile(message: string | null): Omit<Violation, "file">[] {
  return message === null ? [] : [{ line: 1, message }];
}

function lengthOf({ text }: Pick<Module, "text">): number {
  return text.trimEnd().split("\n").length;
}

const fileLength: Rule = {
  name: "file-length",
  check: ({ modules, migrations }) =>
    [...modules, ...migrations].flatMap((file) => {
      const most = file.path.startsWith("test/") ? LENGTH.test : LENGTH.elsewhere;
      const lines = lengthOf(file);
      const message = lines <= most ? null : `has ${lines} lines, the most is ${most}; split it by subject`;
      return wholeFile(message).map((found) => ({ file: file.path, ...found }));
    }),
};

const entryLength = perModule("entry-length", (module) => {
  const lines = lengthOf(module);
  if (!ENTRIES.includes(module.path) || lines <= LENGTH.entry) return [];
  return wholeFile(
    `has ${lines} lines, the most for an entry is ${LENGTH.entry}; move what all runtimes share to adapters/boot.ts`,
  );
});

const vagueName = perModule("vague-name", ({ path }) => {
  const vague = path.split("/").find((part) => VAGUE.test(part));
  return wholeFile(
    vague === undefined ? null : `"${vague}" says nothing about its subject; name the thing or the deed`,
  );
});

const snakeCase = perModule("snake-case", ({ path }) => {
  const odd = path.split("/").find((part) => !/^[a-z0-9]+(_[a-z0-9]+)*(\.[a-z0-9]+(_[a-z0-9]+)*)*$/.test(part));
  return wholeFile(odd === undefined ? null : `"${odd}" is not snake_case; rename it`);
});

const docComment = perModule("doc-comment", ({ path, text }) => {
  const silent = path.startsWith("core/") && !/^\s*\/\*\*[^/]/.test(text);
  return wholeFile(silent ? "opens without a doc comment; say what the module is for, and what it is not for" : null);
});

const defaultExport = perModule("default-export", ({ text, syntax }) =>
  syntax.statements.filter(exportsDefault).map((statement) => ({
    line: lineAt(text, statement.getStart(syntax)),
    message: "exports a default; give it a name that importers share",
  })),
);

function exportsDefault(statement: Statement): boolean {
  if (isExportAssignment(statement)) return true;
  if (isExportDeclaration(statement)) {
    const clause = statement.exportClause;
    return (
      clause !== undefined && isNamedExports(clause) && clause.elements.some(({ name }) => name.text === "default")
    );
  }
  return hasModifier(statement, SyntaxKind.DefaultKeyword);
}

function hasModifier(node: Node & { modifiers?: readonly Node[] }, kind: SyntaxKind): boolean {
  return node.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
}

const unportableGlobal = perModule("unportable-global", ({ path, text, syntax }) => {
  const found: Omit<Violation, "file">[] = [];
  const visit = (node: Node): undefined => {
    if (isIdentifier(node) && UNPORTABLE.has(node.text) && !isPropertyName(node)) {
      found.push({
        line: lineAt(text, node.getStart(syntax)),
        message: `names ${node.text}, which not every runtime has; reach it through a port, or choose another name for your own`,
      });
    }
    node.forEachChild(visit);
  };
  if (path.startsWith("core/")) visit(syntax);
  return found;
});

/** `x.name`, `{ name: … }` and members of types are names of the module's own making; `globalThis.name` is not. */
function isPropertyName(node: Node): boolean {
  const above = node.parent;
  if (isPropertyAccessExpression(above) && above.name === node) {
    return !(isIdentifier(above.expression) && /^(globalThis|self)$/.test(above.expression.text));
  }
  if (isPropertyAssignment(above)) return above.name === node;
  const members = [
    SyntaxKind.PropertySignature,
    SyntaxKind.MethodSignature,
    SyntaxKind.PropertyDeclaration,
    SyntaxKind.MethodDeclaration,
  ];
  return members.includes(above.kind) && "name" in above && above.name === node;
}

const moduleState = perModule("module-state", ({ path, text, syntax }) => {
  if (!/^(core|adapters)\//.test(path)) return [];
  return syntax.statements.filter(isVariableStatement).flatMap(({ declarationList }) => {
    const constant = (declarationList.flags & NodeFlags.Const) !== 0;
    return [...declarationList.declarations]
      .filter((declaration) => !constant || isMutable(declaration))
      .map((declaration) => ({
        line: lineAt(text, declaration.getStart(syntax)),
        message: `keeps state in the module (${declaration.name.getText(syntax)}); keep it in the function that makes the value, or type it Readonly…`,
      }));
  });
});

function isMutable({ type, initializer }: VariableDeclaration): boolean {
  if (!initializer || isReadonly(type)) return false;
  return startsAsState(initializer);
}

function startsAsState(value: Expression): boolean {
  if (isAsExpression(value)) return !isReadonly(value.type) && startsAsState(value.expression);
  if (isSatisfiesExpression(value)) return startsAsState(value.expression);
  if (isNewExpression(value)) return isIdentifier(value.expression) && MUTABLE.has(value.expression.text);
  // An empty literal that nothing may fill would have no use.
  if (isArrayLiteralExpression(value)) return value.elements.length === 0;
  return isObjectLiteralExpression(value) && value.properties.length === 0;
}

function isReadonly(type: TypeNode | undefined): boolean {
  return type !== undefined && /^(readonly\b|Readonly[A-Z<]|const$)/.test(type.getText());
}

/** The rules about a module by itself. */
export const shapeRules: readonly Rule[] = [
  fileLength,
  entryLength,
  vagueName,
  snakeCase,
  docComment,
  defaultExport,
  unportableGlobal,
  moduleState,
];
