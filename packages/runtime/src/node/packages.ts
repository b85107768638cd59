// Where npm packages lie, seen from this package, in the ESM and in the CJS build, or in this user's native install. Finding one does
// not load it.
import { createRequire } from "node:module";
import { PACKAGES } from "./backend-name";
import { nativeFolder } from "./native/folder";

const require = createRequire(import.meta.url);

/** The path of a package's main file, or `undefined` where the package is not installed. */
export function findPackage(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return findNative(name);
  }
}

function findNative(name: string): string | undefined {
  const backend = (["tfjs-node", "tfjs-node-gpu"] as const).find((native) => PACKAGES[native] === name);
  if (!backend) return undefined;
  try {
    return require.resolve(name, { paths: [nativeFolder(backend)] });
  } catch {
    return undefined;
  }
}

/** Loads a CommonJS file, native addons included. */
export function loadFile(path: string): unknown {
  return require(path);
}
