// The file that threads run, bundled from the sources: threads cannot take TypeScript as it is. And other programs of the tests.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

/** A bundle on disk. */
export interface BundledReplica {
  readonly url: URL;
  remove(): Promise<void>;
}

const REPLICA = new URL("../src/train-replica.ts", import.meta.url);

/** Bundles `src/train-replica.ts`, or another file. */
export async function bundleReplica(file = REPLICA): Promise<BundledReplica> {
  // Beside the packages that it imports.
  const cache = fileURLToPath(new URL("../../../node_modules/.cache/caddet", import.meta.url));
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "replica-"));
  const outfile = join(folder, "train-replica.mjs");
  await build({
    entryPoints: [fileURLToPath(file)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["@caddet/source"],
    external: ["@tensorflow/*", "webgpu", "sharp", "onnxruntime-node"],
    logLevel: "error",
  });
  return { url: pathToFileURL(outfile), remove: () => rm(folder, { recursive: true, force: true }) };
}
