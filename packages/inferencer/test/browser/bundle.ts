// Bundles as a browser's tools do: no Node built-in resolves, and the workspace's sources are used.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

/** A bundle in memory. */
export interface Bundle {
  readonly text: string;
  /** The files that it is made of. */
  readonly files: readonly string[];
}

/**
 * Bundles a file for browsers.
 *
 * @param entry its path
 * @throws when something in it needs Node
 */
export async function browserBundle(entry: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["@caddet/source"],
    logLevel: "silent",
  });
  const [output] = outputFiles;
  return { text: output!.text, files: Object.keys(metafile.inputs) };
}

/** The folder that a package's file lies in. */
export function folderOf(specifier: string): string {
  return dirname(createRequire(join(import.meta.dirname ?? __dirname, "page.ts")).resolve(specifier));
}
