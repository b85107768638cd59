// Packs the repository's packages as `npm publish` would, and installs one of them into an empty folder as a user would: from
// its tarball, next to TensorFlow.js. Packages of this repository that it depends on come as tarballs, too.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** The fields of a package.json that the tests read. */
export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** What `npm pack --json` tells of one tarball. */
interface PackedFile {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** The packages' tarballs, by package name, in a folder of their own. */
export interface PackedPackages {
  readonly tarballs: ReadonlyMap<string, PackedFile>;
  /** Installs a package into a new folder and returns that folder. */
  install(name: string): Promise<string>;
  remove(): void;
}

/** The manifests of the packages that are published. */
export function publishedManifests(): PackageManifest[] {
  return readdirSync(join(root, "packages"))
    .map(
      (folder) => JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")) as PackageManifest,
    )
    .filter((manifest) => manifest.private !== true);
}

/** Packs every published package; their builds must be there. */
export async function packPackages(): Promise<PackedPackages> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "caddet-packages-")));
  const manifests = publishedManifests();
  const packed = await npm(root, ["pack", "--json", "--pack-destination", folder, ...workspaceFlags(manifests)]);
  const tarballs = new Map((JSON.parse(packed) as PackedFile[]).map((file) => [file.name, file]));
  for (const { name, files } of tarballs.values()) {
    if (!files.some(({ path }) => path === "dist/index.js")) {
      rmSync(folder, { recursive: true });
      throw new Error(`${name} has no dist/index.js; build the packages first: npm run build.`);
    }
  }
  const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return {
    tarballs,
    async install(name) {
      const own = join(folder, name.replace("/", "-"));
      mkdirSync(own);
      const specifiers = [...tarballs].map(([key, { filename }]) => [key, `file:${join(folder, filename)}`] as const);
      const manifest = {
        private: true,
        dependencies: {
          "@tensorflow/tfjs-core": devDependencies["@tensorflow/tfjs-core"],
          ...Object.fromEntries(specifiers.filter(([key]) => key === name)),
        },
        overrides: Object.fromEntries(specifiers.filter(([key]) => key !== name)),
      };
      writeFileSync(join(own, "package.json"), JSON.stringify(manifest));
      await npm(own, ["install", "--prefer-offline", "--ignore-scripts=false", "--no-audit", "--no-fund"]);
      return own;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs a program in a folder, in a `node` of its own, and parses the JSON that it prints. */
export async function runProgram(folder: string, format: "mjs" | "cjs", source: string): Promise<unknown> {
  const file = join(folder, `program.${format}`);
  writeFileSync(file, source);
  const { stdout } = await run(process.execPath, [file], { cwd: folder });
  return JSON.parse(stdout);
}

/** Runs npm in a folder and returns what it prints. */
export async function npm(folder: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run("npm", args, {
    cwd: folder,
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === "win32",
  });
  return stdout;
}

function workspaceFlags(manifests: readonly PackageManifest[]): string[] {
  return manifests.flatMap(({ name }) => ["--workspace", name]);
}
