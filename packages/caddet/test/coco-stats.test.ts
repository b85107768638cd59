import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
beforeAll(async () => {
  set = await drawSet();
});
afterAll(() => set.remove());

describe("caddet coco stats", () => {
  // Four images of 64 x 64 with one square each, of 18, 24, 30 and 36 pixels: at 320 pixels 90, 120, 150 and 180.
  it("counts scale intervals in pixels of the network's input", async () => {
    const called = await call("coco", "stats", set.folder, "--split", "val", "--size", "320,400", "--json");
    expect(called.code, called.err).toBe(0);
    const { splits } = called.json() as { splits: Record<string, unknown>[] };
    expect(splits).toHaveLength(1);
    expect(splits[0]).toMatchObject({
      split: "val",
      images: 4,
      boxes: 4,
      sizes: { small: 3, medium: 1, large: 0 },
      perClass: [
        { categoryId: 3, name: "even", boxes: 2, images: 2 },
        { categoryId: 7, name: "odd", boxes: 2, images: 2 },
      ],
      scales: {
        size: { shorter: 320, longer: 400 },
        intervals: [
          { upTo: 64, boxes: 0, images: 0 },
          { upTo: 150, boxes: 3, images: 3 },
          { upTo: 360, boxes: 1, images: 1 },
          { upTo: null, boxes: 0, images: 0 },
        ],
        encodings: [
          { encoding: "0100", images: 3 },
          { encoding: "0010", images: 1 },
        ],
        meanShare: 0.25,
      },
    });
  });

  it("shows every split for people, at a training's size", async () => {
    const { code, out } = await call("coco", "stats", set.folder);
    expect(code).toBe(0);
    expect(out).toMatch(/^train: 4 images \(0 without annotations\), 4 boxes, 0 crowds, 2 classes$/m);
    expect(out).toMatch(/^val: 4 images/m);
    expect(out).toContain("Longer sides at 600,1000 px");
    expect(out).toMatch(/^up to 360 px +4 +100\.0% +4 +100\.0%$/m);
    expect(out).toMatch(/^0010 +4 +100\.0%$/m);
  });

  it("refuses wrong calls", async () => {
    expect((await call("coco", "stats", set.folder, "--size", "800,600")).code).toBe(2);
    expect((await call("coco", "stats")).code).toBe(2);
    expect(errorOf(await call("coco", "stats", set.path("none")))).toContain("no annotations/instances_SPLIT.json");
    expect(errorOf(await call("coco", "stats", set.folder, "--split", "../val"))).toContain("A split is named by");
  });
});
