// What tfjs-node 4.22 calls of `node:util` and Node 23 took out of it. Only what is missing is put back, so that older versions of Node
// are as they were.

/** The functions, by name. */
const LEGACY: Readonly<Record<string, (value: unknown) => boolean>> = {
  isNullOrUndefined: (value) => value === null || value === undefined,
  isArray: Array.isArray,
};

/**
 * Puts the functions back that are missing.
 *
 * @param util the module's object, which all CommonJS code shares
 * @returns the names of those that were missing
 */
export function restoreLegacyUtil(util: object): string[] {
  const module = util as Record<string, unknown>;
  const missing = Object.keys(LEGACY).filter((name) => module[name] === undefined);
  for (const name of missing) module[name] = LEGACY[name];
  return missing;
}
