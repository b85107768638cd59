// The command line of a native install; what it does is tested in @caddet/runtime, and run whole by scripts/native.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-install-"));
  await writeFile(join(folder, "mine.txt"), "mine");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("caddet runtime install native", () => {
  it("helps, with the GPU's build", async () => {
    const { code, out } = await call("runtime", "install", "--help");
    expect(code).toBe(0);
    expect(out).toMatch(/^ +--gpu .*CUDA 12\.2/m);
  });

  it.each([[[]], [["--gpu"]]])("leaves a folder of other files alone, with %j", async (options) => {
    const text = errorOf(await call("runtime", "install", "native", "--folder", folder, ...options));
    if (`${process.platform}-${process.arch}` === "linux-x64") expect(text).toMatch(/holds other files/);
    else expect(text).toContain(`npm install @tensorflow/tfjs-node${options.length > 0 ? "-gpu" : ""}\``);
  });

  it("installs nothing else", async () => {
    expect(await call("runtime", "install", "cuda")).toMatchObject({ code: 2, out: "" });
  });
});
