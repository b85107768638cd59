// @ts-check
// The npm packages that some packages need at run time, as they lie in this checkout, found as Node finds them. Workspaces bring what
// their tests need, too. Nothing is copied or fetched here.
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** @typedef {{ dependencies?: Record<string, string>, devDependencies?: Record<string, string>,
 *   optionalDependencies?: Record<string, string>, peerDependencies?: Record<string, string> }} Manifest */

/**
 * @param {string} root of the checkout
 * @param {string} from the folder of the package that asks
 * @param {string} name
 */
function find(root, from, name) {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return found;
    if (folder === root) return undefined;
  }
}

/**
 * Packages that are not installed are left out: optional ones of other platforms, peers that nobody wanted.
 *
 * @param {string} root of the checkout
 * @param {readonly string[]} names to begin with, as seen from the root
 * @param {readonly string[]} without names to leave out, with what only they need
 * @returns folders relative to the root: of npm's packages, sorted, and of workspaces by the place of their link
 */
export function closureOf(root, names, without) {
  /** @type {Set<string>} */
  const folders = new Set();
  /** @type {Map<string, string>} */
  const workspaces = new Map();
  const waiting = names.map((name) => ({ name, from: root }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const link = find(root, next.from, next.name);
    if (!link || without.includes(next.name)) continue;
    const folder = realpathSync(link);
    const isWorkspace = folder !== link;
    const place = relative(root, link);
    if (folders.has(place) || workspaces.has(place)) continue;
    if (isWorkspace) workspaces.set(place, relative(root, folder));
    else folders.add(place);
    /** @type {Manifest} */
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const { dependencies, optionalDependencies, peerDependencies, devDependencies } = manifest;
    const needed = { ...dependencies, ...optionalDependencies, ...peerDependencies };
    if (isWorkspace) Object.assign(needed, devDependencies);
    for (const name of Object.keys(needed)) waiting.push({ name, from: folder });
  }
  return { folders: [...folders].sort(), workspaces };
}
