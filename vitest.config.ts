// One run over all packages. The source condition lets tests see the workspace's TypeScript, so that they need no build.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const conditions = ["@caddet/source"];

export default defineConfig({
  // `#test/…` is what the tests of all packages share.
  resolve: { conditions, alias: { "#test": fileURLToPath(new URL("scripts/test", import.meta.url)) } },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/*/test/**/*.test.ts", "scripts/test/**/*.test.ts"],
    globalSetup: "scripts/test/present-backends.ts",
    setupFiles: "scripts/test/backend-gaps.ts",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
