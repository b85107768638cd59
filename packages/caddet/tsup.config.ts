import { defineConfig } from "tsup";
import { packageBuild } from "../../tsup.base";

const entries = { index: "src/index.ts", cli: "src/cli.ts", "train-replica": "src/train-replica.ts" };

// The shims let the CJS build find its worker.
export default defineConfig({ ...packageBuild(entries), shims: true });
