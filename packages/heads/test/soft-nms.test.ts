// Expected scores are worked out by hand from Bodla et al. 2017, Eq. 2 (linear) and 3 (gaussian).
import { ConfigError, ShapeError } from "@caddet/core";
import { batchedSoftNms, bboxOverlaps, nms, type SoftNmsOptions, softNms } from "@caddet/heads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

// IoU of 0 and 1: 12 / 16; of 0 and 2: 8 / 16; of 1 and 2: 8 / 12; box 3 stands alone.
const BOXES = [0, 0, 4, 4, 0, 0, 4, 3, 0, 0, 4, 2, 10, 10, 14, 14];
const SCORES = [0.9, 0.8, 0.7, 0.3];
const { fround } = Math;

const scene = fc.array(
  fc.record({
    x: fc.integer({ min: 0, max: 30 }),
    y: fc.integer({ min: 0, max: 30 }),
    w: fc.integer({ min: 0, max: 30 }),
    h: fc.integer({ min: 0, max: 30 }),
    score: fc.oneof(
      fc.integer({ min: 0, max: 8 }).map((v) => v / 8),
      fc.float({ min: 0, max: 1, noNaN: true }),
    ),
    label: fc.integer({ min: 0, max: 2 }),
  }),
  { maxLength: 25 },
);
const kinds = fc.record({
  decay: fc.constantFrom("linear" as const, "gaussian" as const),
  iouThreshold: fc.constantFrom(0, 0.25, 0.5),
  sigma: fc.constantFrom(0.1, 0.5, 2),
  minScore: fc.constantFrom(0, 0.001, 0.25),
});

// The paper's loop over all pairs: take the best, lower all the rest.
function byDefinition(
  boxes: readonly number[],
  scores: readonly number[],
  labels: readonly number[],
  { decay, iouThreshold, sigma, minScore }: Required<Omit<SoftNmsOptions, "limit">>,
) {
  const overlaps = bboxOverlaps(boxes, boxes);
  const current = scores.map(fround);
  let left = current.map((_, i) => i).filter((i) => current[i]! >= fround(minScore));
  const kept: number[] = [];
  while (left.length > 0) {
    const top = Math.max(...left.map((i) => current[i]!));
    const best = left.find((i) => current[i] === top)!;
    kept.push(best);
    for (const i of left) {
      if (i === best || labels[i] !== labels[best]) continue;
      const iou = overlaps[i * scores.length + best]!;
      if (decay === "linear" && iou > iouThreshold) current[i] = fround(current[i]! * fround(1 - iou));
      if (decay === "gaussian") current[i] = fround(current[i]! * fround(Math.exp(-(iou * iou) / sigma)));
    }
    left = left.filter((i) => i !== best && current[i]! >= fround(minScore));
  }
  return { kept, scores: kept.map((i) => current[i]!) };
}

describe("softNms", () => {
  it("multiplies by 1 - IoU above the threshold", () => {
    // Box 1: 0.8 · (1 - 0.75) = 0.2. Box 2: IoU 0.5 with box 0 is not above 0.5, so 0.7, then it lowers box 1: 0.2 · (1 - 2/3).
    const { kept, scores } = softNms(BOXES, SCORES, { decay: "linear" });
    expect([...kept]).toEqual([0, 2, 3, 1]);
    [0.9, 0.7, 0.3, 0.2 / 3].forEach((score, k) => {
      expect(scores[k]).toBeCloseTo(score, 6);
    });
  });

  it("multiplies by exp(-IoU² / sigma)", () => {
    // After box 0: box 1 has 0.8 · exp(-1.125) = 0.25972, box 2 has 0.7 · exp(-0.5) = 0.42457, which then lowers box 1
    // by exp(-(2/3)² / 0.5) = exp(-8/9).
    const { kept, scores } = softNms(BOXES, SCORES);
    expect([...kept]).toEqual([0, 2, 3, 1]);
    [0.9, 0.7 * Math.exp(-0.5), 0.3, 0.8 * Math.exp(-1.125 - 8 / 9)].forEach((score, k) => {
      expect(scores[k]).toBeCloseTo(score, 6);
    });
  });

  it("drops what is or falls below the lowest score, and keeps at most the limit", () => {
    expect([...softNms(BOXES, SCORES, { decay: "linear", minScore: 0.1 }).kept]).toEqual([0, 2, 3]);
    expect([...softNms(BOXES, SCORES, { decay: "linear", minScore: 0.3 }).kept]).toEqual([0, 2, 3]);
    expect([...softNms(BOXES, SCORES, { minScore: 0.31 }).kept]).toEqual([0, 2]);
    expect([...softNms(BOXES, SCORES, { limit: 2 }).kept]).toEqual([0, 2]);
  });

  it("takes of equal scores the lower index, and never NaN", () => {
    const apart = [0, 0, 4, 4, 10, 0, 14, 4, 20, 0, 24, 4];
    expect([...softNms(apart, [0.5, 0.7, 0.5]).kept]).toEqual([1, 0, 2]);
    expect([...softNms(apart, [Number.NaN, 0.7, 0.7]).kept]).toEqual([1, 2]);
    expect(softNms([], []).kept.length).toBe(0);
  });

  it("leaves boxes without area their scores", () => {
    expect([...softNms([1, 1, 1, 1, 1, 1, 1, 1], [0.5, 0.75]).scores]).toEqual([0.75, 0.5]);
  });

  it("is hard suppression when what overlaps falls to the bottom", () => {
    fc.assert(
      fc.property(scene, (items) => {
        const boxes = items.flatMap(({ x, y, w, h }) => [x, y, x + w + 1, y + h + 1]);
        const scores = items.map(({ score }) => score / 2 + 0.5);
        const { kept } = softNms(boxes, scores, { sigma: 1e-9, minScore: 0.4 });
        expect([...kept]).toEqual([...nms(boxes, scores, 0)]);
      }),
    );
  });
});

describe("batchedSoftNms", () => {
  it("does what the paper's loop over all pairs does, within classes", () => {
    fc.assert(
      fc.property(scene, kinds, (items, options) => {
        const boxes = items.flatMap(({ x, y, w, h }) => [x, y, x + w, y + h]);
        const scores = items.map(({ score }) => score);
        const labels = items.map(({ label }) => label);
        const { kept, scores: fallen } = batchedSoftNms(boxes, scores, labels, options);
        const wanted = byDefinition(boxes, scores, labels, options);
        expect([...kept]).toEqual(wanted.kept);
        expect([...fallen]).toEqual(wanted.scores);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses counts that differ, unknown decays and a sigma of 0", () => {
    expect(() => batchedSoftNms([0, 0, 1, 1], [0.5, 0.6], [0, 0])).toThrow(ShapeError);
    expect(() => softNms(BOXES, SCORES, { decay: "cubic" as "linear" })).toThrow(ConfigError);
    expect(() => softNms(BOXES, SCORES, { sigma: 0 })).toThrow(/sigma above 0, got 0/);
  });
});
