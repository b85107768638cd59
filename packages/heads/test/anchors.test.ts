import { baseAnchors, bboxOverlaps, levelAnchors } from "@caddet/heads";
import { describe, expect, it } from "vitest";

const sizes = (anchors: Float32Array) =>
  Array.from({ length: anchors.length / 4 }, (_, i) => ({
    w: anchors[4 * i + 2]! - anchors[4 * i]!,
    h: anchors[4 * i + 3]! - anchors[4 * i + 1]!,
  }));

describe("baseAnchors", () => {
  it("have every ratio and scale, ratio by ratio, centred at 0", () => {
    const anchors = baseAnchors(16);
    expect(anchors.length).toBe(36);
    sizes(anchors).forEach(({ w, h }, i) => {
      expect(h / w).toBeCloseTo([0.5, 1, 2][Math.floor(i / 3)]!, 5);
      expect(Math.sqrt(w * h)).toBeCloseTo(16 * 4 * 2 ** ((i % 3) / 3), 3);
    });
    anchors.forEach((v, i) => {
      if (i % 4 < 2) expect(anchors[i + 2]).toBe(-v);
    });
  });

  it("take other scales and ratios", () => {
    expect([...baseAnchors(8, { baseScale: 1, scalesPerOctave: 1, ratios: [1] })]).toEqual([-4, -4, 4, 4]);
  });
});

describe("levelAnchors", () => {
  it("put the anchors of cell i at stride * i", () => {
    const options = { baseScale: 1, scalesPerOctave: 1, ratios: [1] };
    const anchors = levelAnchors({ height: 2, width: 2 }, 8, options);
    expect([...anchors]).toEqual([-4, -4, 4, 4, 4, -4, 12, 4, -4, 4, 4, 12, 4, 4, 12, 12]);
    expect(levelAnchors({ height: 0, width: 3 }, 8).length).toBe(0);
  });

  it("hold a box of their size around the corner of a cell", () => {
    const overlaps = bboxOverlaps([24, 8, 56, 40], levelAnchors({ height: 12, width: 12 }, 8));
    expect(overlaps.indexOf(1)).toBe((3 * 12 + 5) * 9 + 3);
  });
});
