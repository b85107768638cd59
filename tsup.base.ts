// The build of every package: ESM and CJS side by side, types for both, nothing bundled but the package's own files.
import type { Options } from "tsup";

export function packageBuild(entry: Record<string, string> = { index: "src/index.ts" }): Options {
  return {
    entry,
    format: ["esm", "cjs"],
    target: "es2022",
    platform: "neutral",
    // Without the source condition, types are checked against the builds of other packages, as a user sees them: fewer files.
    dts: { compilerOptions: { ignoreDeprecations: "5.0", customConditions: [] } },
    sourcemap: true,
    // Entries of one package share its classes, in the CJS build, too.
    splitting: true,
    clean: true,
    treeshake: true,
    external: [/^node:/],
  };
}
