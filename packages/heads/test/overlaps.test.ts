import { ShapeError } from "@caddet/core";
import { bboxOverlaps, type OverlapMode } from "@caddet/heads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GoldenArray, golden } from "./golden";

const box = fc
  .tuple(
    fc.integer({ min: -50, max: 50 }),
    fc.integer({ min: -50, max: 50 }),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 1, max: 60 }),
  )
  .map(([x, y, w, h]) => [x, y, x + w, y + h]);

describe("bboxOverlaps", () => {
  it("is symmetric, 1 for a box with itself, and giou never exceeds iou", () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        const [iou] = bboxOverlaps(a, b);
        const [giou] = bboxOverlaps(a, b, "giou");
        expect(bboxOverlaps(b, a)[0]).toBe(iou);
        expect(bboxOverlaps(a, a)[0]).toBe(1);
        expect(iou).toBeGreaterThanOrEqual(0);
        expect(iou).toBeLessThanOrEqual(1);
        expect(giou).toBeLessThanOrEqual(iou!);
        expect(giou).toBeGreaterThanOrEqual(-1);
      }),
    );
  });

  it.each(
    golden<{ cases: { mode: OverlapMode; a: GoldenArray; b: GoldenArray; result: GoldenArray }[] }>(
      "pieces/bbox-overlaps",
    ).cases,
  )("has the reference's $mode", ({ mode, a, b, result }) => {
    const overlaps = bboxOverlaps(a.data, b.data, mode);
    expect(overlaps.length).toBe(result.data.length);
    overlaps.forEach((v, i) => {
      expect(Math.abs(v - result.data[i]!)).toBeLessThan(1e-6);
    });
  });

  it("gives nothing for nothing and 0 for boxes without area", () => {
    expect(bboxOverlaps([], [0, 0, 1, 1]).length).toBe(0);
    expect(bboxOverlaps([3, 3, 3, 3], [3, 3, 3, 3])[0]).toBe(0);
  });

  it("refuses half a box", () => {
    expect(() => bboxOverlaps([1, 2, 3], [])).toThrow(ShapeError);
  });
});
