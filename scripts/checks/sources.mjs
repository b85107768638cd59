// @ts-check
// House rules of package sources that need a parser: each file opens with a comment that says what it is, and none writes to
// the console. Formatting and the rest of the linting are Biome's.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { lineOf, parse } from "./module-specifiers.mjs";
import { codeFiles } from "./workspace.mjs";

/**
 * @param {import("./workspace.mjs").Workspace} workspace
 * @returns {string[]} one line per violation
 */
export function checkSources(workspace) {
  return workspace.packages
    .filter(({ folder }) => folder.startsWith("packages/"))
    .flatMap(({ folder }) => codeFiles(workspace, `${folder}/src`))
    .flatMap((file) => {
      const text = readFileSync(join(workspace.root, file), "utf8");
      return [...checkHeader(file, text), ...checkConsole(file, text)];
    });
}

/**
 * @param {string} file
 * @param {string} text
 */
function checkHeader(file, text) {
  const start = text.replace(/^#!.*\n/, "").trimStart();
  return start.startsWith("//") || start.startsWith("/*")
    ? []
    : [
        `${file}:1: has no header; open it with a comment of 2 to 8 lines that says what the file is and what it is not.`,
      ];
}

/**
 * @param {string} file
 * @param {string} text
 */
function checkConsole(file, text) {
  const source = parse(file, text);
  /** @type {string[]} */
  const found = [];
  visit(source);
  return found;

  /** @param {ts.Node} node */
  function visit(node) {
    const accessed = ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
    if (accessed && ts.isIdentifier(node.expression) && node.expression.text === "console") {
      found.push(`${file}:${lineOf(source, node)}: writes to the console; return the text or take a callback instead.`);
    }
    ts.forEachChild(node, visit);
  }
}
