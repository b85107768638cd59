import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core";
import { afterEach, describe, expect, it } from "vitest";
import { parseResults, type SkippedEntry } from "../src/index";
import { openFileSource } from "../src/json/file-source";
import { loadAnnotations, loadDataset, loadResults } from "../src/node";
import { drawDataset } from "./drawn-images";
import { changed, instances } from "./instances";

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

describe("loadResults", () => {
  it("names the file", async () => {
    const folder = await dataset();
    const file = join(folder, "results.json");
    await expect(loadResults(file)).rejects.toThrow(`${file}: cannot be read`);
    await mkdir(file);
    await expect(loadResults(file)).rejects.toThrow(`${file}: cannot be read`);
    const other = join(folder, "other.json");
    await writeFile(other, '[{"image_id": 1}]');
    await expect(loadResults(other)).rejects.toThrow(`${other}: detection 0`);
    await writeFile(other, "");
    await expect(loadResults(other)).rejects.toThrow(`${other}: is not JSON (expected a list at byte 0`);
  });

  it("reads a file that is larger than what it holds at once", async () => {
    const file = join(await dataset(), "results.json");
    const list = Array.from({ length: 20_000 }, (_, n) => ({
      image_id: n,
      category_id: 1 + (n % 90),
      bbox: [n / 3, n / 7, 1 + n / 9, 2],
      score: 1 / (n + 2),
    }));
    await writeFile(file, JSON.stringify(list));
    expect(await loadResults(file)).toEqual(parseResults(list, { file }));
  });
});

describe("loadAnnotations", () => {
  it("passes its options on", async () => {
    const file = join(await dataset(), "instances.json");
    const json = instances();
    await writeFile(file, JSON.stringify(changed(json, ["annotations", 0, "category_id"], 77)));
    const skipped: SkippedEntry[] = [];
    const found = await loadAnnotations(file, {
      onBadEntry: "skip",
      onSkip: (e) => skipped.push(e),
      segmentation: true,
    });
    expect(skipped.map(({ reason }) => reason)).toEqual(["unknown-category"]);
    expect([...found.annotations.segmentations!.polygons]).toEqual([0, 0, 0]);
    expect(found.file).toBe(file);
  });
});

describe("openFileSource", () => {
  it("gives the bytes from any offset on", async () => {
    const file = join(await dataset(), "bytes");
    await writeFile(file, "0123456789");
    const open = (start: number) => {
      const source = openFileSource(file, start);
      const into = new Uint8Array(4);
      const pieces: string[] = [];
      for (let n = source.read(into); n > 0; n = source.read(into))
        pieces.push(Buffer.from(into.subarray(0, n)).toString());
      source.close();
      return pieces;
    };
    expect(open(0)).toEqual(["0123", "4567", "89"]);
    expect(open(7)).toEqual(["789"]);
    expect(open(20)).toEqual([]);
  });
});
