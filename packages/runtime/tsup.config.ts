import { defineConfig } from "tsup";
import { packageBuild } from "../../tsup.base";

// Shims: `import.meta.url` in the CJS build. Splitting: both entries share one `RuntimeError`, in the CJS build, too.
export default defineConfig({
  ...packageBuild({ index: "src/index.ts", node: "src/node.ts" }),
  shims: true,
  splitting: true,
});
