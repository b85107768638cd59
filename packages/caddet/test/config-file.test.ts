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

  it("says which file cannot be loaded, and which exports no configuration", async () => {
    const broken = await write("broken.json", "{");
    await expect(loadConfig(broken, [])).rejects.toThrow(`The configuration ${broken} cannot be loaded: `);
    await expect(loadConfig(await write("number.json", "3"), [])).rejects.toThrow(/must export a configuration object/);
  });
});
