// @ts-check
// Which package may import which: the one table behind `npm run lint`. It has no opinion on third-party packages.
// `core` is allowed everywhere but in `runtime`, `caddet` may import all, and nothing imports `caddet`.

/** @type {Record<string, readonly string[]>} Per package, what it may import beside `@caddet/core`. */
const BESIDE_CORE = {
  "@caddet/core": [],
  "@caddet/router": [],
  "@caddet/supernet": ["@caddet/router"],
  "@caddet/heads": [],
  "@caddet/budget": [],
  "@caddet/path-sim": [],
  "@caddet/coco": [],
  "@caddet/baselines": [],
  "@caddet/detector": [],
  "@caddet/trainer": ["@caddet/detector", "@caddet/budget", "@caddet/path-sim", "@caddet/coco"],
  "@caddet/inferencer": ["@caddet/detector", "@caddet/supernet", "@caddet/heads", "@caddet/onnx", "@caddet/runtime"],
  "@caddet/onnx": ["@caddet/detector", "@caddet/supernet", "@caddet/heads", "@caddet/router"],
  "@caddet/viz": [],
  "@caddet/distributed": [],
  "@caddet/runtime": [],
};

/** The names of the packages that the table knows, `caddet` included. */
export const KNOWN_PACKAGES = [...Object.keys(BESIDE_CORE), "caddet"];

/**
 * The packages of this repository that one of them may import.
 *
 * @param {string} name the importing package, such as `@caddet/trainer`
 * @returns {readonly string[] | undefined} undefined for a package that the table lacks
 */
export function allowedImports(name) {
  if (name === "caddet") return Object.keys(BESIDE_CORE);
  const beside = BESIDE_CORE[name];
  if (beside === undefined) return undefined;
  return name === "@caddet/core" || name === "@caddet/runtime" ? beside : ["@caddet/core", ...beside];
}
