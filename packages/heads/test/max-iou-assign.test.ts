import type { GroundTruth } from "@caddet/core";
import { assignMaxIou, bboxOverlaps, levelAnchors, type MaxIouOptions } from "@caddet/heads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toTruth } from "./golden";

const ANCHORS = Float32Array.from([
  ...levelAnchors({ height: 8, width: 10 }, 8),
  ...levelAnchors({ height: 4, width: 5 }, 16),
]);
const COUNT = ANCHORS.length / 4;

// The definition over all pairs; undefined where rounding decides.
function byDefinition(truth: GroundTruth, { positiveIou, negativeIou }: Required<MaxIouOptions>, valid: Uint8Array) {
  const overlaps = bboxOverlaps(truth.boxes, ANCHORS);
  const owner = Array.from({ length: COUNT }, (_, i) => {
    let best = 0;
    let box = -1;
    truth.labels.forEach((_, g) => {
      const iou = overlaps[g * COUNT + i]!;
      if (!truth.crowd[g] && iou > best) {
        best = iou;
        box = g;
      }
    });
    if (!valid[i]) return -2;
    if (Math.min(Math.abs(best - positiveIou), Math.abs(best - negativeIou)) < 1e-6) return undefined;
    if (best >= positiveIou) return box;
    return best < negativeIou ? -1 : -2;
  });
  return { owner, overlaps };
}

describe("assignMaxIou", () => {
  it("gives every anchor what its best box says, unless a box takes it", () => {
    const box = fc
      .tuple(fc.integer({ min: -10, max: 70 }), fc.integer({ min: -10, max: 60 }), fc.integer({ min: 5, max: 70 }))
      .chain(([x, y, w]) => fc.integer({ min: 5, max: 70 }).map((h) => [x, y, x + w, y + h]));
    const scene = fc.record({
      boxes: fc.array(box, { maxLength: 6 }),
      crowd: fc.integer({ min: 0, max: 5 }),
      rows: fc.integer({ min: 1, max: 3 }),
    });
    const options = { positiveIou: 0.5, negativeIou: 0.4, minPositiveIou: 0.3, ignoreIof: -1 };
    fc.assert(
      fc.property(scene, ({ boxes, crowd, rows }) => {
        const truth = toTruth(
          boxes,
          boxes.map(() => 0),
        );
        if (crowd < boxes.length) truth.crowd[crowd] = 1;
        const valid = Uint8Array.from({ length: COUNT }, (_, i) => (i % (rows + 1) === 0 ? 0 : 1));
        const { owner, overlaps } = byDefinition(truth, options, valid);
        const actual = assignMaxIou(ANCHORS, truth, options, valid);
        actual.forEach((box, i) => {
          if (box === owner[i] || owner[i] === undefined) return;
          // Only a box whose best anchor this is takes it away.
          const own = overlaps.subarray(box * COUNT, (box + 1) * COUNT);
          const top = own.reduce((a, v, k) => (valid[k] ? Math.max(a, v) : a), 0);
          expect(truth.crowd[box]).toBe(0);
          expect(own[i]).toBeGreaterThan(top - 1e-6);
          expect(top).toBeGreaterThanOrEqual(options.minPositiveIou - 1e-6);
        });
        truth.labels.forEach((_, g) => {
          const own = overlaps.subarray(g * COUNT, (g + 1) * COUNT);
          const top = own.reduce((a, v, k) => (valid[k] ? Math.max(a, v) : a), 0);
          if (truth.crowd[g] || top < options.minPositiveIou + 1e-6) return;
          // Each box has a best anchor, unless a later box took it; rounding decides between nearly equal ones.
          expect(own.some((v, i) => valid[i] === 1 && v > top - 1e-6 && actual[i]! >= 0)).toBe(true);
        });
      }),
    );
  });

  it("makes all anchors background without objects, and leaves out those that take no part", () => {
    expect(assignMaxIou(ANCHORS, toTruth([], [])).every((box) => box === -1)).toBe(true);
    const valid = new Uint8Array(COUNT);
    valid[3] = 1;
    const owner = assignMaxIou(ANCHORS, toTruth([[0, 0, 30, 30]], [0]), {}, valid);
    expect(owner[3]).toBe(0);
    expect(owner.filter((box) => box === -2).length).toBe(COUNT - 1);
  });

  it("gives a box that meets no anchor all of them, unless minPositiveIou forbids", () => {
    const far = toTruth([[900, 900, 950, 950]], [0]);
    expect(assignMaxIou(ANCHORS, far).every((box) => box === 0)).toBe(true);
    expect(assignMaxIou(ANCHORS, far, { minPositiveIou: 0.1 }).every((box) => box === -1)).toBe(true);
  });

  it("lets the later of equal boxes take their best anchors", () => {
    const twins = toTruth(
      [
        [20, 20, 52, 52],
        [20, 20, 52, 52],
      ],
      [0, 1],
    );
    const owner = assignMaxIou(ANCHORS, twins);
    const overlaps = bboxOverlaps(twins.boxes.subarray(0, 4), ANCHORS);
    const top = Math.max(...overlaps);
    overlaps.forEach((iou, i) => {
      if (iou === top) expect(owner[i]).toBe(1);
      else if (iou > 0.5) expect(owner[i]).toBe(0);
    });
  });

  it("looks at crowds only with ignoreIof", () => {
    const truth = { ...toTruth([[0, 0, 200, 200]], [0]), crowd: Uint8Array.of(1) };
    expect(assignMaxIou(ANCHORS, truth).every((box) => box === -1)).toBe(true);
    const owner = assignMaxIou(ANCHORS, truth, { ignoreIof: 0.5 });
    const shares = bboxOverlaps(ANCHORS, truth.boxes, "iof");
    owner.forEach((box, i) => {
      expect(box).toBe(shares[i]! > 0.5 ? -2 : -1);
    });
  });
});
