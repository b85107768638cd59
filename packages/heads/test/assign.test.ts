import { ConfigError, DatasetError, type GroundTruth, ShapeError } from "@caddet/core";
import { assignFcosTargets, boxToDistance, type FcosAssignOptions, fcosPoints } from "@caddet/heads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toTruth } from "./golden";

const OPTIONS: FcosAssignOptions = {
  numClasses: 3,
  strides: [8, 16, 32],
  regressRanges: [
    [-1, 32],
    [32, 64],
    [64, 1e8],
  ],
};
const SIZES = [
  { height: 12, width: 16 },
  { height: 6, width: 8 },
  { height: 3, width: 4 },
];

const objects = fc.array(
  fc.record({
    x: fc.integer({ min: -20, max: 120 }),
    y: fc.integer({ min: -20, max: 90 }),
    w: fc.integer({ min: 0, max: 140 }),
    h: fc.integer({ min: 0, max: 110 }),
    label: fc.integer({ min: 0, max: 2 }),
    crowd: fc.integer({ min: 0, max: 3 }).map((v) => (v === 0 ? 1 : 0)),
  }),
  { maxLength: 8 },
);

const truthOf = (items: readonly { x: number; y: number; w: number; h: number; label: number; crowd: number }[]) => ({
  boxes: Float32Array.from(items.flatMap(({ x, y, w, h }) => [x, y, x + w, y + h])),
  labels: Int32Array.from(items, ({ label }) => label),
  crowd: Uint8Array.from(items, ({ crowd }) => crowd),
});

// The definition, point by point over all boxes.
function byDefinition(truth: GroundTruth, x: number, y: number, [low, high]: readonly [number, number]): number {
  let chosen = -1;
  let area = Number.POSITIVE_INFINITY;
  truth.labels.forEach((_, g) => {
    if (truth.crowd[g]) return;
    const box = truth.boxes.subarray(4 * g, 4 * g + 4);
    const sides = boxToDistance([x, y], box);
    const size = (box[2]! - box[0]!) * (box[3]! - box[1]!);
    const largest = Math.max(...sides);
    if (Math.min(...sides) > 0 && largest >= low && largest <= high && size < area) {
      chosen = g;
      area = size;
    }
  });
  return chosen;
}

describe("assignFcosTargets", () => {
  it("gives every point what the definition says", () => {
    fc.assert(
      fc.property(fc.array(objects, { minLength: 1, maxLength: 2 }), (images) => {
        const truths = images.map(truthOf);
        const targets = assignFcosTargets(truths, SIZES, OPTIONS);
        let number = 0;
        let p = 0;
        SIZES.forEach((size, l) => {
          const points = fcosPoints(size, OPTIONS.strides[l]!);
          truths.forEach((truth, image) => {
            for (let at = 0; at < points.length / 2; at++, number++) {
              const [x, y] = [points[2 * at]!, points[2 * at + 1]!];
              const g = byDefinition(truth, x, y, OPTIONS.regressRanges[l]!);
              const label = targets.labels[l]![image * (points.length / 2) + at];
              expect(label).toBe(g < 0 ? OPTIONS.numClasses : truth.labels[g]!);
              if (g < 0) continue;
              expect([targets.positives[p], targets.images[p], targets.levels[p]]).toEqual([number, image, l]);
              const sides = boxToDistance([x, y], truth.boxes.subarray(4 * g, 4 * g + 4));
              expect([...targets.distances.subarray(4 * p, 4 * p + 4)]).toEqual([...sides]);
              expect(targets.centerness[p]).toBeGreaterThan(0);
              expect(targets.centerness[p]).toBeLessThanOrEqual(1);
              p++;
            }
          });
        });
        expect(p).toBe(targets.positives.length);
      }),
    );
  });

  it("takes with center sampling only points near the centre", () => {
    const truths = [toTruth([[0, 0, 120, 90]], [1])];
    const options = { ...OPTIONS, regressRanges: [[-1, 1e8] as const], strides: [8] };
    const all = assignFcosTargets(truths, [SIZES[0]!], options);
    const near = assignFcosTargets(truths, [SIZES[0]!], { ...options, centerSampling: true, centerSampleRadius: 1 });
    expect(all.positives.length).toBeGreaterThan(near.positives.length);
    // The square spans 52..68 × 37..53; the point at 52 lies on its edge, which is outside.
    expect([...near.positives]).toEqual([5 * 16 + 7, 6 * 16 + 7].filter((p) => all.positives.includes(p)));
  });

  it("assigns nothing without objects, to boxes without area, and outside the map", () => {
    const truths = [
      toTruth([], []),
      toTruth(
        [
          [12, 12, 12, 30],
          [500, 500, 600, 600],
          [30, 30, 10, 10],
        ],
        [0, 1, 2],
      ),
    ];
    const targets = assignFcosTargets(truths, SIZES, OPTIONS);
    expect(targets.positives.length).toBe(0);
    expect(targets.labels.every((labels) => labels.every((label) => label === 3))).toBe(true);
    expect(assignFcosTargets([], SIZES, OPTIONS).positives.length).toBe(0);
  });

  it("works on maps of one cell", () => {
    const options = { ...OPTIONS, strides: [8], regressRanges: [[-1, 1e8] as const] };
    const targets = assignFcosTargets([toTruth([[0, 0, 8, 8]], [2])], [{ height: 1, width: 1 }], options);
    expect([...targets.labels[0]!]).toEqual([2]);
    expect([...targets.distances]).toEqual([4, 4, 4, 4]);
    expect([...targets.centerness]).toEqual([1]);
  });

  it("names image and label of an object that cannot be a target", () => {
    const good = toTruth([[0, 0, 9, 9]], [0]);
    expect(() => assignFcosTargets([good, toTruth([[0, 0, 9, 9]], [3])], SIZES, OPTIONS)).toThrow(
      /Image 1 .* label 3; labels lie in 0\.\.2/,
    );
    expect(() => assignFcosTargets([toTruth([[0, 0, 9, 9]], [-1])], SIZES, OPTIONS)).toThrow(DatasetError);
    expect(() => assignFcosTargets([toTruth([[0, Number.NaN, 9, 9]], [0])], SIZES, OPTIONS)).toThrow(/finite/);
    expect(() => assignFcosTargets([{ ...good, labels: new Int32Array(2) }], SIZES, OPTIONS)).toThrow(ShapeError);
  });

  it("does not look at crowds", () => {
    const crowd = { ...toTruth([[0, 0, 90, 90]], [99]), crowd: Uint8Array.of(1) };
    expect(assignFcosTargets([crowd], SIZES, OPTIONS).positives.length).toBe(0);
  });

  it("refuses levels without stride or range", () => {
    expect(() => assignFcosTargets([], SIZES.slice(1), OPTIONS)).toThrow(ConfigError);
  });
});
