// @ts-check
// All checks of one repository, in the order in which they are reported.
import { checkImports } from "./imports.mjs";
import { checkNodeFree } from "./node-free.mjs";
import { checkSources } from "./sources.mjs";
import { checkTexts } from "./texts.mjs";

/**
 * @param {import("./workspace.mjs").Workspace} workspace
 * @returns {string[]} one line per violation
 */
export function checkRepository(workspace) {
  return [checkImports, checkNodeFree, checkSources, checkTexts].flatMap((check) => check(workspace));
}
