// The fast assignment against the plain one, which is tested in max-iou-assign.test.ts and against the reference.
import { type AnchorOptions, assignGridMaxIou, assignMaxIou, levelAnchors, type MaxIouOptions } from "@caddet/heads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toTruth } from "./golden";

const STRIDES = [8, 16, 32];
const anchorsOf = (sizes: readonly { height: number; width: number }[], anchors?: AnchorOptions) =>
  Float32Array.from(sizes.flatMap((size, l) => [...levelAnchors(size, STRIDES[l]!, anchors)]));

// Whole and half pixels make many equal overlaps; sizes reach from nothing to far more than the map.
const place = fc.oneof(fc.integer({ min: -60, max: 220 }), fc.float({ min: -60, max: 220, noNaN: true }));
const side = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.float({ min: 0, max: 10, noNaN: true }),
  fc.constantFrom(32, 64, 0.5, 1000, -5),
);
const box = fc.tuple(place, place, side, side).map(([x, y, w, h]) => [x, y, x + w, y + h]);
const fraction = fc.constantFrom(0, 0.1, 0.3, 0.4, 0.5, 0.7, 0.9);
const thresholds = fc.record({
  positiveIou: fraction,
  negativeIou: fraction,
  minPositiveIou: fc.constantFrom(0, 0.05, 0.3),
  ignoreIof: fc.constantFrom(-1, 0, 0.2, 0.5, 1),
});
const shapes = fc.constantFrom<AnchorOptions>(
  {},
  { baseScale: 1, scalesPerOctave: 1, ratios: [1] },
  { baseScale: 3, ratios: [0.1, 1, 7] },
);
const sides = fc.integer({ min: 1, max: 24 });

describe("assignGridMaxIou", () => {
  it("is assignMaxIou on the anchors of the grid, to the last bit", () => {
    const scene = fc.record({
      boxes: fc.array(box, { maxLength: 8 }),
      crowds: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 2 }),
      height: sides,
      width: sides,
      maskEvery: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(scene, thresholds, shapes, ({ boxes, crowds, height, width, maskEvery }, options, anchors) => {
        const sizes = STRIDES.map((_, l) => ({ height: Math.ceil(height / 2 ** l), width: Math.ceil(width / 2 ** l) }));
        const plain = anchorsOf(sizes, anchors);
        const truth = toTruth(
          boxes,
          boxes.map(() => 0),
        );
        for (const g of crowds) if (g < boxes.length) truth.crowd[g] = 1;
        const valid =
          maskEvery > 1
            ? Uint8Array.from({ length: plain.length / 4 }, (_, i) => (i % maskEvery === 0 ? 1 : 0))
            : undefined;
        const fast = assignGridMaxIou({ sizes, strides: STRIDES, anchors }, truth, options, valid);
        expect([...fast]).toEqual([...assignMaxIou(plain, truth, options, valid)]);
      }),
      { numRuns: 400 },
    );
  });

  it.each([1e-10, 1e-18, 2e-20, 3e-21, 1e-22, 1e-30, 1e-42])("is assignMaxIou for a box of %f pixels", (side) => {
    const sizes = [{ height: 2, width: 3 }];
    const truth = toTruth([[0, 0, side, 3 * side]], [0]);
    const plain = anchorsOf(sizes);
    expect([...assignGridMaxIou({ sizes, strides: [8] }, truth)]).toEqual([...assignMaxIou(plain, truth)]);
  });

  it.each<[string, MaxIouOptions]>([
    ["defaults", {}],
    ["a low threshold", { negativeIou: 0.05 }],
    ["crowds", { ignoreIof: 0.5 }],
  ])("is assignMaxIou on an image of 800×1216 with %s", (_, options) => {
    const strides = [8, 16, 32, 64, 128];
    const sizes = [
      [100, 152],
      [50, 76],
      [25, 38],
      [13, 19],
      [7, 10],
    ].map(([height, width]) => ({ height: height!, width: width! }));
    const boxes = Array.from({ length: 30 }, (_, i) => {
      const [x, y] = [(i * 397.3) % 1150, (i * 211.7) % 740];
      return [x, y, x + 3 + ((i * 53.9) % 700), y + 3 + ((i * 31.1) % 500)];
    });
    const truth = toTruth(
      boxes,
      boxes.map(() => 0),
    );
    truth.crowd[7] = 1;
    const plain = Float32Array.from(sizes.flatMap((size, l) => [...levelAnchors(size, strides[l]!)]));
    const fast = assignGridMaxIou({ sizes, strides }, truth, options);
    expect(fast.filter((owner) => owner >= 0).length).toBeGreaterThan(200);
    expect(Buffer.from(fast.buffer).equals(Buffer.from(assignMaxIou(plain, truth, options).buffer))).toBe(true);
  });
});
