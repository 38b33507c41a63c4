/**
 * What a source file imports, in every way a file can say it: import and export declarations, `import("…")` as an expression and as
 * a type, `require`, `require.resolve`, `import.meta.resolve` and `/// <reference>`.
 */
import {
  type CallExpression,
  type ExportDeclaration,
  type ImportDeclaration,
  isCallExpression,
  isExportDeclaration,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isMetaProperty,
  isNamedExports,
  isNamedImports,
  isNoSubstitutionTemplateLiteral,
  isPropertyAccessExpression,
  isStringLiteral,
  type Node,
  type SourceFile,
  SyntaxKind,
} from "typescript/unstable/ast";

/** One import. */
export interface Import {
  /** As written; empty when it is not a literal and so cannot be read here. */
  specifier: string;
  line: number;
  /** It leaves no trace in the running program. */
  typeOnly: boolean;
  /** The names it takes as values; null when it takes the whole module. */
  values: string[] | null;
}

/** Every import of a file, in the order of the text. */
export function readImports(file: SourceFile): Import[] {
  const found = referencesOf(file);
  const visit = (node: Node): undefined => {
    const read = readImport(node);
    if (read) found.push({ ...read, line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1 });
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}

type Found = Omit<Import, "line">;

function readImport(node: Node): Found | null {
  if (isImportDeclaration(node)) return { specifier: literal(node.moduleSpecifier) ?? "", ...namesImported(node) };
  if (isExportDeclaration(node) && node.moduleSpecifier) {
    return { specifier: literal(node.moduleSpecifier) ?? "", ...namesExported(node) };
  }
  if (isImportTypeNode(node)) {
    const argument = isLiteralTypeNode(node.argument) ? literal(node.argument.literal) : null;
    return { specifier: argument ?? "", typeOnly: true, values: [] };
  }
  if (isCallExpression(node)) return readCall(node);
  return null;
}

function namesImported(node: ImportDeclaration): Omit<Found, "specifier"> {
  const clause = node.importClause;
  if (!clause) return { typeOnly: false, values: [] };
  if (clause.phaseModifier === SyntaxKind.TypeKeyword) return { typeOnly: true, values: [] };
  const bindings = clause.namedBindings;
  if (bindings && !isNamedImports(bindings)) return { typeOnly: false, values: null };
  const values = (bindings?.elements ?? [])
    .filter((each) => !each.isTypeOnly)
    .map((each) => (each.propertyName ?? each.name).text);
  if (clause.name) values.push("default");
  return { typeOnly: values.length === 0, values };
}

function namesExported(node: ExportDeclaration): Omit<Found, "specifier"> {
  if (node.isTypeOnly) return { typeOnly: true, values: [] };
  if (!node.exportClause || !isNamedExports(node.exportClause)) return { typeOnly: false, values: null };
  const values = node.exportClause.elements
    .filter((each) => !each.isTypeOnly)
    .map((each) => (each.propertyName ?? each.name).text);
  return { typeOnly: values.length === 0, values };
}

function readCall(node: CallExpression): Found | null {
  const callee = node.expression;
  const first = node.arguments[0];
  if (callee.kind === SyntaxKind.ImportKeyword) {
    return { specifier: (first && literal(first)) ?? "", typeOnly: false, values: null };
  }
  const required = isIdentifier(callee) && callee.text === "require";
  const resolved =
    isPropertyAccessExpression(callee) && callee.name.text === "resolve" && isResolver(callee.expression);
  const specifier = (required || resolved) && first ? literal(first) : null;
  return specifier === null ? null : { specifier, typeOnly: false, values: null };
}

function isResolver(node: Node): boolean {
  return isMetaProperty(node) || (isIdentifier(node) && node.text === "require");
}

function literal(node: Node): string | null {
  return isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node) ? node.text : null;
}

function referencesOf(file: SourceFile): Import[] {
  const types = file.typeReferenceDirectives.map((each) => ({ ...each, specifier: `@types/${each.fileName}` }));
  const files = file.referencedFiles.map((each) => ({ ...each, specifier: each.fileName.replace(/^(?![./])/, "./") }));
  return [...types, ...files].map(({ specifier, pos }) => ({
    specifier,
    line: file.getLineAndCharacterOfPosition(pos).line + 1,
    typeOnly: true,
    values: [],
  }));
}
