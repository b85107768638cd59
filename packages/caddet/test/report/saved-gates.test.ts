// Routes as a file: written, read back, and refused where they are not that.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatasetError } from "@caddet/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gatesToJson, readSavedGates } from "../../src/report/saved-gates";

let folder: string;
const save = async (content: unknown) => {
  const file = join(folder, "gates.json");
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-gates-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("gatesToJson and readSavedGates", () => {
  it("give back what was evaluated", async () => {
    const evaluation = {
      imageIds: [7, 9],
      madds: Float64Array.of(1e6, 2.5e6),
      gates: Float32Array.of(1, 0.1, 0, 0.123456789),
    };
    expect(await readSavedGates(await save(gatesToJson(evaluation)))).toEqual(evaluation);
  });

  it("have nothing to write of a static network", () => {
    expect(gatesToJson({ imageIds: [1] })).toBeUndefined();
  });

  const images = [{ id: 1, madds: 1, gates: [1] }];
  it.each<[string, unknown, RegExp]>([
    ["no JSON", "gates", /is not JSON/],
    ["null", null, /expected format caddet-gates\/1/],
    ["another format", { format: "other", images }, /expected format/],
    ["no images", { format: "caddet-gates/1", images: [] }, /with images/],
    [
      "a gate above 1",
      { format: "caddet-gates/1", images: [{ id: 1, madds: 1, gates: [1.5] }] },
      /images\[0\] must have/,
    ],
    ["no entry", { format: "caddet-gates/1", images: [null] }, /images\[0\] must have/],
    ["ragged gates", { format: "caddet-gates/1", images: [...images, { id: 2, madds: 1, gates: [] }] }, /has 0 gates/],
  ])("refuse %s", async (_, content, message) => {
    const read = readSavedGates(await save(content));
    await expect(read).rejects.toThrow(DatasetError);
    await expect(read).rejects.toThrow(message);
  });

  it("refuse a file that is not there", async () => {
    await expect(readSavedGates(join(folder, "none.json"))).rejects.toThrow(/cannot be read/);
  });
});
