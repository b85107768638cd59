// The executable, copied into a folder: one where nothing was built, and one with a build that stands in for ours.
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-bin-"));
  await mkdir(join(folder, "bin"));
  await copyFile(new URL("../bin/caddet.mjs", import.meta.url), join(folder, "bin", "caddet.mjs"));
});
afterEach(() => rm(folder, { recursive: true }));

const start = (...args: string[]) =>
  new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(folder, "bin", "caddet.mjs"), ...args], (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr });
    });
  });

describe("bin/caddet.mjs", () => {
  it("says what to do where the package is not built", async () => {
    expect(await start("doctor")).toEqual({
      code: 1,
      stdout: "",
      stderr: "error: caddet is not built yet. Run `npm run build` in the repository's root, then try again.\n",
    });
  });

  it("passes the arguments on and exits with what the program returns", async () => {
    await mkdir(join(folder, "dist"));
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    const program = "export const main = async (args) => (process.stdout.write(args.join()), 42);";
    await writeFile(join(folder, "dist", "cli.js"), program);
    expect(await start("detect", "--json")).toEqual({ code: 42, stdout: "detect,--json", stderr: "" });
  });
});
