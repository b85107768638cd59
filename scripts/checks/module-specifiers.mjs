// @ts-check
// What a source file imports, read from its syntax tree: static and dynamic imports, re-exports, `import("x").T` types and
// `require("x")`. A specifier put together at run time is not seen.
import ts from "typescript";

/**
 * Parses a TypeScript or JavaScript file.
 *
 * @param {string} file its name, for the dialect
 * @param {string} text
 * @returns {ts.SourceFile}
 */
export function parse(file, text) {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
}

/**
 * Lists the module specifiers of a parsed file.
 *
 * @param {ts.SourceFile} source
 * @returns {{ specifier: string, line: number }[]} line is 1-based
 */
export function moduleSpecifiers(source) {
  /** @type {{ specifier: string, line: number }[]} */
  const found = [];
  visit(source);
  return found;

  /** @param {ts.Node} node */
  function visit(node) {
    const argument = specifierNode(node);
    if (argument !== undefined && ts.isStringLiteralLike(argument)) {
      found.push({ specifier: argument.text, line: lineOf(source, argument) });
    }
    ts.forEachChild(node, visit);
  }
}

/**
 * The 1-based line on which a node starts.
 *
 * @param {ts.SourceFile} source
 * @param {ts.Node} node
 * @returns {number}
 */
export function lineOf(source, node) {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/**
 * @param {ts.Node} node
 * @returns {ts.Node | undefined}
 */
function specifierNode(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isExternalModuleReference(node)) return node.expression;
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal;
  if (ts.isCallExpression(node) && isImportCall(node.expression)) return node.arguments[0];
  return undefined;
}

/** @param {ts.Node} callee */
function isImportCall(callee) {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === "require");
}
