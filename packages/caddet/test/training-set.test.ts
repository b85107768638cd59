import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSamples, openTrainingSet } from "../src/training-set";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeEach(async () => {
  set = await drawSet();
});
afterEach(() => set.remove());

describe("openTrainingSet", () => {
  it("leaves a bad entry out, counts it, and tells of the first one only where somebody listens", async () => {
    await set.change("train", (json) => {
      json.annotations[0]!.image_id = 99;
      return undefined;
    });
    const said: string[] = [];
    for (const note of [(text: string) => void said.push(text), undefined]) {
      const { images, skipped } = await openTrainingSet(set.folder, note);
      expect(images.ids).toHaveLength(3); // the fourth has nothing to train on any more
      expect(skipped).toMatchObject({ "unknown-image": 1 });
    }
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("instances_train.json");
  });
});

describe("openSamples", () => {
  it("takes the split val", async () => {
    const trained = await openTrainingSet(set.folder);
    expect((await openSamples(set.folder, trained)).imageFolder).toBe(join(set.folder, "val"));
  });

  it("takes what the run trains on where val has other classes, cannot be read or is not there", async () => {
    const trained = await openTrainingSet(set.folder);
    await set.change("val", (json) => {
      json.categories.push({ id: 8, name: "more" });
      return undefined;
    });
    expect(await openSamples(set.folder, trained)).toBe(trained);
    await set.change("val", () => "[");
    expect(await openSamples(set.folder, trained)).toBe(trained);
    await rm(join(set.folder, "val"), { recursive: true });
    expect(await openSamples(set.folder, trained)).toBe(trained);
  });
});
