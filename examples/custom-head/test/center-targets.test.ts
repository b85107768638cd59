// Targets of the center head: the radius against what it promises, the heatmap's properties, and what is no target.
import { createRandom, DatasetError, type GroundTruth } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { centerTargets, gaussianRadius } from "../src/center-targets";

const GRID = { height: 10, width: 12, stride: 8, numClasses: 2 };

function truth(boxes: readonly (readonly number[])[], labels: readonly number[], crowd: readonly number[] = []) {
  const flags = Uint8Array.from(labels, (_, i) => crowd[i] ?? 0);
  return {
    boxes: Float32Array.from(boxes.flat()),
    labels: Int32Array.from(labels),
    crowd: flags,
  } satisfies GroundTruth;
}

// IoU of a box of w × h at the origin with one whose corners are moved by a and b along both axes.
function iou(w: number, h: number, a: number, b: number): number {
  const side = (length: number) => Math.max(0, Math.min(length, length + b) - Math.max(0, a));
  const inner = side(w) * side(h);
  return inner / (w * h + (w + b - a) * (h + b - a) - inner);
}

describe("gaussianRadius", () => {
  it.each([0.3, 0.5, 0.7, 0.9])("keeps an IoU of %d for corners that far off, and no more", (overlap) => {
    const random = createRandom(1);
    for (let n = 0; n < 50; n++) {
      const [w, h] = [1 + 20 * random.next(), 1 + 20 * random.next()];
      const r = gaussianRadius(w, h, overlap);
      expect(r).toBeGreaterThan(0);
      const worst = Math.min(iou(w, h, r, r), iou(w, h, r, -r), iou(w, h, -r, r));
      expect(worst).toBeCloseTo(overlap, 6);
    }
  });
});

describe("centerTargets", () => {
  it("is 1 in each centre's cell and falls with the distance", () => {
    const { heat, objects } = centerTargets([truth([[16, 8, 80, 72]], [1])], GRID);
    expect(objects).toBe(1);
    const at = (x: number, y: number, label: number) => heat[(y * GRID.width + x) * 2 + label]!;
    expect(at(6, 5, 1)).toBe(1);
    expect(at(7, 5, 1)).toBeLessThan(1);
    expect(at(7, 5, 1)).toBeGreaterThan(0);
    for (const [x, y] of [
      [5, 5],
      [6, 4],
      [6, 6],
    ] as const)
      expect(at(x, y, 1)).toBe(at(7, 5, 1));
    expect(at(7, 6, 1)).toBeCloseTo(at(7, 5, 1) ** 2, 6);
    expect(at(8, 5, 1)).toBe(0);
    expect(Math.max(...heat.filter((_, i) => i % 2 === 0))).toBe(0);
    expect(heat.filter((v) => v === 1)).toHaveLength(1);
  });

  it("keeps the larger value where Gaussians of a class meet", () => {
    const boxes = [
      [0, 0, 64, 64],
      [16, 0, 80, 64],
    ];
    const both = centerTargets([truth(boxes, [0, 0])], GRID).heat;
    const [left, right] = boxes.map((box) => centerTargets([truth([box], [0])], GRID).heat);
    expect(both).toEqual(both.map((_, i) => Math.max(left![i]!, right![i]!)));
    expect(Math.max(...both)).toBe(1);
  });

  it("gives size and offset in cells, there where the mask is 1", () => {
    const { mask, size, offset } = centerTargets([truth([], []), truth([[10, 20, 30, 28]], [0])], GRID);
    const cell = GRID.height * GRID.width + 3 * GRID.width + 2; // image 1, centre (20, 24)
    expect(mask.reduce((a, b) => a + b)).toBe(1);
    expect(mask[cell]).toBe(1);
    expect([...size.subarray(2 * cell, 2 * cell + 2)]).toEqual([2.5, 1]);
    expect([...offset.subarray(2 * cell, 2 * cell + 2)]).toEqual([0.5, 0]);
  });

  it("leaves out crowds, boxes without area and centres off the map", () => {
    const boxes = [
      [0, 0, 20, 20],
      [5, 5, 5, 30],
      [90, 0, 130, 20],
      [-40, 0, -10, 20],
    ];
    const { heat, objects } = centerTargets([truth(boxes, [0, 0, 0, 0], [1])], GRID);
    expect(objects).toBe(0);
    expect(Math.max(...heat)).toBe(0);
  });

  it("refuses labels out of range and coordinates that are not finite", () => {
    expect(() => centerTargets([truth([[0, 0, 8, 8]], [2])], GRID)).toThrow(DatasetError);
    expect(() => centerTargets([truth([[0, 0, 8, 8]], [2])], GRID)).toThrow(/label 2.*0\.\.1/);
    expect(() => centerTargets([truth([[0, Number.NaN, 8, 8]], [0])], GRID)).toThrow(/finite/);
  });
});
