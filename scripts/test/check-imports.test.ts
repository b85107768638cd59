// The import check on small repositories of its own: one that keeps the rules, and per rule one that breaks it.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkRepository } from "../checks/repository.mjs";
import { readWorkspace } from "../checks/workspace.mjs";

const script = fileURLToPath(new URL("../check-imports.mjs", import.meta.url));
const header = "// What this file is.\n";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "caddet-imports-"));
  execFileSync("git", ["init", "--quiet"], { cwd: root });
  vi.stubEnv("npm_config_registry", undefined);
  writePackage("packages/core", "@caddet/core", {});
  writePackage("packages/heads", "@caddet/heads", { dependencies: { "@caddet/core": "1.0.0" } });
  writePackage("packages/coco", "@caddet/coco", { dependencies: { "@caddet/core": "1.0.0" } });
  writePackage("packages/runtime", "@caddet/runtime", {});
  writePackage("packages/caddet", "caddet", { dependencies: { "@caddet/heads": "1.0.0" } });
  write("packages/core/src/index.ts", `${header}export const one = 1;\n`);
  write("packages/core/src/node.ts", `${header}export * from "./files";\n`);
  write("packages/core/src/files.ts", `${header}export { readFile } from "node:fs/promises";\n`);
  write("packages/heads/src/index.ts", `${header}export { one } from "@caddet/core";\n`);
  write("packages/heads/test/a.test.ts", 'import "@caddet/runtime/node";\nimport "@caddet/heads";\n');
  write("packages/caddet/src/cli.ts", `${header}import "node:fs";\nimport "@caddet/heads";\n`);
  write("examples/demo/src/main.ts", 'import "caddet";\nimport "@caddet/heads";\n');
  write("bench/main.ts", 'import { one } from "@caddet/core";\nconsole.log(one);\n');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

function write(file: string, text: string) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

function writePackage(folder: string, name: string, fields: Record<string, unknown>) {
  const exports = { ".": "./src/index.ts", "./node": "./src/node.ts" };
  write(`${folder}/package.json`, JSON.stringify({ name, exports, ...fields }));
}

function violations() {
  return checkRepository(readWorkspace(root));
}

/** Expects exactly one violation. */
function expectViolation(pattern: RegExp) {
  expect(violations()).toEqual([expect.stringMatching(pattern)]);
}

function runScript() {
  return spawnSync(process.execPath, [script, root], { encoding: "utf8" });
}

it("passes a repository that keeps the rules", () => {
  expect(violations()).toEqual([]);
  const { status, stdout } = runScript();
  expect(stdout).toMatch(/5 packages, \d+ files, no violation/);
  expect(status).toBe(0);
});

it("prints each violation and exits with 1 otherwise", () => {
  write("packages/core/src/extra.ts", "export const two = 2;\n");
  const { status, stderr } = runScript();
  expect(stderr).toMatch(
    /^packages\/core\/src\/extra\.ts:1: has no header; .*\n\n1 violation of the repository's rules\.\n$/,
  );
  expect(status).toBe(1);
});

describe("imports between packages", () => {
  it.each([
    ["a static import", 'import { x } from "@caddet/coco";'],
    ["a type import", 'import type { X } from "@caddet/coco";'],
    ["a re-export", 'export * from "@caddet/coco";'],
    ["a dynamic import", 'export const coco = () => import("@caddet/coco");'],
    ["an import type", 'export type X = import("@caddet/coco").X;'],
    ["require", 'export const x = require("@caddet/coco");'],
  ])("rejects one outside the table: %s", (_, statement) => {
    write("packages/heads/src/extra.ts", `${header}${statement}\n`);
    expectViolation(
      /^packages\/heads\/src\/extra\.ts:2: imports @caddet\/coco; packages\/heads may import only @caddet\/core\.$/,
    );
  });

  it("rejects one in a test that is neither allowed nor the runtime", () => {
    write("packages/heads/test/b.test.ts", 'import "@caddet/coco";\n');
    expectViolation(/^packages\/heads\/test\/b\.test\.ts:1: imports @caddet\/coco; /);
  });

  it("rejects the core in the runtime", () => {
    write("packages/runtime/src/index.ts", `${header}import "@caddet/core";\n`);
    expectViolation(/^packages\/runtime\/src\/index\.ts:2: .* may import no package of this repository\.$/);
  });

  it("rejects the command line in a package", () => {
    write("packages/heads/src/extra.ts", `${header}import "caddet";\n`);
    expectViolation(/^packages\/heads\/src\/extra\.ts:2: imports caddet; /);
  });

  it("rejects an import that the manifest does not declare", () => {
    write("packages/coco/package.json", JSON.stringify({ name: "@caddet/coco", exports: { ".": "./src/index.ts" } }));
    write("packages/coco/src/index.ts", `${header}import "@caddet/core";\n`);
    expectViolation(/^packages\/coco\/src\/index\.ts:2: .* does not depend on @caddet\/core; add it there\.$/);
  });

  it("rejects an entry that is not exported", () => {
    write("examples/demo/src/extra.ts", 'import "@caddet/core/src/random";\n');
    expectViolation(/^examples\/demo\/src\/extra\.ts:1: .* @caddet\/core does not export \.\/src\/random; /);
  });

  it("rejects a relative import of another package", () => {
    write("bench/extra.ts", 'import "../packages/core/src/index";\n');
    expectViolation(/^bench\/extra\.ts:1: .* lies outside bench; /);
  });

  it("rejects a package that the table lacks", () => {
    writePackage("packages/extra", "@caddet/extra", {});
    expectViolation(/^packages\/extra\/package\.json: @caddet\/extra is not in the table of allowed imports; /);
  });
});

describe("manifests", () => {
  it.each(["dependencies", "peerDependencies", "optionalDependencies"])("rejects %s outside the table", (kind) => {
    writePackage("packages/coco", "@caddet/coco", { [kind]: { "@caddet/heads": "1.0.0" } });
    expectViolation(/^packages\/coco\/package\.json: depends on @caddet\/heads; /);
  });

  it("accepts the runtime as a devDependency, and no other package outside the table", () => {
    writePackage("packages/coco", "@caddet/coco", {
      devDependencies: { "@caddet/runtime": "1.0.0", "@caddet/heads": "1.0.0" },
    });
    expectViolation(/^packages\/coco\/package\.json: needs @caddet\/heads for its tests; /);
  });

  it("rejects a cycle, and names it", () => {
    writePackage("packages/core", "@caddet/core", { devDependencies: { "@caddet/heads": "1.0.0" } });
    expect(violations()).toContainEqual(
      expect.stringContaining("@caddet/heads → @caddet/core → @caddet/heads is a cycle"),
    );
  });
});

describe("browser entries", () => {
  it.each(['import "node:fs";', 'import fs from "fs";', 'import type { Stats } from "node:fs";'])(
    "reject %s",
    (statement) => {
      write("packages/core/src/extra.ts", `${header}${statement}\n`);
      expectViolation(/^packages\/core\/src\/extra\.ts:2: imports (node:)?fs in a file that a browser may load; /);
    },
  );

  it("reject a Node file that both entries reach", () => {
    write("packages/core/src/index.ts", `${header}export * from "./files";\n`);
    expectViolation(/^packages\/core\/src\/files\.ts:2: imports node:fs\/promises /);
  });

  it("reject another package's ./node entry", () => {
    write("packages/heads/src/extra.ts", `${header}import "@caddet/core/node";\n`);
    expectViolation(
      /^packages\/heads\/src\/extra\.ts:2: imports @caddet\/core\/node in a file that a browser may load; /,
    );
  });
});

describe("sources", () => {
  it("rejects the console, outside of comments alone", () => {
    write("packages/core/src/extra.ts", `${header}// console.log(1)\nexport const log = () => console.log(2);\n`);
    expectViolation(/^packages\/core\/src\/extra\.ts:3: writes to the console; /);
  });

  it("rejects a file without a header", () => {
    write("packages/core/src/extra.ts", "export const two = 2;\n");
    expectViolation(/^packages\/core\/src\/extra\.ts:1: has no header; /);
  });
});

describe("texts", () => {
  // The forbidden texts are put together here, so that this file does not hold them itself.
  const separator = "/";

  it("rejects a registry's address", () => {
    write("notes.md", ["npm i --registry=https:", "", "registry.example.com", "npm"].join(separator));
    expectViolation(/^notes\.md:1: names the registry .*registry\.example\.com; /);
  });

  it("rejects a locked address", () => {
    write("package-lock.json", `{\n"resolved": "https:${separator}${separator}example.com/a.tgz"\n}`);
    expectViolation(/^package-lock\.json:2: names the registry /);
  });

  it("rejects the host of the registry that npm is set up with", () => {
    write("notes.md", "Packages come from packages.example.org.\n");
    expect(violations()).toEqual([]);
    vi.stubEnv("npm_config_registry", `https:${separator}${separator}packages.example.org/npm/`);
    expectViolation(/^notes\.md:1: names the registry packages\.example\.org; /);
  });

  it("rejects a path of one machine", () => {
    write("notes.md", `First\n\nrun ${["", "home", "someone", "data"].join(separator)}\n`);
    expectViolation(/^notes\.md:3: names the path \/home\/someone of one machine; /);
  });

  it("rejects a path that leaves the repository, and accepts one that does not", () => {
    write("docs/notes.md", `[a](../bench/main.ts) [b](${["..", "..", "elsewhere", "b.md"].join(separator)})\n`);
    expectViolation(/^docs\/notes\.md:1: names \.\.\/\.\.\/elsewhere, which lies outside the repository; /);
  });

  it("leaves out what git ignores", () => {
    write(".gitignore", "dist/\n");
    write("packages/core/dist/index.js", `// ${["", "home", "someone"].join(separator)}\n`);
    expect(violations()).toEqual([]);
  });
});
