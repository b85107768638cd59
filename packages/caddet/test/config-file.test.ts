import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@caddet/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../src/config-file";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-config-"));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, text: string) => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

describe("loadConfig", () => {
  it("gives the paper's defaults without a file, the model's as well", async () => {
    const config = await loadConfig(undefined, []);
    expect(config.optimizer.lr).toBe(0.01);
    expect(config.model).toMatchObject({ backbone: { preset: "paper" }, head: { type: "fcos", stackedConvs: 4 } });
  });

  it.each([
    ["run.json", '{ "model": { "backbone": { "preset": "small" } } }'],
    ["run.ts", 'const preset: string = "small"; export default { model: { backbone: { preset } } };'],
    ["run.mjs", 'export default { model: { backbone: { preset: "small" } } };'],
  ])("reads %s, and what is set over it", async (name, text) => {
    const config = await loadConfig(await write(name, text), ["model.head.type=retinanet", "optimizer.lr=0.5"]);
    expect(config.model).toMatchObject({
      backbone: { type: "supernet", preset: "small" },
      head: { type: "retinanet" },
    });
    expect(config.optimizer.lr).toBe(0.5);
  });

  it("names an unknown key of the model by its whole path", async () => {
    const loading = loadConfig(undefined, ["model.head.stackedConv=2"]);
    await expect(loading).rejects.toThrow('model.head.stackedConv: unknown key. Did you mean "stackedConvs"?');
    await expect(loading).rejects.toThrow(ConfigError);
  });

  it.each([
    ["typed.ts", 'import { defineConfig } from "@caddet/trainer"; export default defineConfig({ seed: 7 as number });'],
    ["typed.mts", 'import { defineConfig } from "@caddet/trainer"; export default defineConfig({ seed: await 7 });'],
    ["common.js", 'module.exports = require("@caddet/trainer").defineConfig({ seed: 7 });'],
    ["common.cjs", 'module.exports = require("@caddet/trainer").defineConfig({ seed: 7 });'],
  ])("gives %s defineConfig, although its folder has no node_modules", async (name, text) => {
    expect((await loadConfig(await write(name, text), [])).seed).toBe(7);
  });

  it("lets a configuration import its neighbour", async () => {
    await write("base.ts", "export const base = { seed: 8 } as const;");
    const file = await write("child.ts", 'import { base } from "./base"; export default { ...base };');
    expect((await loadConfig(file, [])).seed).toBe(8);
  });

  it.each([
    ["broken.json", "{", ""],
    ["broken.ts", "export default {", ""],
    ["throws.ts", 'throw new Error("not today");', "not today."],
    ["lost.ts", 'import x from "./nowhere"; export default x;', "Cannot find module './nowhere'."],
  ])("says on one line that %s cannot be loaded, and why", async (name, text, reason) => {
    const file = await write(name, text);
    const error: Error = await loadConfig(file, []).then(
      () => expect.fail("it was loaded"),
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain(`The configuration ${file} cannot be loaded: ${reason}`);
    expect(error.message).not.toContain("\n");
  });

  it("says that a file is missing", async () => {
    const file = join(folder, "none.ts");
    await expect(loadConfig(file, [])).rejects.toThrow(`The configuration ${file} cannot be loaded: `);
  });

  it.each([
    ["number.json", "3", "a number"],
    ["list.json", "[]", "a list"],
    ["null.json", "null", "nothing"],
    ["silent.ts", "const seed: number = 1;", "nothing"],
    ["named.ts", "export const config = { seed: 1 };", "nothing"],
    ["number.cjs", "module.exports = 3;", "a number"],
    ["named.mjs", "export const config = { seed: 1 };", "nothing"],
    ["function.ts", "export default () => ({});", "a function"],
  ])("says that %s gives no configuration", async (name, text, kind) => {
    const file = await write(name, text);
    await expect(loadConfig(file, [])).rejects.toThrow(`The configuration ${file} must give an object, got ${kind}.`);
    await expect(loadConfig(file, [])).rejects.toThrow(ConfigError);
  });
});
