// @ts-check
// Sources that a browser may load must not import Node's own modules, nor another package's `./node` entry. What only the
// `./node` entry and scripts of worker threads (`*-worker.ts`) reach may, and so may the command line. Third-party packages are judged by bundling, in the tests.
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, posix } from "node:path";
import { moduleSpecifiers, parse } from "./module-specifiers.mjs";
import { codeFiles, isOurs } from "./workspace.mjs";

/** @typedef {{ specifier: string, line: number }} Import */

/**
 * @param {import("./workspace.mjs").Workspace} workspace
 * @returns {string[]} one line per violation
 */
export function checkNodeFree(workspace) {
  return workspace.packages
    .filter(({ folder, manifest }) => folder.startsWith("packages/") && manifest.name !== "caddet")
    .flatMap(({ folder }) => checkPackage(workspace, folder));
}

/**
 * @param {import("./workspace.mjs").Workspace} workspace
 * @param {string} folder
 */
function checkPackage(workspace, folder) {
  const nodeEntry = `${folder}/src/node.ts`;
  /** @type {Map<string, Import[]>} */
  const imports = new Map(
    codeFiles(workspace, `${folder}/src`).map((file) => [
      file,
      moduleSpecifiers(parse(file, readFileSync(join(workspace.root, file), "utf8"))),
    ]),
  );
  const workers = [...imports.keys()].filter((file) => file.endsWith("-worker.ts"));
  const fromNode = reachable(imports, [nodeEntry, ...workers]);
  const fromElsewhere = reachable(
    imports,
    [...imports.keys()].filter((file) => !fromNode.has(file)),
  );
  return [...imports].flatMap(([file, list]) => {
    if (fromNode.has(file) && !fromElsewhere.has(file)) return [];
    return list
      .filter(({ specifier }) => needsNode(specifier))
      .map(
        ({ specifier, line }) =>
          `${file}:${line}: imports ${specifier} in a file that a browser may load; move it under the ./node entry.`,
      );
  });
}

/**
 * @param {Map<string, Import[]>} imports
 * @param {string[]} entries
 * @returns {Set<string>} the files of `imports` that the entries lead to
 */
function reachable(imports, entries) {
  /** @type {Set<string>} */
  const seen = new Set();
  const open = entries.filter((entry) => imports.has(entry));
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const { specifier } of imports.get(file) ?? []) {
      if (!specifier.startsWith(".")) continue;
      const target = posix.join(dirname(file), specifier);
      const resolved = [target, `${target}.ts`, `${target}/index.ts`].find((candidate) => imports.has(candidate));
      if (resolved !== undefined) open.push(resolved);
    }
  }
  return seen;
}

/** @param {string} specifier */
function needsNode(specifier) {
  if (specifier.startsWith("node:") || builtinModules.includes(specifier)) return true;
  return isOurs(specifier.split("/", 2).join("/")) && specifier.endsWith("/node");
}
