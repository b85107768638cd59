// Bundles files of this folder for worker threads: they cannot take TypeScript as it is.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

/** Bundled files, and how to be rid of them. */
export interface ReplicaFiles {
  /** `name` without its ending. */
  url(name: string): URL;
  remove(): Promise<void>;
}

/** Bundles files of this folder, given by their names without ending. */
export async function bundleReplicas(...names: readonly string[]): Promise<ReplicaFiles> {
  // Beside the packages that they import.
  const cache = fileURLToPath(new URL("../../../node_modules/.cache/caddet-distributed", import.meta.url));
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "replicas-"));
  await build({
    entryPoints: Object.fromEntries(names.map((name) => [name, fileURLToPath(new URL(`${name}.ts`, import.meta.url))])),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@caddet/source"],
    external: ["@tensorflow/*", "webgpu"],
    logLevel: "error",
  });
  return {
    url: (name) => pathToFileURL(join(folder, `${name}.mjs`)),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Threads start without the options of the test's runner. */
export const PLAIN: readonly string[] = [];
