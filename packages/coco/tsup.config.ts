import { defineConfig } from "tsup";
import { packageBuild } from "../../tsup.base";

const entries = {
  index: "src/index.ts",
  node: "src/node.ts",
  evaluate: "src/evaluation.ts",
  "results-worker": "src/results/results-worker.ts",
  "loader-worker": "src/loader/loader-worker.ts",
};

// The shims let the CJS build find its workers.
export default defineConfig({ ...packageBuild(entries), shims: true });
