import { ShapeError } from "@caddet/core";
import { batchedNms, bboxOverlaps, nms } from "@caddet/heads";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type GoldenArray, golden } from "./golden";

interface NmsCase {
  readonly op: "nms" | "batched_nms" | "multiclass_nms";
  readonly note: string;
  readonly boxes: GoldenArray;
  readonly scores: GoldenArray;
  readonly labels: GoldenArray;
  readonly iou_threshold: number;
  readonly keep: GoldenArray;
}

const { cases } = golden<{ cases: NmsCase[] }>("pieces/nms");
// The reference shifts the boxes of each class by (largest coordinate + 1) · class; with negative coordinates classes meet.
const SHIFT_QUIRK = "QUIRK: negative coordinates, class 1 box suppressed by class 0 box";
const scene = fc.array(
  fc.record({
    x: fc.integer({ min: 0, max: 40 }),
    y: fc.integer({ min: 0, max: 40 }),
    w: fc.integer({ min: 0, max: 30 }),
    h: fc.integer({ min: 0, max: 30 }),
    score: fc.integer({ min: 0, max: 8 }).map((v) => v / 8),
    label: fc.integer({ min: 0, max: 2 }),
  }),
  { maxLength: 25 },
);

describe("nms", () => {
  it.each(cases.filter(({ op }) => op === "nms"))("keeps what the reference keeps: $note", (c) => {
    expect([...nms(c.boxes.data, c.scores.data, c.iou_threshold)]).toEqual(c.keep.data);
  });

  it("keeps the first boxes of the whole answer when it is limited, and never NaN", () => {
    const boxes = [0, 0, 9, 9, 20, 0, 29, 9, 40, 0, 49, 9];
    expect([...nms(boxes, [0.1, Number.NaN, 0.3], 0.5)]).toEqual([2, 0]);
    expect([...nms(boxes, [0.1, 0.2, 0.3], 0.5, 2)]).toEqual([2, 1]);
    expect([...nms([], [], 0.5)]).toEqual([]);
  });
});

describe("batchedNms", () => {
  it.each(cases.filter(({ op, note }) => op === "batched_nms" && note !== SHIFT_QUIRK))(
    "keeps what the reference keeps: $note",
    (c) => {
      expect([...batchedNms(c.boxes.data, c.scores.data, c.labels.data, c.iou_threshold)]).toEqual(c.keep.data);
    },
  );

  it("keeps classes apart at negative coordinates too, where the reference does not", () => {
    const quirk = cases.find(({ note }) => note === SHIFT_QUIRK)!;
    expect(quirk.keep.data).toEqual([0]);
    expect([...batchedNms(quirk.boxes.data, quirk.scores.data, quirk.labels.data, quirk.iou_threshold)]).toEqual([
      0, 1,
    ]);
  });

  it("keeps a set that is ordered, free of overlaps within a class, and covers what it drops", () => {
    fc.assert(
      fc.property(scene, (items) => {
        const boxes = items.flatMap(({ x, y, w, h }) => [x, y, x + w, y + h]);
        const scores = items.map(({ score }) => score);
        const labels = items.map(({ label }) => label);
        const kept = [...batchedNms(boxes, scores, labels, 0.5)];
        const overlaps = bboxOverlaps(boxes, boxes);
        const rivals = (i: number, j: number) => labels[i] === labels[j] && overlaps[i * items.length + j]! > 0.5;
        const before = (i: number, j: number) => scores[i]! > scores[j]! || (scores[i] === scores[j] && i < j);
        kept.forEach((i, k) => {
          if (k > 0) expect(before(kept[k - 1]!, i)).toBe(true);
          expect(kept.some((j) => j !== i && rivals(i, j))).toBe(false);
        });
        items.forEach((_, i) => {
          if (!kept.includes(i)) expect(kept.some((j) => before(j, i) && rivals(i, j))).toBe(true);
        });
      }),
    );
  });

  it("does what a naive loop over all pairs does, within classes and across them", () => {
    fc.assert(
      fc.property(
        scene,
        fc.constantFrom(0, 0.3, 0.5, 1),
        fc.integer({ min: 0, max: 30 }),
        (items, threshold, limit) => {
          const boxes = items.flatMap(({ x, y, w, h }) => [x, y, x + w, y + h]);
          const scores = items.map(({ score }) => score);
          const labels = items.map(({ label }) => label);
          const overlaps = bboxOverlaps(boxes, boxes);
          const naive = (group: (i: number) => number) => {
            const order = items.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
            const kept: number[] = [];
            for (const i of order) {
              const covers = (j: number) => group(i) === group(j) && overlaps[i * items.length + j]! > threshold;
              if (!kept.some(covers)) kept.push(i);
            }
            return kept.slice(0, limit);
          };
          expect([...batchedNms(boxes, scores, labels, threshold, limit)]).toEqual(naive((i) => labels[i]!));
          expect([...nms(boxes, scores, threshold, limit)]).toEqual(naive(() => 0));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses counts that differ", () => {
    expect(() => batchedNms([0, 0, 1, 1], [0.5, 0.6], [0], 0.5)).toThrow(ShapeError);
    expect(() => nms([0, 0, 1], [0.5], 0.5)).toThrow(ShapeError);
  });
});
