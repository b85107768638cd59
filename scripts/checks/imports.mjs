// @ts-check
// Imports between the packages of this repository: sources, tests and manifests against the table, subpaths against the
// exports, and no cycle among the manifests. A package's tests may import `@caddet/runtime` besides; examples and the
// benchmarks may import whatever is published.
import { readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { allowedImports, KNOWN_PACKAGES } from "./allowed-imports.mjs";
import { moduleSpecifiers, parse } from "./module-specifiers.mjs";
import { codeFiles, isOurs } from "./workspace.mjs";

/** @typedef {import("./workspace.mjs").Workspace} Workspace */
/** @typedef {import("./workspace.mjs").WorkspacePackage} WorkspacePackage */

const PUBLISHED_AT_RUN_TIME = /** @type {const} */ (["dependencies", "peerDependencies", "optionalDependencies"]);

/**
 * @param {Workspace} workspace
 * @returns {string[]} one line per violation
 */
export function checkImports(workspace) {
  const libraries = workspace.packages.filter(({ folder }) => folder.startsWith("packages/"));
  return [
    ...libraries.flatMap((library) => checkLibrary(workspace, library)),
    ...["examples", "bench"].flatMap((folder) => checkConsumer(workspace, folder)),
    ...cycles(workspace.packages),
  ];
}

/**
 * @param {Workspace} workspace
 * @param {WorkspacePackage} library
 */
function checkLibrary(workspace, { folder, manifest }) {
  const allowed = allowedImports(manifest.name);
  if (allowed === undefined) {
    return [
      `${folder}/package.json: ${manifest.name} is not in the table of allowed imports; ` +
        "add it to scripts/checks/allowed-imports.mjs with what it may import.",
    ];
  }
  const allowedInTests = [...allowed, "@caddet/runtime", manifest.name];
  return [
    ...checkManifest(folder, manifest, allowed),
    ...codeFiles(workspace, `${folder}/src`).flatMap((file) =>
      checkFile(workspace, file, folder, allowed, declared(manifest, PUBLISHED_AT_RUN_TIME)),
    ),
    ...codeFiles(workspace, `${folder}/test`).flatMap((file) => checkFile(workspace, file, folder, allowedInTests)),
  ];
}

/**
 * @param {string} folder
 * @param {import("./workspace.mjs").Manifest} manifest
 * @param {readonly string[]} allowed
 */
function checkManifest(folder, manifest, allowed) {
  const forbidden = declared(manifest, PUBLISHED_AT_RUN_TIME).filter((name) => isOurs(name) && !allowed.includes(name));
  const forTests = declared(manifest, ["devDependencies"]).filter(
    (name) => isOurs(name) && name !== "@caddet/runtime" && !allowed.includes(name),
  );
  return [
    ...forbidden.map((name) => `${folder}/package.json: depends on ${name}; ${mayImport(manifest.name, allowed)}`),
    ...forTests.map(
      (name) =>
        `${folder}/package.json: needs ${name} for its tests; beside @caddet/runtime, ${mayImport(manifest.name, allowed)}`,
    ),
  ];
}

/**
 * @param {Workspace} workspace
 * @param {string} folder `examples` or `bench`
 */
function checkConsumer(workspace, folder) {
  return codeFiles(workspace, folder).flatMap((file) => {
    const own = folder === "examples" ? file.split("/").slice(0, 2).join("/") : folder;
    return checkFile(workspace, file, own, KNOWN_PACKAGES);
  });
}

/**
 * @param {Workspace} workspace
 * @param {string} file
 * @param {string} folder what the file belongs to; relative imports stay inside
 * @param {readonly string[]} allowed
 * @param {readonly string[]} [dependencies] what the manifest declares, where that is required
 */
function checkFile(workspace, file, folder, allowed, dependencies) {
  const source = parse(file, readFileSync(join(workspace.root, file), "utf8"));
  return moduleSpecifiers(source).flatMap(({ specifier, line }) => {
    const at = `${file}:${line}`;
    if (specifier.startsWith(".")) {
      const target = posix.join(dirname(file), specifier);
      return target.startsWith(`${folder}/`)
        ? []
        : [`${at}: imports ${specifier}, which lies outside ${folder}; import a package by its name.`];
    }
    const name = packageName(specifier);
    if (!isOurs(name)) return [];
    if (!allowed.includes(name)) return [`${at}: imports ${specifier}; ${mayImport(folder, allowed)}`];
    const manifest = workspace.packages.find((candidate) => candidate.manifest.name === name)?.manifest;
    if (manifest === undefined) return [`${at}: imports ${specifier}, but no package here has the name ${name}.`];
    const subpath = specifier === name ? "." : `.${specifier.slice(name.length)}`;
    if (manifest.exports?.[subpath] === undefined) {
      return [`${at}: imports ${specifier}, but ${name} does not export ${subpath}; import one of its public entries.`];
    }
    if (dependencies !== undefined && !dependencies.includes(name)) {
      return [`${at}: imports ${specifier}, but ${folder}/package.json does not depend on ${name}; add it there.`];
    }
    return [];
  });
}

/**
 * Every cycle among the manifests, devDependencies included, since the build's order follows those as well.
 *
 * @param {WorkspacePackage[]} packages
 */
function cycles(packages) {
  const edges = new Map(
    packages.map(({ manifest }) => [
      manifest.name,
      declared(manifest, [...PUBLISHED_AT_RUN_TIME, "devDependencies"]).filter(isOurs),
    ]),
  );
  /** @type {Set<string>} */
  const finished = new Set();
  /** @type {string[]} */
  const found = [];
  for (const name of edges.keys()) visit(name, []);
  return found;

  /**
   * @param {string} name
   * @param {string[]} trail
   */
  function visit(name, trail) {
    if (finished.has(name)) return;
    const start = trail.indexOf(name);
    if (start >= 0) {
      found.push(
        `package.json: ${[...trail.slice(start), name].join(" → ")} is a cycle; remove one of these dependencies.`,
      );
      return;
    }
    for (const next of edges.get(name) ?? []) visit(next, [...trail, name]);
    finished.add(name);
  }
}

/**
 * @param {import("./workspace.mjs").Manifest} manifest
 * @param {readonly ("dependencies" | "peerDependencies" | "optionalDependencies" | "devDependencies")[]} kinds
 */
function declared(manifest, kinds) {
  return kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
}

/** @param {string} specifier */
function packageName(specifier) {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/**
 * @param {string} who
 * @param {readonly string[]} allowed
 */
function mayImport(who, allowed) {
  return `${who} may import ${allowed.length === 0 ? "no package of this repository" : `only ${allowed.join(", ")}`}.`;
}
