// Every package as a user gets it: its tarball, installed into an empty folder next to TensorFlow.js. ESM and CJS give the same
// names, browser bundles of all but ./node need nothing of Node's, the command line starts, and nothing runs at install time.
import { rm } from "node:fs/promises";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  npm,
  type PackageManifest,
  type PackedPackages,
  packPackages,
  publishedManifests,
  runProgram,
} from "./packed-packages";

const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall"];

let packed: PackedPackages;

beforeAll(async () => {
  packed = await packPackages();
});

afterAll(() => packed?.remove());

/** The importable entries of a package, such as `@caddet/coco` and `@caddet/coco/node`. */
function entries({ name, exports }: PackageManifest): string[] {
  return Object.keys(exports)
    .filter((subpath) => subpath !== "./package.json")
    .map((subpath) => name + subpath.slice(1));
}

/** The public names of entries, by entry. */
function publicNames(folder: string, format: "mjs" | "cjs", specifiers: readonly string[]): Promise<unknown> {
  const load = format === "mjs" ? "await import(specifier)" : "require(specifier)";
  const source = `(async () => {
    const names = {};
    for (const specifier of ${JSON.stringify(specifiers)}) names[specifier] = Object.keys(${load}).sort();
    console.log(JSON.stringify(names));
  })();`;
  return runProgram(folder, format, source);
}

/** Bundles all of an entry for browsers. */
async function browserBundle(folder: string, specifier: string): Promise<string> {
  const result = await build({
    stdin: { contents: `export * from ${JSON.stringify(specifier)};`, resolveDir: folder },
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "silent",
  });
  return result.outputFiles.map(({ text }) => text).join("\n");
}

describe.each(publishedManifests())("$name", (manifest) => {
  let folder: string;

  beforeAll(async () => {
    folder = await packed.install(manifest.name);
  }, 120_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  }, 120_000);

  it("packs its build, its sources, its README and no tests", () => {
    const paths = packed.tarballs.get(manifest.name)?.files.map(({ path }) => path) ?? [];
    expect(paths).toEqual(expect.arrayContaining(["README.md", "dist/index.js", "dist/index.cjs", "src/index.ts"]));
    expect(paths.filter((path) => path.startsWith("test/"))).toEqual([]);
  });

  it("runs nothing when it is installed", () => {
    const paths = packed.tarballs.get(manifest.name)?.files.map(({ path }) => path);
    expect(paths).not.toContain("binding.gyp");
    expect(INSTALL_SCRIPTS.filter((script) => manifest.scripts?.[script] !== undefined)).toEqual([]);
  });

  it("gives the same public names to import and to require", async () => {
    const specifiers = entries(manifest);
    const imported = (await publicNames(folder, "mjs", specifiers)) as Record<string, string[]>;
    expect(Object.keys(imported)).toEqual(specifiers);
    for (const names of Object.values(imported)) expect(names.length).toBeGreaterThan(0);
    expect(await publicNames(folder, "cjs", specifiers)).toEqual(imported);
  });

  if (manifest.name !== "caddet") {
    const browserEntries = entries(manifest).filter((specifier) => !specifier.endsWith("/node"));

    it.each(browserEntries)("bundles %s for browsers without Node", async (specifier) => {
      const bundle = await browserBundle(folder, specifier);
      expect(bundle.match(/["'`]node:[a-z_/]+["'`]/g) ?? []).toEqual([]);
    });
  }

  for (const command of Object.keys(manifest.bin ?? {})) {
    it(`starts its command ${command}`, async () => {
      const printed = await npm(folder, ["exec", "--offline", "--", command, "--version"]);
      expect(printed.trim()).toBe(manifest.version);
    });
  }
});
