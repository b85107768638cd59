import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core";
import { afterEach, describe, expect, it } from "vitest";
import { loadDataset, loadResults, readJson } from "../src/node";
import { drawDataset } from "./drawn-images";

const removals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const remove of removals.splice(0)) await remove();
});

async function dataset() {
  const { folder, remove } = await drawDataset([{ id: 4, width: 60, height: 40 }]);
  removals.push(remove);
  return folder;
}

describe("loadDataset", () => {
  it("reads DIR/annotations/instances_SPLIT.json beside DIR/SPLIT", async () => {
    const folder = await dataset();
    const found = await loadDataset(folder, "train");
    expect([...found.images.ids]).toEqual([4]);
    expect(found.imageFolder).toBe(join(folder, "train"));
    expect(found.file).toBe(join(folder, "annotations", "instances_train.json"));
  });

  it("reads the official names too", async () => {
    const folder = await dataset();
    const json = join(folder, "annotations", "instances_train");
    await rename(`${json}.json`, `${json}2017.json`);
    await rename(join(folder, "train"), join(folder, "train2017"));
    expect((await loadDataset(folder, "train")).imageFolder).toBe(join(folder, "train2017"));
  });

  it("names what it looked for", async () => {
    const folder = await dataset();
    await expect(loadDataset(folder, "val")).rejects.toThrow(
      `No file ${join(folder, "annotations/instances_val.json")} or ${join(folder, "annotations/instances_val2017.json")}.`,
    );
    await rename(join(folder, "train"), join(folder, "elsewhere"));
    await expect(loadDataset(folder, "train")).rejects.toThrow(
      `No folder ${join(folder, "train")} or ${join(folder, "train2017")}.`,
    );
  });

  it.each(["../train", "", "a/b"])("refuses the split %j", async (split) => {
    await expect(loadDataset(await dataset(), split)).rejects.toThrow(DatasetError);
  });

  it("names the file that is no JSON, and passes the policy on", async () => {
    const folder = await dataset();
    const file = join(folder, "annotations", "instances_train.json");
    await writeFile(file, '{"images": [');
    await expect(loadDataset(folder, "train")).rejects.toThrow(`${file}: is not JSON`);
    await writeFile(file, '{"images": [7], "annotations": [], "categories": []}');
    await expect(loadDataset(folder, "train")).rejects.toThrow(DatasetError);
    const { skipped } = await loadDataset(folder, "train", { onBadEntry: "skip" });
    expect(skipped).toEqual({ "image-malformed": 1 });
  });
});

it("readJson and loadResults name the file", async () => {
  const folder = await dataset();
  const file = join(folder, "results.json");
  await expect(loadResults(file)).rejects.toThrow(`${file}: cannot be read`);
  await mkdir(join(folder, "empty"));
  await expect(readJson(join(folder, "empty"))).rejects.toThrow(DatasetError);
  await writeFile(file, '[{"image_id": 1, "category_id": 2, "bbox": [0, 1, 2, 3], "score": 0.5}]');
  expect([...(await loadResults(file)).boxes]).toEqual([0, 1, 2, 3]);
  await writeFile(file, '[{"image_id": 1}]');
  await expect(loadResults(file)).rejects.toThrow(`${file}: detection 0`);
});
