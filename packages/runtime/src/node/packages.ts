// Where npm packages lie, seen from this package, in the ESM and in the CJS build. Finding one does not load it.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The path of a package's main file, or `undefined` where the package is not installed. */
export function findPackage(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

/** Loads a CommonJS file, native addons included. */
export function loadFile(path: string): unknown {
  return require(path);
}
