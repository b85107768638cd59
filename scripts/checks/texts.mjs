// @ts-check
// What no file of the repository may hold: the address of a package registry, an absolute path of somebody's machine, or a
// relative path that leaves the repository. It looks at text files alone, line by line.
import { readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

const REGISTRY =
  /(?:https?:)?\/\/(?:[\w-]+\.)*(?:registry|artifactory|nexus|verdaccio|pypi)[\w-]*(?:\.[\w-]+)*(?::\d+)?/i;
const LOCKED_ADDRESS = /"resolved":\s*"https?:\/\/[^"]+"/;
const MACHINE_PATH = /(?<![\w./@~-])\/(?:home|Users|root|work|mnt|media)\/[\w.-]+|\b[A-Z]:\\Users\\\w+/;
const PARENT_PATH = /(?<![\w/])(?:\.\.\/)+[\w.-]+/g;

/**
 * @param {import("./workspace.mjs").Workspace} workspace
 * @returns {string[]} one line per violation
 */
export function checkTexts(workspace) {
  // biome-ignore lint/suspicious/noUndeclaredEnvVars: the lint is no task of turbo's, and nothing of it is cached
  const configured = process.env.npm_config_registry;
  const host = configured === undefined ? undefined : new URL(configured).host;
  return workspace.files.flatMap((file) => {
    const bytes = readFileSync(join(workspace.root, file));
    if (bytes.includes(0)) return [];
    return bytes
      .toString("utf8")
      .split("\n")
      .flatMap((text, index) => checkLine(file, text, host).map((what) => `${file}:${index + 1}: ${what}`));
  });
}

/**
 * @param {string} file
 * @param {string} text
 * @param {string | undefined} host of the registry that npm is set up with
 */
function checkLine(file, text, host) {
  /** @type {string[]} */
  const found = [];
  const registry = text.match(REGISTRY)?.[0] ?? text.match(LOCKED_ADDRESS)?.[0];
  if (registry !== undefined || (host !== undefined && text.includes(host))) {
    found.push(`names the registry ${registry ?? host}; registries belong in each machine's own npm configuration.`);
  }
  const path = text.match(MACHINE_PATH)?.[0];
  if (path !== undefined) found.push(`names the path ${path} of one machine; use a path inside the repository.`);
  // Build settings resolve such paths from each package's folder, not from the file's own.
  if (!file.endsWith(".json")) {
    for (const [up] of text.matchAll(PARENT_PATH)) {
      if (posix.join(dirname(file), up).startsWith("../")) {
        found.push(`names ${up}, which lies outside the repository; copy what is needed into it.`);
      }
    }
  }
  return found;
}
