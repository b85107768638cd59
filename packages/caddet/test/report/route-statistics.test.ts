// What the report's figures of routes are counted from.
import { parseAnnotations } from "@caddet/coco";
import { parseTrainConfig } from "@caddet/trainer";
import { describe, expect, it } from "vitest";
import { easyAndBusy, imageContents, meanGates, nodeUsage } from "../../src/report/route-statistics";
import { createRouteSums } from "../../src/report/seen-routes";

const space = {
  nodes: [
    { layer: 0, scale: 0 },
    { layer: 1, scale: 0 },
  ],
  paths: [
    { from: 0, to: 1, kind: "keep" },
    { from: 0, to: null, kind: "down" },
    { from: 1, to: null, kind: "keep" },
  ],
} as const;
const gates = Float32Array.of(1, 0, 0, 0.5, 0.5, 1, 0, 0, 0);
const all = { gates, paths: 3 };

describe("means and usage", () => {
  it("are over the images that are asked for", () => {
    expect([...meanGates(all, [0, 1])]).toEqual([0.75, 0.25, 0.5]);
    expect([...nodeUsage(space, all, [0, 1, 2], 1e-4)]).toEqual([2 / 3, 1 / 3]);
    expect([...nodeUsage(space, all, [1], 0.6)]).toEqual([0, 1]);
  });

  it("are the same batch by batch", () => {
    const sums = createRouteSums({ nodeOfPath: [0, 0, 1], threshold: 1e-4 });
    expect(sums.means()).toBeUndefined();
    sums.add(gates.subarray(0, 3));
    sums.add(gates.subarray(3));
    const means = sums.means()!;
    expect(means.images).toBe(3);
    expect(Array.from(means.gates)).toEqual([...meanGates(all, [0, 1, 2])]);
    expect(Array.from(means.usage)).toEqual([...nodeUsage(space, all, [0, 1, 2], 1e-4)]);
  });
});

describe("imageContents", () => {
  const dataset = parseAnnotations(
    {
      images: [
        { id: 5, file_name: "a.jpg", width: 200, height: 100 },
        { id: 6, file_name: "b.jpg", width: 200, height: 100 },
      ],
      annotations: [
        { id: 1, image_id: 5, category_id: 1, bbox: [0, 0, 60, 10], area: 600, iscrowd: 0 },
        { id: 2, image_id: 5, category_id: 1, bbox: [0, 0, 100, 100], area: 10000, iscrowd: 1 },
      ],
      categories: [{ id: 1, name: "a" }],
    },
    { file: "drawn.json", onBadEntry: "error" },
  );
  const config = (pixels: "input" | "source") =>
    parseTrainConfig({ data: { shorter: 200, longer: 400 }, budget: { pixels } });

  it("measures boxes in the pixels of the budget, and leaves crowds out", () => {
    const of = (pixels: "input" | "source") =>
      imageContents(dataset, [6, 5], config(pixels)).map((c) => [...c.encoding].join(""));
    expect(of("source")).toEqual(["0000", "1000"]);
    expect(of("input")).toEqual(["0000", "0100"]); // twice as large
    expect(imageContents(dataset, [5], config("source"))[0]).toMatchObject({ imageId: 5, objects: 1 });
  });
});

describe("easyAndBusy", () => {
  const content = (encoding: string, objects: number) => ({
    imageId: 0,
    encoding: Uint8Array.from(encoding, Number),
    objects,
  });

  it("takes the thirds by occupied intervals, then objects, each image once", () => {
    const contents = [
      content("1100", 2),
      content("1000", 3),
      content("1000", 1),
      content("1111", 4),
      content("0110", 9),
    ];
    expect(easyAndBusy(contents)).toEqual({ easy: [2, 1], busy: [3, 4] });
  });

  it("compares nothing with itself", () => {
    expect(easyAndBusy([content("1000", 1)])).toEqual({ easy: [], busy: [] });
    expect(easyAndBusy([])).toEqual({ easy: [], busy: [] });
    expect(easyAndBusy([content("1000", 1), content("0000", 0)])).toEqual({ easy: [1], busy: [0] });
  });
});
