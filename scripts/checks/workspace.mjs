// @ts-check
// The repository as the checks see it: its packages with their manifests, and every file that git tracks or would track.
// Nothing here judges; a file that git ignores (builds, generated sources) is not part of it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {boolean} [private]
 * @property {Record<string, unknown>} [exports]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [peerDependencies]
 * @property {Record<string, string>} [devDependencies]
 * @property {Record<string, string>} [optionalDependencies]
 *
 * @typedef {object} WorkspacePackage
 * @property {string} folder such as `packages/core`
 * @property {Manifest} manifest
 *
 * @typedef {object} Workspace
 * @property {string} root absolute path
 * @property {WorkspacePackage[]} packages those under packages/ and examples/
 * @property {string[]} files paths relative to root, with forward slashes
 */

/**
 * Lists a git checkout's files and reads the manifests of its packages and examples.
 *
 * @param {string} root the checkout's folder
 * @returns {Workspace}
 */
export function readWorkspace(root) {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const files = [...new Set(listed.split("\0"))].filter((file) => file !== "" && existsSync(join(root, file))).sort();
  const packages = files
    .filter((file) => /^(packages|examples)\/[^/]+\/package\.json$/.test(file))
    .map((file) => ({
      folder: file.slice(0, -"/package.json".length),
      manifest: JSON.parse(readFileSync(join(root, file), "utf8")),
    }));
  return { root, packages, files };
}

/**
 * The TypeScript and JavaScript files under a folder.
 *
 * @param {Workspace} workspace
 * @param {string} folder such as `packages/core/src`
 * @returns {string[]}
 */
export function codeFiles(workspace, folder) {
  return workspace.files.filter((file) => file.startsWith(`${folder}/`) && /\.[cm]?[jt]sx?$/.test(file));
}

/**
 * Whether a name is one of this repository's packages.
 *
 * @param {string} name
 * @returns {boolean}
 */
export function isOurs(name) {
  return name === "caddet" || name.startsWith("@caddet/");
}
